import { createProjectBranch } from "@latchkey/contract/branch-creation.ts";
import { type Branch, listProjectBranches } from "@latchkey/contract/branches.ts";
import { useNavigate } from "@tanstack/react-router";
import type { RefObject } from "react";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { paths } from "../../paths.ts";
import { Button } from "../../ui/Button.tsx";
import { Actions, Dialog } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { RadioField, SelectField } from "../../ui/fields.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";
import { follow } from "../projects/operations.ts";
import { BranchNameField } from "./BranchNameField.tsx";
import { type Expiry, ExpiryFields, readExpiry, writeExpiry } from "./ExpiryFields.tsx";

interface CreateBranchDialogProps {
  readonly project_id: string;
  readonly branches: readonly Branch[];
  /** The parent to begin with; the default branch where none is given. */
  readonly parent_id: string | undefined;
  readonly onClose: () => void;
  readonly return_focus?: RefObject<HTMLElement | null> | undefined;
}

interface Values extends Expiry {
  readonly name: string;
  readonly parent_id: string;
  readonly init_source: "parent-data" | "schema-only";
  readonly compute: string;
}

export function CreateBranchDialog(props: CreateBranchDialogProps) {
  const { project_id, branches, parent_id, onClose, return_focus } = props;
  const navigate = useNavigate();
  const first = parent_id ?? branches.find((branch) => branch.default)?.id ?? "";
  return (
    <Dialog
      open
      title="Create branch"
      description="It gets what its parent has at this moment, roles and databases included. After that neither sees what the other one does."
      onClose={onClose}
      return_focus={return_focus}
    >
      <ApiForm<Values>
        defaults={{ name: "", parent_id: first, init_source: "parent-data", compute: "yes", ...writeExpiry(undefined) }}
        onSubmit={async (values) => {
          const expires_at = readExpiry(values);
          // The answer carries passwords; only the id and the operations are taken out of it.
          const { branch, operations } = await api.call(createProjectBranch, {
            params: { project_id },
            body: {
              branch: {
                name: values.name.trim(),
                parent_id: values.parent_id,
                init_source: values.init_source,
                ...(expires_at === null ? {} : { expires_at }),
              },
              ...(values.compute === "yes" ? { endpoints: [{ type: "read_write" }] } : {}),
            },
          });
          await follow(project_id, operations);
          onClose();
          await navigate({ to: paths.branch(project_id, branch.id) });
        }}
        refusal={(error) => {
          if (hasStatus(error, 409)) return { field: "name", message: sentence(error.message) };
          if (hasStatus(error, 423)) {
            return { field: "parent_id", message: "This branch is still being made. Wait until it is ready." };
          }
          return undefined;
        }}
        makes={{
          listed_by: [listProjectBranches],
          lost: "The branch may have been made all the same. Look for its name in the list of branches before you try again.",
        }}
      >
        <BranchNameField hint="What is it for? Such as preview/login or ada/try-index." />
        <SelectField
          name="parent_id"
          label="Parent"
          options={branches.map(({ id, name }) => ({ value: id, label: name }))}
        />
        <SelectField
          name="init_source"
          label="Begins with"
          options={[
            { value: "parent-data", label: "The parent's schema and data" },
            { value: "schema-only", label: "Its schema alone, as a root of its own" },
          ]}
        />
        <RadioField
          name="compute"
          legend="Compute"
          options={[
            { value: "yes", label: "With a compute", hint: "It can be connected to." },
            { value: "no", label: "Without", hint: "Its data alone, as a copy to keep. A compute can be added later." },
          ]}
        />
        <ExpiryFields />
        <FormRefusal />
        <Actions>
          <Button onClick={onClose}>Cancel</Button>
          <Submit>Create branch</Submit>
        </Actions>
      </ApiForm>
    </Dialog>
  );
}
