import {
  type Endpoint,
  listProjectBranchEndpoints,
  listProjectEndpoints,
  updateProjectEndpoint,
} from "@latchkey/contract/endpoints.ts";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { refresh } from "../../api/queries.ts";
import { Button } from "../../ui/Button.tsx";
import { Actions, Dialog } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { RadioField, TextField } from "../../ui/fields.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";
import { follow } from "../projects/operations.ts";
import { ComputeSizeField } from "./ComputeSizeField.tsx";
import { readSettings, writeSettings } from "./compute-settings.ts";
import { fieldOf, readSize, writeSize } from "./compute-size.ts";
import { PostgresSettingsField } from "./PostgresSettingsField.tsx";
import { SuspendTimeoutField } from "./SuspendTimeoutField.tsx";
import { writeTimeout } from "./suspend-timeout.ts";

interface ComputeSettingsDialogProps {
  readonly endpoint: Endpoint;
  readonly onClose: () => void;
}

interface Values {
  readonly name: string;
  readonly size: string;
  readonly settings: string;
  readonly access: string;
  readonly suspend: string;
}

export function ComputeSettingsDialog({ endpoint, onClose }: ComputeSettingsDialogProps) {
  const { id: endpoint_id, project_id } = endpoint;
  const before: Values = {
    name: endpoint.name ?? "",
    size: writeSize(endpoint),
    settings: writeSettings(endpoint.settings.pg_settings),
    access: endpoint.disabled ? "disabled" : "enabled",
    suspend: writeTimeout(endpoint.suspend_timeout_seconds),
  };
  return (
    <Dialog open title="Settings of the compute" onClose={onClose}>
      <ApiForm<Values>
        defaults={before}
        onSubmit={async ({ name, size, settings, access, suspend }) => {
          const wanted = readSettings(settings);
          // Only what differs: another size and other settings would restart it, and be refused while the server works on it.
          const changes = {
            ...(name.trim() === before.name ? {} : { name: name.trim() }),
            ...(size === before.size ? {} : readSize(size)),
            ...(suspend === before.suspend ? {} : { suspend_timeout_seconds: Number(suspend) }),
            ...(access === before.access ? {} : { disabled: access === "disabled" }),
            ...(settings === before.settings || !("settings" in wanted)
              ? {}
              : { settings: { pg_settings: wanted.settings } }),
          };
          const { operations } = await api.call(updateProjectEndpoint, {
            params: { project_id, endpoint_id },
            body: { endpoint: changes },
          });
          await refresh(listProjectEndpoints, listProjectBranchEndpoints);
          await follow(project_id, operations);
          announce("The compute’s settings are saved.");
          onClose();
        }}
        refusal={(error) =>
          hasStatus(error, 400) ? { field: fieldOf(error.message), message: sentence(error.message) } : undefined
        }
      >
        <TextField
          name="name"
          label="Name"
          hint="To tell it from others. It is in no connection string."
          rules={{
            max_length: [64, "Use up to 64 characters."],
            check: (name) => name.trim() !== "" || before.name === "" || "A name can be changed, not taken away.",
          }}
        />
        <ComputeSizeField
          name="size"
          now={before.size}
          hint="Each CU is one processor. Another size restarts the compute, and connections to it end."
        />
        <SuspendTimeoutField name="suspend" now={before.suspend} />
        <PostgresSettingsField
          name="settings"
          hint="One a line. They take the place of those that were chosen before; a change restarts the compute, and connections to it end."
        />
        <RadioField
          name="access"
          legend="Access"
          options={[
            { value: "enabled", label: "Enabled", hint: "It runs, or starts with the next connection." },
            { value: "disabled", label: "Disabled", hint: "It is stopped, and no connection starts it." },
          ]}
        />
        <FormRefusal />
        <Actions>
          <Button onClick={onClose}>Cancel</Button>
          <Submit>Save</Submit>
        </Actions>
      </ApiForm>
    </Dialog>
  );
}
