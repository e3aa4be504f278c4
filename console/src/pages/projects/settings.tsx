import { getProject, listProjects, updateProject } from "@latchkey/contract/projects.ts";
import { useParams } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { api } from "../../api/client.ts";
import { refresh } from "../../api/queries.ts";
import { ApiForm, Submit } from "../../components/ApiForm.tsx";
import { useProject } from "../../components/present.ts";
import { Button } from "../../ui/Button.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { TextField } from "../../ui/fields.tsx";
import { lateComponent } from "../../ui/late.tsx";
import { Page, Section } from "../../ui/Page.tsx";
import { announce } from "../../ui/Toasts.tsx";

const DeleteProjectDialog = lateComponent(
  async () => (await import("../../components/projects/DeleteProjectDialog.tsx")).DeleteProjectDialog,
);

export function ProjectSettingsPage() {
  const { project_id } = useParams({ from: "/signed-in/projects/$project_id/settings" });
  const project = useProject(project_id).data;
  const [deleting, setDeleting] = useState(false);
  const delete_button = useRef<HTMLButtonElement>(null);
  return (
    <Page title="Settings">
      {project && (
        <>
          <ApiForm
            key={project.id}
            className="max-w-[480px]"
            defaults={{ name: project.name }}
            onSubmit={async ({ name }) => {
              await api.call(updateProject, { params: { project_id }, body: { project: { name: name.trim() } } });
              await refresh(getProject, listProjects);
              announce("The project is renamed.");
            }}
          >
            <TextField
              name="name"
              label="Name"
              rules={{ required: "A project needs a name.", max_length: [256, "Use up to 256 characters."] }}
            />
            <FormRefusal />
            <Submit className="self-start">Rename</Submit>
          </ApiForm>
          <Section
            title="Delete project"
            description="Deletes its branches, computes, roles and databases with all their data, and stops its project-scoped keys."
          >
            <Button ref={delete_button} kind="danger" className="self-start" onClick={() => setDeleting(true)}>
              Delete project…
            </Button>
          </Section>
          {deleting && (
            <DeleteProjectDialog project={project} onClose={() => setDeleting(false)} return_focus={delete_button} />
          )}
        </>
      )}
    </Page>
  );
}
