import type { Branch } from "@latchkey/contract/branches.ts";
import type { Endpoint } from "@latchkey/contract/endpoints.ts";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { paths } from "../../paths.ts";
import { Mono } from "../../ui/Code.tsx";
import { CopyButton } from "../../ui/CopyButton.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { Empty } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";
import { EndpointState, endpointState } from "./states.tsx";

interface ComputeTableProps {
  readonly endpoints: readonly Endpoint[] | undefined;
  readonly branches: readonly Branch[] | undefined;
  readonly failed: ReactNode;
}

/** The computes of a project, each beside its branch, where it is started, stopped and set up. */
export function ComputeTable({ endpoints, branches, failed }: ComputeTableProps) {
  const columns = useMemo(() => columnsFor(branches), [branches]);
  return (
    <DataTable
      label="Computes"
      columns={columns}
      rows={endpoints}
      rowId={({ id }) => id}
      empty={<Empty>No compute: nothing answers connections here.</Empty>}
      failed={failed}
      narrow={({ host }) => <Mono>{host}</Mono>}
    />
  );
}

function columnsFor(branches: readonly Branch[] | undefined): readonly Column<Endpoint>[] {
  const names = new Map(branches?.map(({ id, name }) => [id, name]));
  const nameOf = ({ branch_id }: Endpoint) => names.get(branch_id) ?? branch_id;
  return [
    {
      id: "branch",
      header: "Branch",
      value: nameOf,
      search: (endpoint) => `${nameOf(endpoint)} ${endpoint.id}`,
      cell: (endpoint) => (
        <Link to={paths.branch(endpoint.project_id, endpoint.branch_id)} className="rounded-sm hover:underline">
          {nameOf(endpoint)}
        </Link>
      ),
    },
    { id: "id", header: "Compute id", from: "lg", cell: ({ id }) => <Mono>{id}</Mono> },
    {
      id: "state",
      header: "State",
      width: "w-28",
      value: endpointState,
      cell: (endpoint) => <EndpointState endpoint={endpoint} />,
    },
    {
      id: "host",
      header: "Host",
      from: "sm",
      cell: ({ host }) => (
        <span className="inline-flex items-center gap-1">
          <Mono>{host}</Mono>
          <CopyButton text={host} what="host" />
        </span>
      ),
    },
    {
      id: "started",
      header: "Started",
      from: "md",
      width: "w-36",
      value: ({ started_at }) => (started_at === undefined ? undefined : Date.parse(started_at)),
      cell: ({ started_at }) => (started_at ? <Time at={started_at} /> : <span className="text-muted">not yet</span>),
    },
  ];
}
