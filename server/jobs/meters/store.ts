import { sql } from "kysely";
import type { Tx } from "../../db/pool.ts";

/** SQL about what projects consume, for jobs alone (see `jobs/store.ts`). Days and hours are UTC's. */

/** What a compute told of itself; absent where it did not run any more. */
export interface Reading {
  /** Of its process since that began. */
  readonly cpu?: { readonly process: string; readonly seconds: number };
  /** How much log it has written since its statistics began, and how large its databases are. */
  readonly log?: { readonly storage_id: string; readonly wal_bytes: number; readonly logical_bytes: number };
}

/** From now on the time of this compute counts, at this size; where it was counted all along, it goes on. */
export async function beginMeterForJob(tx: Tx, endpoint_id: string, size_cu: number): Promise<void> {
  await sql`
    insert into compute_meters (endpoint_id, project_id, branch_id, size_cu)
    select id, project_id, branch_id, ${size_cu}::float8 from endpoints where id = ${endpoint_id}
    on conflict (endpoint_id) do update set size_cu = excluded.size_cu, counted_until = case
      when (select current_state from endpoints where id = ${endpoint_id}) = 'active' then compute_meters.counted_until
      else now() end`.execute(tx);
}

/** For a compute that was found dead: how long it had lived since it was last looked at, nobody knows. */
export async function skipUncountedForJob(tx: Tx, endpoint_id: string): Promise<void> {
  await sql`update compute_meters set counted_until = now() where endpoint_id = ${endpoint_id}`.execute(tx);
}

/** The same for all computes of a node but those that run. */
export async function skipUncountedExceptForJob(tx: Tx, node_id: string, running: readonly string[]): Promise<void> {
  await sql`
    update compute_meters m set counted_until = now() from branches b
    where b.id = m.branch_id and b.node_id = ${node_id} and m.endpoint_id <> all (${running}::text[])`.execute(tx);
}

/** Counts what a compute has used until now. To be called in a transaction. */
export async function countForJob(tx: Tx, endpoint_id: string, branch_id: string, reading: Reading): Promise<void> {
  const { rows } = await sql<{ counted_until: string; process: string | null; cpu_seconds: number; size_cu: number }>`
    select to_char(counted_until at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as counted_until, process, cpu_seconds,
      size_cu
    from compute_meters where endpoint_id = ${endpoint_id} for update`.execute(tx);
  const [meter] = rows;
  const { cpu } = reading;
  let cpu_seconds = 0;
  if (meter && cpu) {
    // Another process begins at zero.
    cpu_seconds = Math.max(0, cpu.seconds - (meter.process === cpu.process ? meter.cpu_seconds : 0));
    await sql`update compute_meters set process = ${cpu.process}, cpu_seconds = ${cpu.seconds}
      where endpoint_id = ${endpoint_id}`.execute(tx);
  }
  const written_bytes = reading.log === undefined ? 0 : await countLog(tx, branch_id, reading.log);
  const since = meter ? sql`${meter.counted_until}::timestamptz` : sql`now()`;
  await sql`
    insert into consumption_hours
      (project_id, hour, branch_id, active_seconds, compute_unit_seconds, cpu_seconds, written_bytes, storage_bytes,
        logical_bytes)
    select b.project_id, h, b.id, seconds, seconds * ${meter?.size_cu ?? 0}::float8,
      case when h = date_trunc('hour', now(), 'UTC') then ${cpu_seconds}::float8 else 0 end,
      case when h = date_trunc('hour', now(), 'UTC') then ${written_bytes}::bigint else 0 end,
      -- So that no hour is without a size until somebody looks, or because nobody did.
      coalesce(b.storage_bytes, 0), coalesce(b.logical_size, 0)
    from branches b,
      generate_series(date_trunc('hour', ${since}, 'UTC'), date_trunc('hour', now(), 'UTC'), interval '1 hour') h,
      greatest(0, extract(epoch from least(now(), h + interval '1 hour') - greatest(${since}, h))) seconds
    where b.id = ${branch_id}
    on conflict (project_id, hour, branch_id) do update set
      active_seconds = consumption_hours.active_seconds + excluded.active_seconds,
      compute_unit_seconds = consumption_hours.compute_unit_seconds + excluded.compute_unit_seconds,
      cpu_seconds = consumption_hours.cpu_seconds + excluded.cpu_seconds,
      written_bytes = consumption_hours.written_bytes + excluded.written_bytes,
      storage_bytes = greatest(consumption_hours.storage_bytes, excluded.storage_bytes),
      logical_bytes = greatest(consumption_hours.logical_bytes, excluded.logical_bytes)`.execute(tx);
  await sql`update compute_meters set counted_until = greatest(counted_until, now())
    where endpoint_id = ${endpoint_id}`.execute(tx);
}

