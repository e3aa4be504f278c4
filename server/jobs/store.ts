import type { OperationAction } from "@latchkey/contract/operations.ts";
import { sql } from "kysely";
import type { CopyProgress } from "../compute/driver.ts";
import type { Tx } from "../db/pool.ts";
import { newUuid } from "../ids.ts";

/**
 * SQL for the operations that the reconcilers carry out. They act for nobody, so there is no access handle to
 * carry: every function in the stores of this folder is named `…ForJob`, and only `jobs/` may import them.
 */

export interface ClaimedOperation {
  readonly id: string;
  readonly project_id: string;
  readonly branch_id: string;
  readonly endpoint_id: string | null;
  readonly action: OperationAction;
  readonly failures_count: number;
  readonly is_cancelled: boolean;
  /** It makes the data of a branch from another one's, which may take long. One that is cancelled does not. */
  readonly is_copy: boolean;
}

export interface Claim {
  readonly node_id: string;
  /** Operations that this process works on already. */
  readonly in_flight: readonly ClaimedOperation[];
  /** Of all but copies. */
  readonly limit: number;
  readonly copies_limit: number;
  /** Of copies, those in flight included. */
  readonly copies_of_a_project: number;
}

const LEASE = sql`interval '5 minutes'`;

/**
 * Claims the oldest open operation of each of a few branches, where it is due and the branch is on this
 * node. Of copies, those of the projects come first that have the fewest in flight. A lease of this very node that
 * no work in flight explains was left by a killed process, and is taken over at once; another's only when it has
 * run out.
 */
export async function claimOperationsForJob(tx: Tx, claim: Claim): Promise<ClaimedOperation[]> {
  const { node_id, in_flight, limit, copies_limit, copies_of_a_project } = claim;
  const ids = in_flight.map(({ id }) => id);
  const copying = in_flight.filter(({ is_copy }) => is_copy).map(({ project_id }) => project_id);
  const { rows } = await sql<ClaimedOperation>`
    with heads as (
      select distinct on (branch_id) id from operations
      where status in ('scheduling', 'running') order by branch_id, seq
    ), due as (
      select o.id, o.seq, o.project_id, o.action = 'create_timeline' and o.cancel_requested_at is null
        and (b.parent_id is not null or b.reset is not null or b.schema_of is not null) as is_copy
      from operations o join branches b on b.id = o.branch_id
      where o.id in (select id from heads)
        and b.node_id = ${node_id} and o.id <> all (${ids}::uuid[])
        and (o.retry_at is null or o.retry_at <= now())
        and (o.leased_until is null or o.leased_until < now() or o.leased_by = ${node_id})
    ), copies as (
      select id, seq, cardinality(array_positions(${copying}::text[], project_id))
        + row_number() over (partition by project_id order by seq) as of_project
      from due where is_copy
    ), chosen as (
      (select id from due where not is_copy order by seq limit ${limit})
      union all
      (select id from copies where of_project <= ${copies_of_a_project} order by of_project, seq limit ${copies_limit})
    ), held as (
      select id from operations
      where id in (select id from chosen) and status in ('scheduling', 'running') for update skip locked
    )
    update operations o set status = 'running', leased_by = ${node_id}, leased_until = now() + ${LEASE},
      retry_at = null, copied_bytes = null, total_bytes = null, updated_at = now()
    from held join due using (id) where o.id = held.id
    returning o.id, o.project_id, o.branch_id, o.endpoint_id, o.action, o.failures_count, due.is_copy,
      o.cancel_requested_at is not null as is_cancelled`.execute(tx);
  return rows;
}

