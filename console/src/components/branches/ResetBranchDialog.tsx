import { type Branch, restoreProjectBranch } from "@latchkey/contract/branches.ts";
import { useWatch } from "react-hook-form";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { Button } from "../../ui/Button.tsx";
import { Actions, Dialog } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { RadioField, SelectField } from "../../ui/fields.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";
import { follow } from "../projects/operations.ts";
import { BranchNameField } from "./BranchNameField.tsx";
import type { BranchNode } from "./branch-tree.ts";

interface ResetBranchDialogProps {
  readonly node: BranchNode;
  readonly branches: readonly Branch[];
  readonly onClose: () => void;
}

interface Values {
  readonly source_id: string;
  readonly keep: string;
  readonly backup: string;
}

/** Replaces a branch's data by another's, its parent's unless another one is chosen. */
export function ResetBranchDialog({ node, branches, onClose }: ResetBranchDialogProps) {
  const { branch, parent, has_children } = node;
  const { project_id, id: branch_id } = branch;
  const sources = branches.filter(({ id }) => id !== branch_id);
  return (
    <Dialog
      open
      title={`Reset ${branch.name}?`}
      description="It gets the data, roles and databases, passwords included, that another branch has at this moment; of a protected branch it does not get the passwords. Its name, id and compute stay; connections to it end."
      onClose={onClose}
    >
      <ApiForm<Values>
        defaults={{
          source_id: parent?.id ?? "",
          keep: has_children ? "yes" : "no",
          backup: `${branch.name}-before-${new Date().toISOString().slice(0, 10)}`,
        }}
        onSubmit={async ({ source_id, keep, backup }) => {
          const { operations } = await api.call(restoreProjectBranch, {
            params: { project_id, branch_id },
            body: {
              source_branch_id: source_id,
              ...(keep === "yes" ? { preserve_under_name: backup.trim() } : {}),
            },
          });
          await follow(project_id, operations);
          announce(`${branch.name} is being reset.`);
          onClose();
        }}
        refusal={(error) => {
          if (hasStatus(error, 409)) return { field: "backup", message: sentence(error.message) };
          if (hasStatus(error, 422)) return { title: "The branch was not reset", message: sentence(error.message) };
          return undefined;
        }}
      >
        <SelectField
          name="source_id"
          label="To the data of"
          placeholder="Choose a branch"
          options={sources.map(({ id, name }) => ({
            value: id,
            label: id === parent?.id ? `${name} (its parent)` : name,
          }))}
          rules={{ required: "Choose a branch." }}
        />
        <RadioField
          name="keep"
          legend="What it has now"
          options={[
            {
              value: "no",
              label: "Is deleted",
              hint: "It cannot be brought back.",
              ...(has_children ? { disabled_reason: "Other branches come from it, and need it as their parent." } : {}),
            },
            { value: "yes", label: "Is kept as another branch", hint: "Without a compute." },
          ]}
        />
        <BackupName />
        <FormRefusal />
        <Actions>
          <Button onClick={onClose}>Cancel</Button>
          <Submit kind="danger">Reset branch</Submit>
        </Actions>
      </ApiForm>
    </Dialog>
  );
}

function BackupName() {
  const keep: unknown = useWatch({ name: "keep" });
  return keep === "yes" ? <BranchNameField name="backup" label="Name of that branch" /> : null;
}
