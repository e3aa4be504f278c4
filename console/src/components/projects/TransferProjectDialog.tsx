import { getProject, listProjects, type Project, transferProjectsFromOrgToOrg } from "@latchkey/contract/projects.ts";
import type { Organization } from "@latchkey/contract/users.ts";
import type { RefObject } from "react";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { refresh } from "../../api/queries.ts";
import { Button } from "../../ui/Button.tsx";
import { Actions, Dialog } from "../../ui/Dialog.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { SelectField } from "../../ui/fields.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { ApiForm, Submit } from "../ApiForm.tsx";

interface TransferProjectDialogProps {
  readonly project: Project;
  /** Those that the person belongs to, without the project's own. */
  readonly destinations: readonly Organization[];
  readonly onClose: () => void;
  readonly return_focus: RefObject<HTMLElement | null>;
}

export function TransferProjectDialog({ project, destinations, onClose, return_focus }: TransferProjectDialogProps) {
  return (
    <Dialog
      open
      title={`Transfer ${project.name}?`}
      description="Its project-scoped keys end at once and for good, and keys of its organization reach it no more. Its databases, their addresses and passwords stay."
      onClose={onClose}
      return_focus={return_focus}
    >
      <ApiForm
        defaults={{ org_id: "" }}
        onSubmit={async ({ org_id }) => {
          await api.call(transferProjectsFromOrgToOrg, {
            params: { source_org_id: project.org_id },
            body: { destination_org_id: org_id, project_ids: [project.id] },
          });
          await refresh(getProject, listProjects);
          const name = destinations.find(({ id }) => id === org_id)?.name ?? "the other organization";
          announce(`${project.name} belongs to ${name} now.`);
          onClose();
        }}
        refusal={(error) =>
          hasStatus(error, 403)
            ? { title: "Only admins give a project away", message: sentence(error.message) }
            : undefined
        }
      >
        <SelectField
          name="org_id"
          label="To organization"
          placeholder="Choose an organization"
          options={destinations.map(({ id, name }) => ({ value: id, label: name }))}
          rules={{ required: "Choose where the project goes." }}
        />
        <FormRefusal />
        <Actions>
          <Button onClick={onClose}>Cancel</Button>
          <Submit>Transfer project</Submit>
        </Actions>
      </ApiForm>
    </Dialog>
  );
}
