import { listProjectBranches } from "@latchkey/contract/branches.ts";
import { listProjectEndpoints } from "@latchkey/contract/endpoints.ts";
import type { Operation } from "@latchkey/contract/operations.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { CornerDownRight, GitBranch } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import { listQuery, query } from "../../api/queries.ts";
import { BranchMenuItems } from "../../components/branches/BranchMenuItems.tsx";
import type { AskedTask } from "../../components/branches/BranchTasks.tsx";
import { arrange, type BranchNode } from "../../components/branches/branch-tree.ts";
import { CreateBranchDialog } from "../../components/branches/late-dialogs.ts";
import { BranchTasks } from "../../components/branches/late-tasks.ts";
import { useCreateOnArrival } from "../../components/create-on-arrival.ts";
import { Failure } from "../../components/Failures.tsx";
import { STATES_EVERY_MS, useOperations } from "../../components/projects/operations.ts";
import { Progress } from "../../components/projects/Progress.tsx";
import { BranchState, EndpointState, endpointState, formatBytes } from "../../components/projects/states.tsx";
import { useTableView } from "../../components/table-view.ts";
import { paths } from "../../paths.ts";
import { Button } from "../../ui/Button.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { Empty, Page } from "../../ui/Page.tsx";
import { Tag } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";

/** Deeper branches are not moved further to the right: their names need the room. */
const INDENTS = ["", "pl-0", "pl-5", "pl-10", "pl-15", "pl-20"];

/** `as_tree`: in the order of the tree, where the indentation says what a branch comes from. */
function columnsFor(as_tree: boolean, operations: readonly Operation[] | undefined): readonly Column<BranchNode>[] {
  return [
    {
      id: "name",
      header: "Name",
      value: ({ branch }) => branch.name,
      search: ({ branch }) => `${branch.name} ${branch.id}`,
      cell: (node) => <BranchName node={node} as_tree={as_tree} />,
    },
    {
      id: "state",
      header: "State",
      width: "w-32",
      from: "md",
      value: ({ branch }) => branch.current_state,
      cell: ({ branch }) => <BranchState branch={branch} operations={operations} />,
    },
    {
      id: "compute",
      header: "Compute",
      width: "w-28",
      from: "sm",
      value: ({ endpoint }) => endpoint && endpointState(endpoint),
      cell: ({ endpoint }) =>
        endpoint ? <EndpointState endpoint={endpoint} /> : <span className="text-muted">none</span>,
    },
    {
      id: "size",
      header: "Size",
      width: "w-24",
      from: "lg",
      align: "right",
      value: ({ branch }) => branch.logical_size,
      cell: ({ branch }) =>
        branch.logical_size === undefined ? (
          <span className="text-muted">not yet</span>
        ) : (
          formatBytes(branch.logical_size)
        ),
    },
    {
      id: "created",
      header: "Created",
      width: "w-36",
      from: "lg",
      value: ({ branch }) => Date.parse(branch.created_at),
      cell: ({ branch }) => <Time at={branch.created_at} />,
    },
    {
      id: "expires",
      header: "Expires",
      width: "w-32",
      from: "xl",
      value: ({ branch }) => (branch.expires_at === undefined ? undefined : Date.parse(branch.expires_at)),
      cell: ({ branch: { expires_at } }) =>
        expires_at === undefined ? <span className="text-muted">never</span> : <Time at={expires_at} />,
    },
  ];
}

function BranchName({ node, as_tree }: { readonly node: BranchNode; readonly as_tree: boolean }) {
  const { branch, parent, depth } = node;
  return (
    <span className={`flex items-center gap-2 ${as_tree ? INDENTS[Math.min(depth, INDENTS.length - 1)] : ""}`}>
      {as_tree && depth > 0 && <CornerDownRight aria-hidden className="size-4 shrink-0 text-faint" />}
      <Link to={paths.branch(branch.project_id, branch.id)} className="truncate rounded-sm hover:underline">
        {branch.name}
      </Link>
      {parent && (
        <span className={as_tree ? "sr-only" : "truncate text-13 font-normal text-muted"}>from {parent.name}</span>
      )}
      {branch.default && <Tag>default</Tag>}
      {branch.protected && <Tag>protected</Tag>}
    </span>
  );
}

function narrowLine({ branch, endpoint }: BranchNode) {
  if (branch.current_state !== "ready") return <BranchState branch={branch} />;
  const size = branch.logical_size === undefined ? [] : [formatBytes(branch.logical_size)];
  const compute = endpoint ? `compute ${endpointState(endpoint)}` : "no compute";
  return (
    <>
      {[...size, compute].join(" · ")}
      {branch.expires_at !== undefined && (
        <>
          {" · expires "}
          <Time at={branch.expires_at} />
        </>
      )}
    </>
  );
}

export function BranchesPage() {
  const { project_id } = useParams({ from: "/signed-in/projects/$project_id/branches" });
  const branches = useQuery(listQuery(listProjectBranches, { params: { project_id } }));
  const endpoints = useQuery({
    ...query(listProjectEndpoints, { params: { project_id } }),
    refetchInterval: STATES_EVERY_MS,
  });
  const operations = useOperations(project_id);
  const [view, setView] = useTableView();
  const [creating, setCreating] = useCreateOnArrival();
  const [asked, setAsked] = useState<AskedTask>();
  const create_button = useRef<HTMLButtonElement>(null);
  const nodes = useMemo(
    () => branches.data && arrange(branches.data, endpoints.data?.endpoints),
    [branches.data, endpoints.data],
  );
  const as_tree = view.sort === undefined && view.search === "";
  const columns = useMemo(() => columnsFor(as_tree, operations.data), [as_tree, operations.data]);
  return (
    <Page
      title="Branches"
      description="Lines of data of the project. A branch begins with what its parent has, and goes its own way from there."
      actions={
        <Button ref={create_button} kind="primary" onClick={() => setCreating(true)}>
          <GitBranch aria-hidden />
          Create branch
        </Button>
      }
    >
      <Progress what="project" project_id={project_id} operations={operations.data} />
      <DataTable
        label="Branches"
        columns={columns}
        rows={nodes}
        rowId={({ branch }) => branch.id}
        rowName={({ branch }) => branch.name}
        empty={<Empty>This project has no branch.</Empty>}
        failed={
          branches.error && !branches.data && <Failure error={branches.error} onRetry={() => void branches.refetch()} />
        }
        view={view}
        onView={setView}
        narrow={narrowLine}
        menu={(node) => <BranchMenuItems node={node} onAsk={(task, about) => setAsked({ task, node: about })} />}
      />
      {creating && branches.data && (
        <CreateBranchDialog
          project_id={project_id}
          branches={branches.data}
          parent_id={undefined}
          onClose={() => setCreating(false)}
          return_focus={create_button}
        />
      )}
      <BranchTasks
        project_id={project_id}
        asked={asked}
        branches={branches.data ?? []}
        onClose={() => setAsked(undefined)}
        return_focus={create_button}
      />
    </Page>
  );
}
