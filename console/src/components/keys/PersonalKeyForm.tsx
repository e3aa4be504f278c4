import {
  type CreatedKey,
  createApiKey,
  createOrgApiKey,
  listApiKeys,
  listOrgApiKeys,
} from "@latchkey/contract/api-keys.ts";
import { useWatch } from "react-hook-form";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { refresh } from "../../api/queries.ts";
import { Actions } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { RadioField, SelectField } from "../../ui/fields.tsx";
import { ApiForm, Cancel, Submit } from "../ApiForm.tsx";
import { lastOrganization, useOrganizations } from "../present.ts";
import { KeyNameField, LOST_KEY, refusalOfName } from "./KeyNameField.tsx";
import { ProjectField } from "./ProjectField.tsx";

interface PersonalKeyFormProps {
  readonly onCreated: (key: CreatedKey) => void;
  readonly onCancel: () => void;
}

interface Values {
  readonly key_name: string;
  readonly reach: "person" | "organization" | "project";
  readonly org_id: string;
  readonly project_id: string;
}

/** A new key of any reach. One that is not personal belongs to its organization, and is listed there. */
export function PersonalKeyForm({ onCreated, onCancel }: PersonalKeyFormProps) {
  const organizations = useOrganizations().data?.organizations ?? [];
  return (
    <ApiForm<Values>
      defaults={{ key_name: "", reach: "person", org_id: lastOrganization(organizations)?.id ?? "", project_id: "" }}
      onSubmit={async ({ key_name, reach, org_id, project_id }) => {
        const name = key_name.trim();
        if (reach === "person") {
          onCreated(await api.call(createApiKey, { body: { key_name: name } }));
          await refresh(listApiKeys);
          return;
        }
        const body = { key_name: name, ...(reach === "project" ? { project_id } : {}) };
        onCreated(await api.call(createOrgApiKey, { params: { org_id }, body }));
        await refresh(listOrgApiKeys);
      }}
      refusal={(error) =>
        hasStatus(error, 403) ? { field: "org_id", message: sentence(error.message) } : refusalOfName(error)
      }
      makes={{ listed_by: [listApiKeys, listOrgApiKeys], lost: LOST_KEY }}
    >
      <KeyNameField />
      <RadioField
        name="reach"
        legend="Reach"
        options={[
          {
            value: "person",
            label: "Everything I can reach",
            hint: "Your organizations, as long as you are a member.",
          },
          { value: "organization", label: "An organization", hint: "All its projects. Listed in its settings." },
          { value: "project", label: "A project", hint: "That one only, and it cannot delete it." },
        ]}
      />
      <ReachFields organizations={organizations} />
      <FormRefusal />
      <Actions>
        <Cancel onClick={onCancel} />
        <Submit>Create</Submit>
      </Actions>
    </ApiForm>
  );
}

interface ReachFieldsProps {
  readonly organizations: readonly { readonly id: string; readonly name: string }[];
}

function ReachFields({ organizations }: ReachFieldsProps) {
  const [reach, org_id] = useWatch<{ reach: string; org_id: string }, ["reach", "org_id"]>({
    name: ["reach", "org_id"],
  });
  if (reach === "person") return null;
  return (
    <>
      <SelectField
        name="org_id"
        label="Organization"
        options={organizations.map(({ id, name }) => ({ value: id, label: name }))}
        rules={{ required: "Choose an organization." }}
      />
      {reach === "project" && org_id !== "" && <ProjectField org_id={org_id} />}
    </>
  );
}
