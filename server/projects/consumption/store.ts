import { sql } from "kysely";
import type { CallerAccess, OrganizationAccess, ProjectAccess } from "../../access/handles.ts";
import { encodeCursor, parseCursor } from "../../cursor.ts";
import type { Tx } from "../../db/pool.ts";

/** What projects have consumed in the present month, UTC. `jobs/meters/` counts it. */
export interface Consumption {
  readonly active_seconds: number;
  readonly cpu_seconds: number;
  readonly written_bytes: number;
  /** Sent to clients. */
  readonly transferred_bytes: number;
  /** The largest size in each hour, summed over the hours. */
  readonly storage_byte_hours: number;
  /** At present. */
  readonly storage_bytes: number;
  readonly period_start: string;
  readonly period_end: string;
}

// Calendar arithmetic on UTC's own clock: a session with another time zone would move the ends of days and months.
const MONTH = sql`date_trunc('month', now(), 'UTC')`;
const MONTH_END = sql`(date_trunc('month', now() at time zone 'utc') + interval '1 month') at time zone 'utc'`;

/** Of projects that the caller has been let at, by id. */
export async function readConsumption({ tx }: CallerAccess, ids: readonly string[]): Promise<Map<string, Consumption>> {
  const { rows } = await sql<Consumption & { id: string }>`
    select p.id, coalesce(h.active_seconds, 0)::bigint as active_seconds, coalesce(h.cpu_seconds, 0)::bigint as cpu_seconds,
      coalesce(h.written_bytes, 0)::bigint as written_bytes, coalesce(h.storage_byte_hours, 0)::bigint as storage_byte_hours,
      coalesce(h.transferred_bytes, 0)::bigint as transferred_bytes,
      coalesce((select sum(storage_bytes) from branches b where b.project_id = p.id and b.deleted_at is null), 0)::bigint
        as storage_bytes,
      ${MONTH} as period_start, ${MONTH_END} as period_end
    from projects p left join lateral (${sumsOf(sql`p.id`)}) h on true
    where p.id = any (${[...ids]}::text[])`.execute(tx);
  return new Map(rows.map(({ id, ...consumption }) => [id, consumption]));
}

/** Holds a project's quotas against what it has consumed; from then on its computes may run, or not. */
export async function judgeQuota(access: ProjectAccess): Promise<void> {
  await judge(access.tx, access.project_id);
}

export async function judgeQuotasForJob(tx: Tx): Promise<void> {
  await judge(tx, null);
}

async function judge(tx: Tx, project_id: string | null): Promise<void> {
  await sql`
    update projects p set quota_exceeded = x.exceeded
    from (
      select q.id, case
        when h.active_seconds >= nullif((q.quota ->> 'active_time_seconds')::bigint, 0) then 'active_time_seconds'
        when h.cpu_seconds >= nullif((q.quota ->> 'compute_time_seconds')::bigint, 0) then 'compute_time_seconds'
        when h.written_bytes >= nullif((q.quota ->> 'written_data_bytes')::bigint, 0) then 'written_data_bytes'
        when h.transferred_bytes >= nullif((q.quota ->> 'data_transfer_bytes')::bigint, 0) then 'data_transfer_bytes'
      end as exceeded
      from (
        select id, settings -> 'quota' as quota from projects
        where deleted_at is null and (settings -> 'quota' is not null or quota_exceeded is not null)
          and (${project_id}::text is null or id = ${project_id})
      ) q left join lateral (${sumsOf(sql`q.id`)}) h on true
    ) x
    where p.id = x.id and p.quota_exceeded is distinct from x.exceeded`.execute(tx);
  // Of each branch, and not of a month: until the quota is raised, or the branch gets other data.
  await sql`
    update branches b set quota_exceeded = x.exceeded
    from (
      select c.id, case when c.logical_size >= nullif((p.settings -> 'quota' ->> 'logical_size_bytes')::bigint, 0)
        then 'logical_size_bytes' end as exceeded
      from branches c join projects p on p.id = c.project_id
      where p.deleted_at is null and c.deleted_at is null
        and (p.settings -> 'quota' ->> 'logical_size_bytes' is not null or c.quota_exceeded is not null)
        and (${project_id}::text is null or p.id = ${project_id})
    ) x
    where b.id = x.id and b.quota_exceeded is distinct from x.exceeded`.execute(tx);
}

