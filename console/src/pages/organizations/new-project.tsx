import { createProject, listProjects } from "@latchkey/contract/projects.ts";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { refresh } from "../../api/queries.ts";
import { ApiForm, Submit } from "../../components/ApiForm.tsx";
import { paths } from "../../paths.ts";
import { buttonClass } from "../../ui/Button.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { TextField } from "../../ui/fields.tsx";
import { Page } from "../../ui/Page.tsx";

const POSTGRES_NAME = { max_length: [63, "Use up to 63 characters."] } as const;

export function NewProjectPage() {
  const { org_id } = useParams({ from: "/signed-in/organizations/$org_id/projects/new" });
  const navigate = useNavigate();
  return (
    <Page title="Create project" description="A Postgres of its own, ready in about a second.">
      <ApiForm
        className="max-w-[480px]"
        defaults={{ name: "", database_name: "", role_name: "" }}
        onSubmit={async ({ name, database_name, role_name }) => {
          const branch = {
            ...(database_name.trim() ? { database_name: database_name.trim() } : {}),
            ...(role_name.trim() ? { role_name: role_name.trim() } : {}),
          };
          // The answer carries a password; only the id is taken out of it. The overview asks for the rest.
          const { project } = await api.call(createProject, {
            body: { project: { org_id, name: name.trim(), ...(Object.keys(branch).length ? { branch } : {}) } },
          });
          await refresh(listProjects);
          await navigate({ to: paths.project(project.id), replace: true });
        }}
        refusal={(error) =>
          hasStatus(error, 400) || hasStatus(error, 422)
            ? { title: "The project was not created", message: sentence(error.message) }
            : undefined
        }
        makes={{
          listed_by: [listProjects],
          lost: "The project may have been made all the same. Look for it in the list of projects before you try again: that would make a second one of this name.",
        }}
      >
        <TextField
          name="name"
          label="Name"
          rules={{ required: "Give the project a name.", max_length: [256, "Use up to 256 characters."] }}
        />
        <details className="group">
          <summary className="flex cursor-default list-none items-center gap-1 rounded-md text-muted hover:text-text">
            <ChevronRight aria-hidden className="size-4 transition-transform group-open:rotate-90" />
            Database and role names
          </summary>
          <div className="flex flex-col gap-4 pt-3">
            <TextField
              name="database_name"
              label="Database"
              hint="Left empty, the server names it."
              rules={POSTGRES_NAME}
            />
            <TextField
              name="role_name"
              label="Role"
              hint="It owns the database. Left empty, the server names it."
              rules={POSTGRES_NAME}
            />
          </div>
        </details>
        <FormRefusal />
        <div className="flex gap-2">
          <Submit>Create project</Submit>
          <Link to={paths.projects(org_id)} className={buttonClass("quiet")}>
            Cancel
          </Link>
        </div>
      </ApiForm>
    </Page>
  );
}
