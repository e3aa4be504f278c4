import type { Granularity } from "@latchkey/contract/consumption.ts";
import { useMemo } from "react";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { Section } from "../../ui/Page.tsx";
import { formatBytes } from "../projects/states.tsx";
import { formatDuration } from "./durations.ts";
import { nameStep } from "./usage-range.ts";
import type { UsageStep, Used } from "./usage-series.ts";

interface KnownStep extends Used {
  readonly at_ms: number;
}

/** No branch is without size: one that is new has not been looked at. */
const formatStorage = (bytes: number) => (bytes === 0 ? "not measured" : formatBytes(bytes));

/** The columns of what was used, of a step or of a project. */
export const USED_COLUMNS: readonly Column<Used>[] = [
  {
    id: "active",
    header: "Compute time",
    width: "w-28 sm:w-36",
    align: "right",
    value: ({ active_seconds }) => active_seconds,
    cell: ({ active_seconds }) => formatDuration(active_seconds),
  },
  {
    id: "cpu",
    header: "Processor time",
    from: "lg",
    width: "w-36",
    align: "right",
    value: ({ cpu_seconds }) => cpu_seconds,
    cell: ({ cpu_seconds }) => formatDuration(cpu_seconds),
  },
  {
    id: "storage",
    header: "Storage",
    from: "sm",
    width: "w-36",
    align: "right",
    value: ({ storage_bytes }) => storage_bytes,
    cell: ({ storage_bytes }) => formatStorage(storage_bytes),
  },
  {
    id: "written",
    header: "Written data",
    from: "lg",
    width: "w-36",
    align: "right",
    value: ({ written_bytes }) => written_bytes,
    cell: ({ written_bytes }) => formatBytes(written_bytes),
  },
];

/** What a narrow table says of the columns that it has no room for. */
export const narrowUsed = ({ storage_bytes, written_bytes }: Used) =>
  `${storage_bytes === 0 ? "" : `${formatBytes(storage_bytes)}, `}${formatBytes(written_bytes)} written`;

interface UsageTableProps {
  readonly granularity: Granularity;
  readonly steps: readonly UsageStep[] | undefined;
}

/** What the charts show, as numbers, newest first. */
export function UsageTable({ granularity, steps }: UsageTableProps) {
  const columns = useMemo<readonly Column<KnownStep>[]>(
    () => [
      {
        id: "at",
        header: { hourly: "Hour from", daily: "Day", monthly: "Month" }[granularity],
        value: ({ at_ms }) => at_ms,
        cell: ({ at_ms }) => nameStep(at_ms, granularity),
      },
      ...USED_COLUMNS,
    ],
    [granularity],
  );
  const rows = useMemo(
    () => steps?.flatMap(({ at_ms, used }) => (used ? { at_ms, ...used } : [])).toReversed(),
    [steps],
  );
  return (
    <Section
      title="In numbers"
      description={
        granularity === "hourly"
          ? "Hours are told in your time zone. Hours of which nothing is known are left out."
          : `${granularity === "daily" ? "Days" : "Months"} begin at midnight UTC. Storage is the largest size in each.`
      }
    >
      <DataTable
        label="Usage"
        columns={columns}
        rows={rows}
        rowId={({ at_ms }) => at_ms}
        empty={null}
        narrow={narrowUsed}
      />
    </Section>
  );
}