function sumsOf(project_id: ReturnType<typeof sql>) {
  return sql`
    select sum(active_seconds) as active_seconds, sum(cpu_seconds) as cpu_seconds, sum(written_bytes) as written_bytes,
      sum(transferred_bytes) as transferred_bytes, sum(storage_bytes) as storage_byte_hours
    from consumption_hours c where c.project_id = ${project_id} and c.hour >= ${MONTH}`;
}

/** Hours, days or months, UTC: from one of them to before another. */
export interface Range {
  readonly unit: "hour" | "day" | "month";
  readonly from: string;
  readonly to: string;
  /** Whether it begins within what is kept at this granularity. */
  readonly is_kept: boolean;
}

const UNITS = { hourly: "hour", daily: "day", monthly: "month" } as const;
/** How far back each granularity reaches, as at Neon. */
const KEPT = { hour: "168 hours", day: "60 days", month: "1 year" } as const;

const later = (start: string, interval: string) =>
  sql`(${sql.ref(start)} at time zone 'utc' + ${interval}::interval) at time zone 'utc'`;

/** Rounds a range of time down to whole units. */
export async function resolveRange(
  { tx }: CallerAccess,
  granularity: keyof typeof UNITS,
  from_ms: number,
  to_ms: number,
): Promise<Range> {
  const unit = UNITS[granularity];
  const { rows } = await sql<Omit<Range, "unit">>`
    select date_trunc(${unit}, f, 'UTC') as "from", date_trunc(${unit}, t, 'UTC') as "to",
      f at time zone 'utc' >= date_trunc(${unit}, now() at time zone 'utc' - ${KEPT[unit]}::interval) as is_kept
    from (select to_timestamp(${from_ms / 1000}::float8) as f, to_timestamp(${to_ms / 1000}::float8) as t) x`.execute(
    tx,
  );
  return { unit, ...(rows[0] as Omit<Range, "unit">) };
}

/** What was consumed in one hour, day or month. */
export interface Consumed {
  /** Of the project or the branch. */
  readonly id: string;
  readonly starts: string;
  readonly ends: string;
  readonly active_seconds: number;
  /** Those, times the size of the compute. */
  readonly compute_unit_seconds: number;
  readonly cpu_seconds: number;
  readonly written_bytes: number;
  readonly transferred_bytes: number;
  /** The largest of its hours. */
  readonly storage_bytes: number;
  readonly storage_byte_hours: number;
  /** The part of it that roots have: branches with a parent, and those that are gone for good, are children. */
  readonly root_byte_hours: number;
  readonly child_branch_hours: number;
  readonly logical_bytes: number;
  readonly logical_byte_hours: number;
  readonly month_start: string;
  /** Null while it lasts. */
  readonly month_end: string | null;
  /** Made of the project or branch and the month: the same whenever it is asked for. */
  readonly month_id: string;
}

