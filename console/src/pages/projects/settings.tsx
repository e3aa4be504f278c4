import { deleteProject, getProject, listProjects, type Project, updateProject } from "@latchkey/contract/projects.ts";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { queries, refresh } from "../../api/queries.ts";
import { ApiForm, Submit } from "../../components/ApiForm.tsx";
import { useProject } from "../../components/present.ts";
import { paths } from "../../paths.ts";
import { Button } from "../../ui/Button.tsx";
import { Actions, Dialog } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { TextField } from "../../ui/fields.tsx";
import { Page, Section } from "../../ui/Page.tsx";
import { announce } from "../../ui/Toasts.tsx";

export function ProjectSettingsPage() {
  const { project_id } = useParams({ from: "/signed-in/projects/$project_id/settings" });
  const project = useProject(project_id).data;
  const [deleting, setDeleting] = useState(false);
  const delete_button = useRef<HTMLButtonElement>(null);
  return (
    <Page title="Settings">
      {project && (
        <>
          <Section title="Name">
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
          </Section>
          <Section
            title="Delete project"
            description="Deletes its branches, computes, roles and databases with all their data, and stops its project-scoped keys."
          >
            <Button ref={delete_button} kind="danger" className="self-start" onClick={() => setDeleting(true)}>
              Delete project…
            </Button>
          </Section>
          {deleting && <DeleteDialog project={project} onClose={() => setDeleting(false)} />}
        </>
      )}
    </Page>
  );
}

/** Asks for the name: the one thing that is not typed by habit. */
function DeleteDialog({ project, onClose }: { readonly project: Project; readonly onClose: () => void }) {
  const navigate = useNavigate();
  return (
    <Dialog
      open
      title={`Delete ${project.name}?`}
      description="All its data is deleted at once, and connections to it end. This cannot be undone."
      onClose={onClose}
    >
      <ApiForm
        defaults={{ typed_name: "" }}
        onSubmit={async () => {
          await api.call(deleteProject, { params: { project_id: project.id } });
          await refresh(listProjects);
          await navigate({ to: paths.projects(project.org_id), replace: true });
          queries.removeQueries({ queryKey: [getProject.id, { project_id: project.id }] });
          announce(`${project.name} is deleted.`);
        }}
        refusal={(error) => {
          if (hasStatus(error, 403)) return { title: "Only admins delete projects", message: sentence(error.message) };
          if (hasStatus(error, 423)) {
            return {
              title: "The project is busy",
              message: "An operation is running. Wait until it has finished, then try again.",
            };
          }
          return undefined;
        }}
      >
        <TextField
          name="typed_name"
          label={`Type ${project.name} to confirm`}
          rules={{ check: (typed) => typed === project.name || `Type the name exactly: ${project.name}` }}
        />
        <FormRefusal />
        <Actions>
          <Button onClick={onClose}>Cancel</Button>
          <Submit kind="danger">Delete project</Submit>
        </Actions>
      </ApiForm>
    </Dialog>
  );
}
