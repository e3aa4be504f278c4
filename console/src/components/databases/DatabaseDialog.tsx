import {
  createProjectBranchDatabase,
  type Database,
  updateProjectBranchDatabase,
} from "@latchkey/contract/databases.ts";
import type { Role } from "@latchkey/contract/roles.ts";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { Button } from "../../ui/Button.tsx";
import { Actions, Dialog } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { SelectField, TextField } from "../../ui/fields.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";
import { postgresNameRules } from "../postgres-name.ts";
import { follow } from "../projects/operations.ts";

interface DatabaseDialogProps {
  readonly params: { readonly project_id: string; readonly branch_id: string };
  /** The database that is to change; absent: a new one. */
  readonly database?: Database;
  readonly roles: readonly Role[];
  readonly onClose: () => void;
}

interface Values {
  readonly name: string;
  readonly owner_name: string;
}

export function DatabaseDialog({ params, database, roles, onClose }: DatabaseDialogProps) {
  const save = async (values: Values) => {
    if (!database) {
      return await api.call(createProjectBranchDatabase, { params, body: { database: values } });
    }
    return await api.call(updateProjectBranchDatabase, {
      params: { ...params, database_name: database.name },
      body: { database: values },
    });
  };
  return (
    <Dialog open title={database ? `Change ${database.name}` : "Create database"} onClose={onClose}>
      <ApiForm<Values>
        defaults={{ name: database?.name ?? "", owner_name: database?.owner_name ?? roles[0]?.name ?? "" }}
        onSubmit={async ({ name, owner_name }) => {
          const { operations } = await save({ name: name.trim(), owner_name });
          await follow(params.project_id, operations);
          announce(database ? `${name.trim()} is changed.` : `${name.trim()} is created.`);
          onClose();
        }}
        refusal={(error) =>
          hasStatus(error, 409) || hasStatus(error, 400)
            ? { field: "name", message: sentence(error.message) }
            : undefined
        }
      >
        <TextField
          name="name"
          label="Name"
          rules={postgresNameRules("Give the database a name.")}
          {...(database ? { hint: "Another name ends the connections to it, and connection strings change." } : {})}
        />
        <SelectField
          name="owner_name"
          label="Owner"
          options={roles.map(({ name }) => ({ value: name, label: name }))}
          hint="May do everything in it."
        />
        <FormRefusal />
        <Actions>
          <Button onClick={onClose}>Cancel</Button>
          <Submit>{database ? "Save" : "Create database"}</Submit>
        </Actions>
      </ApiForm>
    </Dialog>
  );
}
