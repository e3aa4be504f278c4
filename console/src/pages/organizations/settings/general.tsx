import { getOrganization, updateOrganization } from "@latchkey/contract/organizations.ts";
import { getCurrentUserOrganizations } from "@latchkey/contract/users.ts";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { api } from "../../../api/client.ts";
import { hasStatus, sentence } from "../../../api/errors.ts";
import { query, refresh } from "../../../api/queries.ts";
import { ApiForm, Submit } from "../../../components/ApiForm.tsx";
import { Mono } from "../../../ui/Code.tsx";
import { CopyButton } from "../../../ui/CopyButton.tsx";
import { FormRefusal } from "../../../ui/Form.tsx";
import { TextField } from "../../../ui/fields.tsx";
import { Fact, Facts, Page } from "../../../ui/Page.tsx";
import { Time } from "../../../ui/Time.tsx";
import { announce } from "../../../ui/Toasts.tsx";

export function OrganizationSettingsPage() {
  const { org_id } = useParams({ from: "/signed-in/organizations/$org_id/settings" });
  const organization = useQuery(query(getOrganization, { params: { org_id } })).data;
  return (
    <Page title="Settings">
      {organization && (
        <>
          <ApiForm
            key={organization.id}
            className="max-w-[480px]"
            defaults={{ name: organization.name }}
            onSubmit={async ({ name }) => {
              await api.call(updateOrganization, { params: { org_id }, body: { organization: { name: name.trim() } } });
              await refresh(getOrganization, getCurrentUserOrganizations);
              announce("The organization is renamed.");
            }}
            refusal={(error) =>
              hasStatus(error, 403) ? { field: "name", message: sentence(error.message) } : undefined
            }
          >
            <TextField
              name="name"
              label="Name"
              rules={{ required: "An organization needs a name.", max_length: [256, "Use up to 256 characters."] }}
            />
            <FormRefusal />
            <Submit className="self-start">Rename</Submit>
          </ApiForm>
          <Facts>
            <Fact name="Organization id">
              <span className="inline-flex items-center gap-1">
                <Mono>{organization.id}</Mono>
                <CopyButton text={organization.id} what="organization id" />
              </span>
            </Fact>
            <Fact name="Created">
              <Time at={organization.created_at} />
            </Fact>
          </Facts>
        </>
      )}
    </Page>
  );
}