/** By project or by branch, each in the order of time. What is named has been found in the caller's organization. */
export async function readHistory(
  { tx }: OrganizationAccess,
  { unit, from, to }: Range,
  of: { readonly project_ids: readonly string[] } | { readonly branch_ids: readonly string[] },
): Promise<Consumed[]> {
  const [column, ids] =
    "project_ids" in of ? (["project_id", of.project_ids] as const) : (["branch_id", of.branch_ids] as const);
  const id = sql.ref(`c.${column}`);
  const { rows } = await sql<Consumed>`
    select id, starts, ${later("starts", `1 ${unit}`)} as ends,
      active_seconds::bigint, compute_unit_seconds::bigint, cpu_seconds::bigint, written_bytes::bigint, transferred_bytes::bigint, storage_bytes::bigint, storage_byte_hours::bigint,
      root_byte_hours::bigint, child_branch_hours::bigint, logical_bytes::bigint, logical_byte_hours::bigint,
      month as month_start, case when month < ${MONTH} then ${later("month", "1 month")} end as month_end,
      md5(id || ' ' || extract(epoch from month))::uuid as month_id
    from (
      select id, date_trunc(${unit}, hour, 'UTC') as starts, date_trunc('month', hour, 'UTC') as month,
        sum(active_seconds) as active_seconds, sum(compute_unit_seconds) as compute_unit_seconds,
        sum(cpu_seconds) as cpu_seconds, sum(written_bytes) as written_bytes, sum(transferred_bytes) as transferred_bytes,
        max(storage_bytes) as storage_bytes, sum(storage_bytes) as storage_byte_hours,
        sum(root_bytes) as root_byte_hours, sum(children) as child_branch_hours,
        max(logical_bytes) as logical_bytes, sum(logical_bytes) as logical_byte_hours
      from (
        select ${id} as id, c.hour, sum(c.active_seconds) as active_seconds,
          sum(c.compute_unit_seconds) as compute_unit_seconds, sum(c.cpu_seconds) as cpu_seconds,
          sum(c.written_bytes) as written_bytes, sum(c.transferred_bytes) as transferred_bytes, sum(c.storage_bytes) as storage_bytes, sum(c.logical_bytes) as logical_bytes,
          coalesce(sum(c.storage_bytes) filter (where b.id is not null and b.parent_id is null), 0) as root_bytes,
          count(*) filter (where b.id is null or b.parent_id is not null) as children
        from consumption_hours c left join branches b on b.id = c.branch_id
        where ${id} = any (${[...ids]}::text[]) and c.hour >= ${from}::timestamptz and c.hour < ${to}::timestamptz
        group by 1, 2
      ) hours
      group by 1, 2, 3
    ) units
    order by id, starts`.execute(tx);
  return rows;
}

interface ProjectPage {
  /** None: all. */
  readonly project_ids: readonly string[];
  readonly cursor: string | undefined;
  readonly limit: number;
}

/** The organization's projects, newest first. There is a cursor even on the last full page, as in their own list. */
export async function listProjectPage(
  { tx, org_id }: OrganizationAccess,
  { project_ids, cursor, limit }: ProjectPage,
): Promise<{ ids: string[]; next: string | undefined }> {
  let query = tx
    .selectFrom("projects")
    .select("id")
    .select(sql<string>`to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`.as("position"))
    .where("org_id", "=", org_id)
    .where("deleted_at", "is", null)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(limit);
  if (project_ids.length > 0) query = query.where("id", "in", [...project_ids]);
  if (cursor !== undefined) {
    const [position, id] = parseCursor(cursor, 2);
    query = query.where(sql<boolean>`(created_at, id) < (${position}::timestamptz, ${id})`);
  }
  const rows = await query.execute();
  const last = rows.at(-1);
  return { ids: rows.map(({ id }) => id), next: last && encodeCursor([last.position, last.id]) };
}

interface BranchPage extends ProjectPage {
  readonly branch_ids: readonly string[];
}

/** The branches of these projects of the organization that something is known of in a range, deleted ones too. */
export async function listConsumedBranches(
  { tx, org_id }: OrganizationAccess,
  { from, to }: Range,
  { project_ids, branch_ids, cursor, limit }: BranchPage,
): Promise<{ branches: { project_id: string; branch_id: string }[]; next: string | undefined }> {
  let query = tx
    .selectFrom("consumption_hours as c")
    .innerJoin("projects as p", "p.id", "c.project_id")
    .select(["c.project_id", "c.branch_id"])
    .distinct()
    .where("p.org_id", "=", org_id)
    .where("p.deleted_at", "is", null)
    .where("c.project_id", "in", [...project_ids])
    .where("c.hour", ">=", from)
    .where("c.hour", "<", to)
    .orderBy("c.project_id")
    .orderBy("c.branch_id")
    .limit(limit);
  if (branch_ids.length > 0) query = query.where("c.branch_id", "in", [...branch_ids]);
  if (cursor !== undefined) {
    const [project_id, branch_id] = parseCursor(cursor, 2);
    query = query.where(sql<boolean>`(c.project_id, c.branch_id) > (${project_id}, ${branch_id})`);
  }
  const branches = await query.execute();
  const last = branches.at(-1);
  return { branches, next: last && encodeCursor([last.project_id, last.branch_id]) };
}
