import { createProjectBranchRole } from "@latchkey/contract/roles.ts";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { Button } from "../../ui/Button.tsx";
import { Actions, Dialog } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { RadioField, TextField } from "../../ui/fields.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";
import { postgresNameRules } from "../postgres-name.ts";
import { follow } from "../projects/operations.ts";

interface CreateRoleDialogProps {
  readonly params: { readonly project_id: string; readonly branch_id: string };
  readonly onClose: () => void;
  /** Called with the name of a role that can log in: it has a password. */
  readonly onCreated: (role_name: string) => void;
}

interface Values {
  readonly name: string;
  readonly kind: string;
}

export function CreateRoleDialog({ params, onClose, onCreated }: CreateRoleDialogProps) {
  return (
    <Dialog open title="Create role" onClose={onClose}>
      <ApiForm<Values>
        defaults={{ name: "", kind: "password" }}
        onSubmit={async ({ name, kind }) => {
          const no_login = kind === "no_login";
          // The answer carries the password; it is asked for when somebody wants to see it.
          const { role, operations } = await api.call(createProjectBranchRole, {
            params,
            body: { role: { name: name.trim(), ...(no_login ? { no_login } : {}) } },
          });
          await follow(params.project_id, operations);
          onClose();
          if (!no_login) onCreated(role.name);
        }}
        refusal={(error) =>
          hasStatus(error, 409) || hasStatus(error, 400)
            ? { field: "name", message: sentence(error.message) }
            : undefined
        }
      >
        <TextField name="name" label="Name" rules={postgresNameRules("Give the role a name.")} />
        <RadioField
          name="kind"
          legend="Use"
          options={[
            { value: "password", label: "Logs in", hint: "With a password that the server makes." },
            { value: "no_login", label: "Does not log in", hint: "Has no password: a group to grant rights to." },
          ]}
        />
        <FormRefusal />
        <Actions>
          <Button onClick={onClose}>Cancel</Button>
          <Submit>Create role</Submit>
        </Actions>
      </ApiForm>
    </Dialog>
  );
}
