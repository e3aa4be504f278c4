import type { Endpoint } from "@latchkey/contract/endpoints.ts";
import type { ReactNode } from "react";
import { Mono } from "../../ui/Code.tsx";
import { CopyButton } from "../../ui/CopyButton.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { Empty } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";
import { EndpointState } from "./states.tsx";

const COLUMNS: readonly Column<Endpoint>[] = [
  { id: "id", header: "Compute id", cell: ({ id }) => <Mono>{id}</Mono> },
  { id: "state", header: "State", width: "w-28 sm:w-52", cell: (endpoint) => <EndpointState endpoint={endpoint} /> },
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
    cell: ({ started_at }) => (started_at ? <Time at={started_at} /> : <span className="text-muted">not yet</span>),
  },
];

interface ComputeTableProps {
  readonly endpoints: readonly Endpoint[] | undefined;
  readonly failed: ReactNode;
}

export function ComputeTable({ endpoints, failed }: ComputeTableProps) {
  return (
    <DataTable
      label="Computes"
      columns={COLUMNS}
      rows={endpoints}
      rowId={({ id }) => id}
      empty={<Empty>No compute: nothing answers connections here.</Empty>}
      failed={failed}
      narrow={({ host }) => <Mono>{host}</Mono>}
    />
  );
}
