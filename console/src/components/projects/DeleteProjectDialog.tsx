import { deleteProject, getProject, listProjects, type Project } from "@latchkey/contract/projects.ts";
import { useNavigate } from "@tanstack/react-router";
import type { RefObject } from "react";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { queries, refresh } from "../../api/queries.ts";
import { paths } from "../../paths.ts";
import { Button } from "../../ui/Button.tsx";
import { Actions, Dialog } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { TextField } from "../../ui/fields.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";

interface DeleteProjectDialogProps {
  readonly project: Project;
  readonly onClose: () => void;
  readonly return_focus: RefObject<HTMLElement | null>;
}

/** Asks for the name: the one thing that is not typed by habit. */
export function DeleteProjectDialog({ project, onClose, return_focus }: DeleteProjectDialogProps) {
  const navigate = useNavigate();
  return (
    <Dialog
      open
      title={`Delete ${project.name}?`}
      description="Connections to it end at once, and its project-scoped keys for good. It can be recovered for seven days; then its data is gone."
      onClose={onClose}
      return_focus={return_focus}
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
          if (hasStatus(error, 422)) return { title: "The project was not deleted", message: sentence(error.message) };
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
