import { sql } from "kysely";
import type { CallerAccess, ProjectAccess } from "../../access/handles.ts";
import type { Tx } from "../../db/pool.ts";

/** What projects have consumed in the present month, UTC. `jobs/meters/` counts it. */
export interface Consumption {
  readonly active_seconds: number;
  readonly cpu_seconds: number;
  readonly written_bytes: number;
  /** The largest size in each hour, summed over the hours. */
  readonly storage_byte_hours: number;
  /** At present. */
  readonly storage_bytes: number;
  readonly period_start: string;
  readonly period_end: string;
}

const MONTH = sql`date_trunc('month', now(), 'UTC')`;

/** Of projects that the caller has been let at, by id. */
export async function readConsumption({ tx }: CallerAccess, ids: readonly string[]): Promise<Map<string, Consumption>> {
  const { rows } = await sql<Consumption & { id: string }>`
    select p.id, coalesce(h.active_seconds, 0)::bigint as active_seconds, coalesce(h.cpu_seconds, 0)::bigint as cpu_seconds,
      coalesce(h.written_bytes, 0)::bigint as written_bytes, coalesce(h.storage_byte_hours, 0)::bigint as storage_byte_hours,
      coalesce((select sum(storage_bytes) from branches b where b.project_id = p.id and b.deleted_at is null), 0)::bigint
        as storage_bytes,
      ${MONTH} as period_start, ${MONTH} + interval '1 month' as period_end
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
      end as exceeded
      from (
        select id, settings -> 'quota' as quota from projects
        where deleted_at is null and (settings -> 'quota' is not null or quota_exceeded is not null)
          and (${project_id}::text is null or id = ${project_id})
      ) q left join lateral (${sumsOf(sql`q.id`)}) h on true
    ) x
    where p.id = x.id and p.quota_exceeded is distinct from x.exceeded`.execute(tx);
}

function sumsOf(project_id: ReturnType<typeof sql>) {
  return sql`
    select sum(active_seconds) as active_seconds, sum(cpu_seconds) as cpu_seconds, sum(written_bytes) as written_bytes,
      sum(storage_bytes) as storage_byte_hours
    from consumption_hours c where c.project_id = ${project_id} and c.hour >= ${MONTH}`;
}
