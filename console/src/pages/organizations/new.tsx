import { createOrganization } from "@latchkey/contract/organizations.ts";
import { getCurrentUserOrganizations } from "@latchkey/contract/users.ts";
import { useNavigate } from "@tanstack/react-router";
import { api } from "../../api/client.ts";
import { refresh } from "../../api/queries.ts";
import { ApiForm, Submit } from "../../components/ApiForm.tsx";
import { useOrganizations } from "../../components/present.ts";
import { paths } from "../../paths.ts";
import { FormRefusal } from "../../ui/Form.tsx";
import { TextField } from "../../ui/fields.tsx";
import { Page } from "../../ui/Page.tsx";

export function NewOrganizationPage() {
  const navigate = useNavigate();
  const first = useOrganizations().data?.organizations.length === 0;
  return (
    <main id="content" tabIndex={-1} className="mx-auto w-full max-w-[480px] px-4 py-10">
      <Page
        title="Create organization"
        description={
          first
            ? "You belong to no organization yet. Projects belong to one, so make the first; you become its admin."
            : "Projects, keys and members belong to an organization. You become its admin."
        }
      >
        <ApiForm
          defaults={{ name: "" }}
          onSubmit={async ({ name }) => {
            const organization = await api.call(createOrganization, { body: { organization: { name: name.trim() } } });
            await refresh(getCurrentUserOrganizations);
            await navigate({ to: paths.projects(organization.id), replace: true });
          }}
        >
          <TextField
            name="name"
            label="Name"
            rules={{ required: "Give the organization a name.", max_length: [256, "Use up to 256 characters."] }}
          />
          <FormRefusal />
          <Submit className="self-start">Create organization</Submit>
        </ApiForm>
      </Page>
    </main>
  );
}
