import { getProject, type Project, updateProject } from "@latchkey/contract/projects.ts";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { refresh } from "../../api/queries.ts";
import { FormRefusal } from "../../ui/Form.tsx";
import { RadioField, TextAreaField } from "../../ui/fields.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";

interface Values {
  readonly ips: string;
  readonly branches: string;
}

/** From where a project's databases may be connected to. */
export function AllowedAddressesForm({ project }: { readonly project: Project }) {
  const { ips = [], protected_branches_only = false } = project.settings.allowed_ips ?? {};
  return (
    <ApiForm<Values>
      follows_defaults
      label="Allowed addresses"
      className="max-w-[480px]"
      defaults={{ ips: ips.join("\n"), branches: protected_branches_only ? "protected" : "all" }}
      onSubmit={async (values) => {
        const wanted = values.ips.split(/[\s,]+/).filter(Boolean);
        await api.call(updateProject, {
          params: { project_id: project.id },
          body: {
            project: {
              settings: { allowed_ips: { ips: wanted, protected_branches_only: values.branches === "protected" } },
            },
          },
        });
        await refresh(getProject);
        announce(wanted.length === 0 ? "Every address may connect." : "Only these addresses may connect from now on.");
      }}
      refusal={(error) =>
        hasStatus(error, 400) || hasStatus(error, 422) ? { field: "ips", message: sentence(error.message) } : undefined
      }
    >
      <TextAreaField
        name="ips"
        label="Addresses and ranges"
        placeholder={"192.0.2.4\n203.0.113.0/24"}
        hint="One a line. Empty: every address. Connections that are open stay."
      />
      <RadioField
        name="branches"
        legend="They hold for"
        options={[
          { value: "all", label: "All branches" },
          { value: "protected", label: "Protected branches only" },
        ]}
      />
      <FormRefusal />
      <Submit className="self-start">Save addresses</Submit>
    </ApiForm>
  );
}