/** Which of these operations are to be given up. */
export async function listCancelledForJob(tx: Tx, operation_ids: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from operations where id = any (${operation_ids}::uuid[]) and cancel_requested_at is not null`.execute(
    tx,
  );
  return rows.map(({ id }) => id);
}

/** An operation that is ours to write to: a lease that was lost in the meantime leaves nothing to update. */
function ours(tx: Tx, operation_id: string, node_id: string) {
  return tx
    .updateTable("operations")
    .set({ leased_by: null, leased_until: null, updated_at: sql<string>`now()` })
    .where("id", "=", operation_id)
    .where("status", "=", "running")
    .where("leased_by", "=", node_id);
}

/** Whole milliseconds since the operation was recorded, waiting and retries included. */
const AGE_MS = sql<number>`least(2147483647, extract(epoch from clock_timestamp() - created_at) * 1000)::integer`;

/** Throws when the lease was lost, so that the transaction around it changes nothing. */
export async function finishOperationForJob(
  tx: Tx,
  operation_id: string,
  node_id: string,
  status: "finished" | "skipped" = "finished",
): Promise<void> {
  const { numUpdatedRows } = await ours(tx, operation_id, node_id)
    .set({ status, error: null, total_duration_ms: AGE_MS })
    .executeTakeFirstOrThrow();
  if (numUpdatedRows !== 1n) throw new Error(`the lease on operation ${operation_id} was lost`);
}

/**
 * Records work that is done already: what a client's arrival or absence has caused. It is never open, so it refuses
 * nobody's change.
 */
export async function insertFinishedOperationForJob(
  tx: Tx,
  action: OperationAction,
  endpoint_id: string,
  took_ms: number,
): Promise<void> {
  await sql`
    insert into operations (id, project_id, branch_id, endpoint_id, action, status, created_at, updated_at, total_duration_ms)
    select ${newUuid()}, project_id, branch_id, id, ${action}, 'finished',
      clock_timestamp() - make_interval(secs => ${took_ms / 1000}), clock_timestamp(), ${Math.round(took_ms)}
    from endpoints where id = ${endpoint_id}`.execute(tx);
}

/**
 * Records that a compute could not be started, which nobody had asked for; the attempts that follow one another are one
 * operation, which counts them.
 */
export async function recordFailedStartForJob(
  tx: Tx,
  { id, endpoint_id, error, took_ms }: { id: string; endpoint_id: string; error: string; took_ms: number },
): Promise<void> {
  await sql`
    insert into operations (id, project_id, branch_id, endpoint_id, action, status, error, failures_count,
      created_at, updated_at, total_duration_ms)
    select ${id}, project_id, branch_id, id, 'start_compute', 'failed', ${error}, 1,
      clock_timestamp() - make_interval(secs => ${took_ms / 1000}), clock_timestamp(), ${Math.round(took_ms)}
    from endpoints where id = ${endpoint_id}
    on conflict (id) do update set error = excluded.error, failures_count = operations.failures_count + 1,
      updated_at = excluded.updated_at,
      total_duration_ms = least(2147483647, extract(epoch from clock_timestamp() - operations.created_at) * 1000)`.execute(
    tx,
  );
}

/** Forgets operations of which nobody asks any more, as Neon does after half a year. */
export async function deleteOldOperationsForJob(tx: Tx): Promise<void> {
  await sql`
    delete from operations where created_at < now() - interval '180 days'
      and status not in ('scheduling', 'running')`.execute(tx);
}

/** Notes how far the copy is that an operation makes. */
export async function noteProgressForJob(tx: Tx, operation_id: string, progress: CopyProgress): Promise<void> {
  await tx
    .updateTable("operations")
    .set({ ...progress, updated_at: sql<string>`now()` })
    .where("id", "=", operation_id)
    .where("status", "=", "running")
    .execute();
}

/** Gives an operation back untouched, for the next process to take up. */
export async function releaseOperationForJob(tx: Tx, operation_id: string, node_id: string): Promise<void> {
  await ours(tx, operation_id, node_id).set({ status: "scheduling" }).execute();
}

export interface Failure {
  /** For people; it must tell no secret. */
  readonly error: string;
  readonly failures_count: number;
}

/** Thrown once an operation is recorded as failed, for there is nothing more to be done about it. */
export class RecordedFailure extends Error {
  readonly failures_count: number;

  constructor({ error, failures_count }: Failure) {
    super(error);
    this.name = "RecordedFailure";
    this.failures_count = failures_count;
  }
}

export async function retryOperationForJob(
  tx: Tx,
  operation_id: string,
  node_id: string,
  failure: Failure & { readonly delay_ms: number },
): Promise<void> {
  const { error, failures_count, delay_ms } = failure;
  await ours(tx, operation_id, node_id)
    .set({
      status: "scheduling",
      error,
      failures_count,
      retry_at: sql<string>`now() + make_interval(secs => ${delay_ms / 1000})`,
    })
    .execute();
}

/** Gives an operation up, and with it those of the branch that were to follow: they build on it. */
export async function failOperationForJob(
  tx: Tx,
  operation: { readonly id: string; readonly branch_id: string },
  node_id: string,
  { error, failures_count }: Failure,
): Promise<void> {
  await ours(tx, operation.id, node_id)
    .set({ status: "failed", error, failures_count, total_duration_ms: AGE_MS })
    .execute();
  await cancelFollowing(tx, operation.branch_id, "an operation that had to come first has failed");
}

/** Ends an operation on request, and those of the branch that were to follow. */
export async function cancelOperationForJob(
  tx: Tx,
  operation: { readonly id: string; readonly branch_id: string },
  node_id: string,
): Promise<void> {
  await ours(tx, operation.id, node_id)
    .set({ status: "cancelled", error: "cancelled on request", total_duration_ms: AGE_MS })
    .execute();
  await cancelFollowing(tx, operation.branch_id, "an operation that had to come first was cancelled");
}

async function cancelFollowing(tx: Tx, branch_id: string, error: string): Promise<void> {
  await tx
    .updateTable("operations")
    .set({
      status: "cancelled",
      error,
      updated_at: sql<string>`now()`,
      total_duration_ms: AGE_MS,
    })
    .where("branch_id", "=", branch_id)
    .where("status", "=", "scheduling")
    .execute();
}
