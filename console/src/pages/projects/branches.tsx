import { type Branch, listProjectBranches } from "@latchkey/contract/branches.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { listQuery } from "../../api/queries.ts";
import { Failure } from "../../components/Failures.tsx";
import { BranchState, formatBytes } from "../../components/projects/states.tsx";
import { useTableView } from "../../components/table-view.ts";
import { paths } from "../../paths.ts";
import { Mono } from "../../ui/Code.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { Empty, Page } from "../../ui/Page.tsx";
import { Tag } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";

const COLUMNS: readonly Column<Branch>[] = [
  {
    id: "name",
    header: "Name",
    value: ({ name }) => name,
    search: ({ name }) => name,
    cell: (branch) => (
      <span className="flex items-center gap-2">
        <Link to={paths.branch(branch.project_id, branch.id)} className="truncate rounded-sm hover:underline">
          {branch.name}
        </Link>
        {branch.default && <Tag>default</Tag>}
      </span>
    ),
  },
  { id: "id", header: "Branch id", from: "sm", search: ({ id }) => id, cell: ({ id }) => <Mono>{id}</Mono> },
  {
    id: "state",
    header: "State",
    width: "w-28",
    value: ({ current_state }) => current_state,
    cell: (branch) => <BranchState branch={branch} />,
  },
  {
    id: "size",
    header: "Size",
    width: "w-40",
    from: "md",
    align: "right",
    value: ({ logical_size }) => logical_size,
    cell: ({ logical_size }) => formatBytes(logical_size),
  },
  {
    id: "created",
    header: "Created",
    width: "w-36",
    from: "md",
    value: ({ created_at }) => Date.parse(created_at),
    cell: ({ created_at }) => <Time at={created_at} />,
  },
];

export function BranchesPage() {
  const { project_id } = useParams({ from: "/signed-in/projects/$project_id/branches" });
  const branches = useQuery(listQuery(listProjectBranches, { params: { project_id } }));
  const [view, setView] = useTableView();
  return (
    <Page title="Branches">
      <DataTable
        label="Branches"
        columns={COLUMNS}
        rows={branches.data}
        rowId={({ id }) => id}
        empty={<Empty>This project has no branch.</Empty>}
        failed={
          branches.error && !branches.data && <Failure error={branches.error} onRetry={() => void branches.refetch()} />
        }
        view={view}
        onView={setView}
        narrow={({ logical_size }) => formatBytes(logical_size)}
      />
    </Page>
  );
}
