import { getProject, type Project, updateProject } from "@latchkey/contract/projects.ts";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { refresh } from "../../api/queries.ts";
import { FormRefusal } from "../../ui/Form.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";
import { ComputeSizeField } from "../computes/ComputeSizeField.tsx";
import { readSettings, writeSettings } from "../computes/compute-settings.ts";
import { fieldOf, readSize, writeSize } from "../computes/compute-size.ts";
import { PostgresSettingsField } from "../computes/PostgresSettingsField.tsx";
import { SuspendTimeoutField } from "../computes/SuspendTimeoutField.tsx";
import { writeTimeout } from "../computes/suspend-timeout.ts";

/** Where a project names no size. */
const SMALLEST_CU = 0.25;

/** What computes are given that are made from now on. */
export function ComputeDefaultsForm({ project }: { readonly project: Project }) {
  const { pg_settings = {}, suspend_timeout_seconds, ...limits } = project.default_endpoint_settings;
  const { autoscaling_limit_min_cu = SMALLEST_CU, autoscaling_limit_max_cu = autoscaling_limit_min_cu } = limits;
  const size = writeSize({ autoscaling_limit_min_cu, autoscaling_limit_max_cu });
  const suspend = writeTimeout(suspend_timeout_seconds);
  return (
    <ApiForm
      follows_defaults
      label="Defaults of new computes"
      className="max-w-[480px]"
      defaults={{ size, suspend, settings: writeSettings(pg_settings) }}
      onSubmit={async (values) => {
        const wanted = readSettings(values.settings);
        if (!("settings" in wanted)) return;
        await api.call(updateProject, {
          params: { project_id: project.id },
          body: {
            project: {
              default_endpoint_settings: {
                pg_settings: wanted.settings,
                ...(values.size === size ? {} : readSize(values.size)),
                ...(values.suspend === suspend ? {} : { suspend_timeout_seconds: Number(values.suspend) }),
              },
            },
          },
        });
        await refresh(getProject);
        announce("New computes get these settings.");
      }}
      refusal={(error) =>
        hasStatus(error, 400) ? { field: fieldOf(error.message), message: sentence(error.message) } : undefined
      }
    >
      <ComputeSizeField name="size" now={size} hint="Each CU is one processor. Computes that exist keep theirs." />
      <SuspendTimeoutField name="suspend" now={suspend} />
      <PostgresSettingsField name="settings" hint="One a line. Computes that exist keep theirs." />
      <FormRefusal />
      <Submit className="self-start">Save defaults</Submit>
    </ApiForm>
  );
}
