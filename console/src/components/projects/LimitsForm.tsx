import { getProject, type Project, updateProject } from "@latchkey/contract/projects.ts";
import { api } from "../../api/client.ts";
import { refresh } from "../../api/queries.ts";
import { FormRefusal } from "../../ui/Form.tsx";
import { TextField } from "../../ui/fields.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";
import { checkLimit, LIMITS, type LimitTexts, readLimits, writeLimits } from "./limits.ts";

/** What a project may use up in a month. */
export function LimitsForm({ project }: { readonly project: Project }) {
  const before = writeLimits(project.settings.quota);
  return (
    <ApiForm<LimitTexts>
      follows_defaults
      label="Limits"
      className="max-w-[480px]"
      defaults={before}
      onSubmit={async (values) => {
        const quota = readLimits(values, before);
        await api.call(updateProject, {
          params: { project_id: project.id },
          body: { project: { settings: { quota } } },
        });
        await refresh(getProject);
        announce("The limits are saved.");
      }}
    >
      {LIMITS.map((limit) => (
        <TextField
          key={limit.name}
          name={limit.name}
          label={limit.label}
          inputMode="decimal"
          placeholder="No limit"
          rules={{ check: (text) => checkLimit(limit, text) }}
        />
      ))}
      <FormRefusal />
      <Submit className="self-start">Save limits</Submit>
    </ApiForm>
  );
}
