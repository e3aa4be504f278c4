import {
  BRANCH_METRICS_V2,
  type Granularity,
  METRICS,
  type Metric,
  type MetricV2,
  PROJECT_METRICS_V2,
  type Timeframe,
  type TimeframeV2,
} from "@latchkey/contract/consumption.ts";
import type { OrganizationAccess } from "../../access/handles.ts";
import { ApiError } from "../../errors.ts";
import {
  type Consumed,
  listConsumedBranches,
  listProjectPage,
  type Range,
  readHistory,
  resolveRange,
} from "./store.ts";

/** The history of what was consumed, in Neon's three forms. */

/** Nothing is paid for here. */
const PLAN = "self-hosted";

interface Asked {
  readonly from: string;
  readonly to: string;
  readonly granularity: Granularity;
  readonly limit?: number;
  readonly cursor?: string;
  readonly project_ids?: string | string[];
}

export async function readProjectHistory(
  access: OrganizationAccess,
  asked: Asked & { readonly metrics?: string | string[]; readonly include_v1_metrics?: boolean },
) {
  const named = asked.metrics === undefined ? [] : chooseMetrics(METRICS, asked.metrics);
  if (asked.metrics === undefined && asked.include_v1_metrics === true) named.push("data_storage_bytes_hour");
  return await readProjects(access, asked, (consumed) => toTimeframe(consumed, named));
}

export async function readProjectHistoryV2(
  access: OrganizationAccess,
  asked: Asked & { readonly metrics: string | string[] },
) {
  const named = chooseMetrics(PROJECT_METRICS_V2, asked.metrics);
  return await readProjects(access, asked, (consumed) => toTimeframeV2(consumed, named));
}

export async function readBranchHistoryV2(
  access: OrganizationAccess,
  asked: Asked & {
    readonly metrics: string | string[];
    readonly project_ids: string | string[];
    readonly branch_ids?: string | string[];
  },
) {
  const named = chooseMetrics(BRANCH_METRICS_V2, asked.metrics);
  const project_ids = listOf(asked.project_ids);
  if (project_ids.length === 0) throw new ApiError("bad_request", '"project_ids" in the query names no project');
  const branch_ids = asked.branch_ids === undefined ? [] : listOf(asked.branch_ids);
  const range = await checkRange(access, asked);
  const { cursor, limit = 100 } = asked;
  const filter = { project_ids, branch_ids, cursor, limit };
  const { branches, next } = await listConsumedBranches(access, range, filter);
  const ids = branches.map(({ branch_id }) => branch_id);
  const rows = Map.groupBy(await readHistory(access, range, { branch_ids: ids }), ({ id }) => id);
  return {
    branches: branches.map(({ project_id, branch_id }) => ({
      project_id,
      branch_id,
      periods: toPeriods(rows.get(branch_id) ?? [], (consumed) => toTimeframeV2(consumed, named)),
    })),
    ...(next === undefined ? {} : { pagination: { cursor: next } }),
  };
}

async function readProjects<T>(access: OrganizationAccess, asked: Asked, toOne: (consumed: Consumed) => T) {
  const range = await checkRange(access, asked);
  const { cursor, limit = 10 } = asked;
  const project_ids = asked.project_ids === undefined ? [] : listOf(asked.project_ids);
  const { ids, next } = await listProjectPage(access, { project_ids, cursor, limit });
  const rows = Map.groupBy(await readHistory(access, range, { project_ids: ids }), ({ id }) => id);
  return {
    projects: ids.map((project_id) => ({ project_id, periods: toPeriods(rows.get(project_id) ?? [], toOne) })),
    ...(next === undefined ? {} : { pagination: { cursor: next } }),
  };
}

async function checkRange(access: OrganizationAccess, asked: Asked): Promise<Range> {
  const [from_ms, to_ms] = [Date.parse(asked.from), Date.parse(asked.to)];
  // A leap second has the right form.
  if (Number.isNaN(from_ms) || Number.isNaN(to_ms)) {
    throw new ApiError("bad_request", '"from" or "to" in the query is not a time');
  }
  const range = await resolveRange(access, asked.granularity, from_ms, to_ms);
  if (!range.is_kept || from_ms > to_ms) {
    throw new ApiError(
      "not_acceptable",
      "the specified date-time range is outside the boundaries of the specified granularity: hours are kept for 168 " +
        "hours, days for 60 days, months for a year",
    );
  }
  return range;
}

function listOf(text: string | readonly string[]): string[] {
  const all = [text].flat().flatMap((part) => part.split(","));
  return [...new Set(all.filter((one) => one !== ""))];
}

function chooseMetrics<M extends Metric | MetricV2>(known: readonly M[], text: string | readonly string[]): M[] {
  const named = listOf(text);
  const unknown = named.find((name) => !(known as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new ApiError("bad_request", `"metrics" in the query names "${unknown}", and may name ${known.join(", ")}`);
  }
  return named as M[];
}

/** Timeframes by the calendar month that they are in; both are in the order of time. */
function toPeriods<T>(rows: readonly Consumed[], toOne: (consumed: Consumed) => T) {
  return [...Map.groupBy(rows, ({ month_start }) => month_start).values()].map((in_month) => {
    const { month_start, month_end, month_id } = in_month[0] as Consumed;
    return {
      period_id: month_id,
      period_plan: PLAN,
      period_start: month_start,
      ...(month_end === null ? {} : { period_end: month_end }),
      consumption: in_month.map(toOne),
    };
  });
}

/** Neon's document has the first four in every answer, whatever is asked for. */
function toTimeframe(consumed: Consumed, named: readonly Metric[]): Timeframe {
  const { storage_byte_hours, logical_bytes, logical_byte_hours } = consumed;
  const more = {
    data_storage_bytes_hour: storage_byte_hours,
    logical_size_bytes: logical_bytes,
    logical_size_bytes_hour: logical_byte_hours,
  };
  return {
    timeframe_start: consumed.starts,
    timeframe_end: consumed.ends,
    active_time_seconds: consumed.active_seconds,
    compute_time_seconds: consumed.cpu_seconds,
    written_data_bytes: consumed.written_bytes,
    synthetic_storage_size_bytes: consumed.storage_bytes,
    ...Object.fromEntries(Object.entries(more).filter(([name]) => (named as readonly string[]).includes(name))),
  };
}

function toTimeframeV2(consumed: Consumed, named: readonly MetricV2[]): TimeframeV2 {
  const metrics = named.flatMap((metric_name) => {
    const value = measure(consumed, metric_name);
    return value === undefined ? [] : [{ metric_name, value }];
  });
  return { timeframe_start: consumed.starts, timeframe_end: consumed.ends, metrics };
}

/** Undefined for what is not measured. */
function measure(consumed: Consumed, metric: MetricV2): number | undefined {
  switch (metric) {
    case "compute_unit_seconds":
      return consumed.compute_unit_seconds;
    case "root_branch_bytes_month":
      return consumed.root_byte_hours;
    case "child_branch_bytes_month":
      return consumed.storage_byte_hours - consumed.root_byte_hours;
    case "extra_branches_month":
      return consumed.child_branch_hours;
    // There is neither a history to restore from nor a snapshot that could take room.
    case "instant_restore_bytes_month":
    case "snapshot_storage_bytes_month":
      return 0;
    case "public_network_transfer_bytes":
      return consumed.transferred_bytes;
    case "private_network_transfer_bytes":
      return undefined;
  }
}
