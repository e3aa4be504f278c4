import { type CreatedKey, createOrgApiKey, listOrgApiKeys } from "@latchkey/contract/api-keys.ts";
import { useWatch } from "react-hook-form";
import { api } from "../../api/client.ts";
import { refresh } from "../../api/queries.ts";
import { Actions } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { RadioField } from "../../ui/fields.tsx";
import { ApiForm, Cancel, Submit } from "../ApiForm.tsx";
import { KeyNameField, LOST_KEY, refusalOfName } from "./KeyNameField.tsx";
import { ProjectField } from "./ProjectField.tsx";

interface OrganizationKeyFormProps {
  readonly org_id: string;
  readonly onCreated: (key: CreatedKey) => void;
  readonly onCancel: () => void;
}

interface Values {
  readonly key_name: string;
  readonly reach: "organization" | "project";
  readonly project_id: string;
}

/** A new key of an organization, for all its projects or for one. */
export function OrganizationKeyForm({ org_id, onCreated, onCancel }: OrganizationKeyFormProps) {
  return (
    <ApiForm<Values>
      defaults={{ key_name: "", reach: "organization", project_id: "" }}
      onSubmit={async ({ key_name, reach, project_id }) => {
        const body = { key_name: key_name.trim(), ...(reach === "project" ? { project_id } : {}) };
        onCreated(await api.call(createOrgApiKey, { params: { org_id }, body }));
        await refresh(listOrgApiKeys);
      }}
      refusal={refusalOfName}
      makes={{ listed_by: [listOrgApiKeys], lost: LOST_KEY }}
    >
      <KeyNameField />
      <RadioField
        name="reach"
        legend="Reach"
        options={[
          {
            value: "organization",
            label: "The whole organization",
            hint: "Admin on every project, future ones included.",
          },
          { value: "project", label: "One project", hint: "As a member: it cannot delete the project or make keys." },
        ]}
      />
      <ChosenProject org_id={org_id} />
      <FormRefusal />
      <Actions>
        <Cancel onClick={onCancel} />
        <Submit>Create</Submit>
      </Actions>
    </ApiForm>
  );
}

function ChosenProject({ org_id }: { readonly org_id: string }) {
  const reach = useWatch({ name: "reach" });
  return reach === "project" && <ProjectField org_id={org_id} />;
}
