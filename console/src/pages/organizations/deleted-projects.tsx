import { listProjects, type ProjectListItem, recoverProject } from "@latchkey/contract/projects.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "../../api/client.ts";
import { listQuery, refresh } from "../../api/queries.ts";
import { Confirm } from "../../components/Confirm.tsx";
import { Failure } from "../../components/Failures.tsx";
import { useTableView } from "../../components/table-view.ts";
import { paths } from "../../paths.ts";
import { buttonClass } from "../../ui/Button.tsx";
import { Mono } from "../../ui/Code.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { MenuItem } from "../../ui/Menu.tsx";
import { Empty, Page } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";
import { announce } from "../../ui/Toasts.tsx";

const COLUMNS: readonly Column<ProjectListItem>[] = [
  { id: "name", header: "Name", value: ({ name }) => name, search: ({ name }) => name, cell: ({ name }) => name },
  {
    id: "id",
    header: "Project id",
    from: "sm",
    search: ({ id }) => id,
    cell: ({ id }) => <Mono>{id}</Mono>,
  },
  {
    id: "deleted",
    header: "Deleted",
    from: "lg",
    width: "w-40",
    value: ({ deleted_at }) => (deleted_at === undefined ? undefined : Date.parse(deleted_at)),
    cell: ({ deleted_at }) => deleted_at !== undefined && <Time at={deleted_at} />,
  },
  {
    id: "until",
    header: "Gone for good",
    from: "sm",
    width: "w-40",
    value: ({ recoverable_until }) => (recoverable_until === undefined ? undefined : Date.parse(recoverable_until)),
    cell: ({ recoverable_until }) => recoverable_until !== undefined && <Time at={recoverable_until} />,
  },
];

/** What can still be brought back. */
export function DeletedProjectsPage() {
  const { org_id } = useParams({ from: "/signed-in/organizations/$org_id/projects/deleted" });
  const navigate = useNavigate();
  const projects = useQuery(listQuery(listProjects, { query: { org_id, recoverable: true, limit: 400 } }));
  const [view, setView] = useTableView();
  const [recovering, setRecovering] = useState<ProjectListItem>();
  return (
    <Page
      title="Deleted projects"
      description="A deleted project is kept for seven days with all its data, in which it can be brought back."
    >
      <DataTable
        label="Deleted projects"
        columns={COLUMNS}
        rows={projects.data}
        rowId={({ id }) => id}
        rowName={({ name }) => name}
        empty={
          <Empty
            action={
              <Link to={paths.projects(org_id)} className={buttonClass()}>
                See the projects
              </Link>
            }
          >
            No project was deleted in the last seven days.
          </Empty>
        }
        failed={
          projects.error && !projects.data && <Failure error={projects.error} onRetry={() => void projects.refetch()} />
        }
        view={view}
        onView={setView}
        narrow={({ recoverable_until }) =>
          recoverable_until !== undefined && (
            <>
              gone for good <Time at={recoverable_until} />
            </>
          )
        }
        menu={(project) => <MenuItem onClick={() => setRecovering(project)}>Recover…</MenuItem>}
      />
      <Confirm
        about={recovering}
        title={({ name }) => `Recover ${name}?`}
        verb="Recover project"
        kind="primary"
        onClose={() => setRecovering(undefined)}
        onConfirm={async ({ id, name }) => {
          await api.call(recoverProject, { params: { project_id: id } });
          await refresh(listProjects);
          await navigate({ to: paths.project(id) });
          announce(`${name} is recovered.`);
        }}
      >
        {() => (
          <p>
            It comes back with its branches and their data, and its computes start again. Its project-scoped keys stay
            revoked: create new ones where they are needed.
          </p>
        )}
      </Confirm>
    </Page>
  );
}
