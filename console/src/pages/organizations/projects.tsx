import { listProjects, type ProjectListItem } from "@latchkey/contract/projects.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { listQuery } from "../../api/queries.ts";
import { Failure } from "../../components/Failures.tsx";
import { useTableView } from "../../components/table-view.ts";
import { paths } from "../../paths.ts";
import { buttonClass } from "../../ui/Button.tsx";
import { Mono } from "../../ui/Code.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { Empty, Page } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";

const COLUMNS: readonly Column<ProjectListItem>[] = [
  {
    id: "name",
    header: "Name",
    value: ({ name }) => name,
    search: ({ name }) => name,
    cell: ({ id, name }) => (
      <Link to={paths.project(id)} className="rounded-sm hover:underline">
        {name}
      </Link>
    ),
  },
  {
    id: "id",
    header: "Project id",
    from: "sm",
    search: ({ id }) => id,
    cell: ({ id }) => <Mono>{id}</Mono>,
  },
  {
    id: "postgres",
    header: "Postgres",
    from: "lg",
    width: "w-28",
    align: "right",
    value: ({ pg_version }) => pg_version,
    cell: ({ pg_version }) => pg_version,
  },
  {
    id: "created",
    header: "Created",
    from: "md",
    width: "w-40",
    value: ({ created_at }) => Date.parse(created_at),
    cell: ({ created_at }) => <Time at={created_at} />,
  },
];

export function ProjectsPage() {
  const { org_id } = useParams({ from: "/signed-in/organizations/$org_id/projects" });
  const projects = useQuery(listQuery(listProjects, { query: { org_id, limit: 400 } }));
  const [view, setView] = useTableView();
  const create = (
    <Link to={paths.newProject(org_id)} className={buttonClass("primary")}>
      Create project
    </Link>
  );
  return (
    <Page title="Projects" actions={projects.data?.length === 0 ? undefined : create}>
      <DataTable
        label="Projects"
        columns={COLUMNS}
        rows={projects.data}
        rowId={({ id }) => id}
        empty={
          <Empty
            action={
              <div className="flex flex-wrap gap-2">
                {create}
                <Link to={paths.apiKeys()} search={{ create: true }} className={buttonClass()}>
                  Create API key
                </Link>
              </div>
            }
          >
            A project is a Postgres of its own, with a branch, a compute, a role and a database ready to connect to.
            Create one here, or from your own tools with an API key.
          </Empty>
        }
        failed={
          projects.error && !projects.data && <Failure error={projects.error} onRetry={() => void projects.refetch()} />
        }
        view={view}
        onView={setView}
        narrow={({ id }) => <Mono>{id}</Mono>}
      />
    </Page>
  );
}
