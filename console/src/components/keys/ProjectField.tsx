import { listProjects } from "@latchkey/contract/projects.ts";
import { useQuery } from "@tanstack/react-query";
import { listQuery } from "../../api/queries.ts";
import { SelectField } from "../../ui/fields.tsx";

/** Chooses one project of an organization. Forms that have it call the value `project_id`. */
export function ProjectField({ org_id }: { readonly org_id: string }) {
  const projects = useQuery(listQuery(listProjects, { query: { org_id, limit: 400 } }));
  const none = projects.data?.length === 0;
  return (
    <SelectField
      // Another organization has other projects: a choice made before means nothing.
      key={org_id}
      name="project_id"
      label="Project"
      placeholder={projects.data === undefined ? "Loading…" : none ? "No projects yet" : "Choose a project"}
      options={(projects.data ?? []).map(({ id, name }) => ({ value: id, label: `${name} (${id})` }))}
      hint={none ? "This organization has no project to choose." : undefined}
      rules={{ required: "Choose a project." }}
    />
  );
}
