import {
  type Branch,
  getProjectBranch,
  listProjectBranches,
  updateProjectBranch,
} from "@latchkey/contract/branches.ts";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { refresh } from "../../api/queries.ts";
import { Button } from "../../ui/Button.tsx";
import { Actions, Dialog } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";
import { BranchNameField } from "./BranchNameField.tsx";

interface RenameBranchDialogProps {
  readonly branch: Branch;
  readonly onClose: () => void;
}

export function RenameBranchDialog({ branch, onClose }: RenameBranchDialogProps) {
  const { id: branch_id, project_id } = branch;
  return (
    <Dialog open title={`Rename ${branch.name}`} onClose={onClose}>
      <ApiForm
        defaults={{ name: branch.name }}
        onSubmit={async ({ name }) => {
          await api.call(updateProjectBranch, {
            params: { project_id, branch_id },
            body: { branch: { name: name.trim() } },
          });
          await refresh(listProjectBranches, getProjectBranch);
          announce(`${branch.name} is called ${name.trim()} now.`);
          onClose();
        }}
        refusal={(error) => (hasStatus(error, 409) ? { field: "name", message: sentence(error.message) } : undefined)}
      >
        <BranchNameField hint="Its id and its connection string stay as they are." />
        <FormRefusal />
        <Actions>
          <Button onClick={onClose}>Cancel</Button>
          <Submit>Rename</Submit>
        </Actions>
      </ApiForm>
    </Dialog>
  );
}
