import { listProjects } from "@latchkey/contract/projects.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useMemo } from "react";
import { listQuery } from "../../api/queries.ts";
import { Usage } from "../../components/usage/Usage.tsx";
import { narrowUsed, USED_COLUMNS } from "../../components/usage/UsageTable.tsx";
import type { ProjectUsage } from "../../components/usage/usage-series.ts";
import { paths } from "../../paths.ts";
import { buttonClass } from "../../ui/Button.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { Page, Section } from "../../ui/Page.tsx";

export function OrganizationUsagePage() {
  const { org_id } = useParams({ from: "/signed-in/organizations/$org_id/usage" });
  return (
    <Page title="Usage" description="What the projects of this organization have used. Deleted projects are not in it.">
      <Usage
        org_id={org_id}
        without_projects={
          <Link to={paths.newProject(org_id)} className={buttonClass("primary")}>
            Create project
          </Link>
        }
      >
        {(projects) => <ByProject org_id={org_id} projects={projects} />}
      </Usage>
    </Page>
  );
}

function ByProject({ org_id, projects }: { readonly org_id: string; readonly projects: readonly ProjectUsage[] }) {
  const listed = useQuery(listQuery(listProjects, { query: { org_id, limit: 400 } })).data;
  const columns = useMemo<readonly Column<ProjectUsage>[]>(() => {
    const names = new Map(listed?.map(({ id, name }) => [id, name]));
    const nameOf = ({ project_id }: ProjectUsage) => names.get(project_id) ?? project_id;
    return [
      {
        id: "project",
        header: "Project",
        value: nameOf,
        search: nameOf,
        cell: (project) => (
          <Link to={paths.projectUsage(project.project_id)} className="rounded-sm hover:underline">
            {nameOf(project)}
          </Link>
        ),
      },
      ...USED_COLUMNS,
    ];
  }, [listed]);
  return (
    <Section title="By project" description="Storage is the latest that is known.">
      <DataTable
        label="Projects by usage"
        columns={columns}
        rows={projects}
        rowId={({ project_id }) => project_id}
        empty={null}
        narrow={narrowUsed}
      />
    </Section>
  );
}
