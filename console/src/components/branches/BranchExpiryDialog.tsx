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
import { type Expiry, ExpiryFields, readExpiry, writeExpiry } from "./ExpiryFields.tsx";

interface BranchExpiryDialogProps {
  readonly branch: Branch;
  readonly onClose: () => void;
}

export function BranchExpiryDialog({ branch, onClose }: BranchExpiryDialogProps) {
  const { id: branch_id, project_id } = branch;
  return (
    <Dialog open title={`Expiry of ${branch.name}`} onClose={onClose}>
      <ApiForm<Expiry>
        defaults={writeExpiry(branch.expires_at)}
        onSubmit={async (values) => {
          const expires_at = readExpiry(values);
          await api.call(updateProjectBranch, {
            params: { project_id, branch_id },
            body: { branch: { expires_at } },
          });
          await refresh(listProjectBranches, getProjectBranch);
          announce(expires_at === null ? `${branch.name} stays until it is deleted.` : `${branch.name} will expire.`);
          onClose();
        }}
        refusal={(error) =>
          hasStatus(error, 422) || hasStatus(error, 400)
            ? { title: "The expiry was not changed", message: sentence(error.message) }
            : undefined
        }
      >
        <ExpiryFields />
        <FormRefusal />
        <Actions>
          <Button onClick={onClose}>Cancel</Button>
          <Submit>Set expiry</Submit>
        </Actions>
      </ApiForm>
    </Dialog>
  );
}
