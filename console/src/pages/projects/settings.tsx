import { getProject, listProjects, updateProject } from "@latchkey/contract/projects.ts";
import { useParams } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { api } from "../../api/client.ts";
import { refresh } from "../../api/queries.ts";
import { ApiForm, Submit } from "../../components/ApiForm.tsx";
import { useOrganizations, useProject } from "../../components/present.ts";
import { AllowedAddressesForm } from "../../components/projects/AllowedAddressesForm.tsx";
import { ComputeDefaultsForm } from "../../components/projects/ComputeDefaultsForm.tsx";
import { LimitsForm } from "../../components/projects/LimitsForm.tsx";
import { Button } from "../../ui/Button.tsx";
import { FormRefusal } from "../../ui/Form.tsx";
import { TextField } from "../../ui/fields.tsx";
import { lateDialog } from "../../ui/late.tsx";
import { Page, Section } from "../../ui/Page.tsx";
import { announce } from "../../ui/Toasts.tsx";

const DeleteProjectDialog = lateDialog(
  async () => (await import("../../components/projects/DeleteProjectDialog.tsx")).DeleteProjectDialog,
);
const TransferProjectDialog = lateDialog(
  async () => (await import("../../components/projects/TransferProjectDialog.tsx")).TransferProjectDialog,
);

export function ProjectSettingsPage() {
  const { project_id } = useParams({ from: "/signed-in/projects/$project_id/settings" });
  const project = useProject(project_id).data;
  const organizations = useOrganizations().data?.organizations;
  const destinations = organizations?.filter(({ id }) => id !== project?.org_id) ?? [];
  const [transferring, setTransferring] = useState(false);
  const transfer_button = useRef<HTMLButtonElement>(null);
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
            title="Allowed addresses"
            description="From where its databases may be connected to, from the next connection on. The API and this Console are not concerned."
          >
            <AllowedAddressesForm project={project} />
          </Section>
          <Section
            title="Defaults of new computes"
            description="What a compute is given that is made from now on, unless it is made with settings of its own."
          >
            <ComputeDefaultsForm project={project} />
          </Section>
          <Section
            title="Limits"
            description="Each counts anew with the calendar month, UTC, but for the size of branches. When one is used up, the project's computes, or the branch's, are suspended and do not start until it is raised or the month ends."
          >
            <LimitsForm project={project} />
          </Section>
          <Section
            title="Transfer project"
            description="Gives it to another organization that you belong to. Its databases go on working, at the same addresses; keys that were made for it end."
          >
            <Button
              ref={transfer_button}
              className="self-start"
              onClick={() => setTransferring(true)}
              disabled_reason={
                organizations && destinations.length === 0 ? "You belong to no other organization." : undefined
              }
            >
              Transfer project…
            </Button>
          </Section>
          <Section
            title="Delete project"
            description="Stops its computes and revokes its project-scoped keys. Its branches with their data are kept for seven days, in which it can be recovered."
          >
            <Button ref={delete_button} kind="danger" className="self-start" onClick={() => setDeleting(true)}>
              Delete project…
            </Button>
          </Section>
          {transferring && (
            <TransferProjectDialog
              project={project}
              destinations={destinations}
              onClose={() => setTransferring(false)}
              return_focus={transfer_button}
            />
          )}
          {deleting && (
            <DeleteProjectDialog project={project} onClose={() => setDeleting(false)} return_focus={delete_button} />
          )}
        </>
      )}
    </Page>
  );
}