/**
 * How much log a branch has written since it was last looked at. The places in its log do not tell: each branch made of
 * it leaves a gap of up to a segment. Statistics begin anew after a crash, and with each clone, whose first look counts
 * nothing: what the making of a branch writes, nobody has asked for.
 */
async function countLog(tx: Tx, branch_id: string, log: NonNullable<Reading["log"]>): Promise<number> {
  const { storage_id, wal_bytes, logical_bytes } = log;
  const { rows } = await sql<{ written: number }>`
    update branches b set metered_lsn = n.place, metered_storage_id = b.storage_id, logical_size = ${logical_bytes}
    from (
      select id, place, case when metered_storage_id is distinct from storage_id then place
                             when metered_lsn > place then '0/0' else metered_lsn end as since
      from branches, (select '0/0'::pg_lsn + ${wal_bytes}::numeric as place) p
      where id = ${branch_id} and storage_id = ${storage_id} for update of branches
    ) n
    where b.id = n.id returning (n.place - n.since)::bigint as written`.execute(tx);
  return rows[0]?.written ?? 0;
}

/** Counts to the end: the compute has stopped. */
export async function endMeterForJob(tx: Tx, endpoint_id: string): Promise<void> {
  const { rows } = await sql<{ branch_id: string }>`
    select branch_id from compute_meters where endpoint_id = ${endpoint_id}`.execute(tx);
  const [meter] = rows;
  if (!meter) return;
  await countForJob(tx, endpoint_id, meter.branch_id, {});
  await sql`delete from compute_meters where endpoint_id = ${endpoint_id}`.execute(tx);
}

/** Longer than from one look to the next, so that none is missed for a restart of the server. */
const HOUR_AGO = sql<string>`now() - interval '1 hour'`;

export interface StoredBranch {
  readonly id: string;
  readonly storage_id: string;
}

/** The branches of this node whose data is there and may have another size than when they were last looked at: not those at rest. */
export async function listStoredBranchesForJob(tx: Tx, node_id: string): Promise<StoredBranch[]> {
  return await tx
    .selectFrom("branches")
    .select(["id", "storage_id"])
    .where("node_id", "=", node_id)
    .where("current_state", "<>", "init")
    .where("deleted_at", "is", null)
    .where((eb) =>
      eb.or([
        eb("storage_bytes", "is", null),
        eb("state_changed_at", ">", HOUR_AGO),
        eb.exists(
          eb
            .selectFrom("endpoints as e")
            .select("e.id")
            .whereRef("e.branch_id", "=", "branches.id")
            .where((e) => e.or([e("e.current_state", "=", "active"), e("e.suspended_at", ">", HOUR_AGO)])),
        ),
      ]),
    )
    .execute();
}

export async function updateStorageBytesForJob(tx: Tx, { id, storage_id }: StoredBranch, bytes: number): Promise<void> {
  await tx
    .updateTable("branches")
    .set({ storage_bytes: bytes })
    .where("id", "=", id)
    .where("storage_id", "=", storage_id)
    .execute();
}

/** Notes the sizes of this node's branches in the present hour, which keeps the largest of each. */
export async function noteSizesForJob(tx: Tx, node_id: string): Promise<void> {
  await sql`
    insert into consumption_hours (project_id, hour, branch_id, storage_bytes, logical_bytes)
    select project_id, date_trunc('hour', now(), 'UTC'), id, coalesce(storage_bytes, 0), coalesce(logical_size, 0)
    from branches where node_id = ${node_id} and deleted_at is null and current_state <> 'init'
    on conflict (project_id, hour, branch_id) do update set
      storage_bytes = greatest(consumption_hours.storage_bytes, excluded.storage_bytes),
      logical_bytes = greatest(consumption_hours.logical_bytes, excluded.logical_bytes)`.execute(tx);
}

/** Forgets what nobody can ask for any more: a year and a month. */
export async function deleteOldHoursForJob(tx: Tx): Promise<void> {
  await sql`delete from consumption_hours where hour < now() - interval '400 days'`.execute(tx);
}
