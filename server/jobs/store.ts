import type { OperationAction } from "@latchkey/contract/operations.ts";
import { sql } from "kysely";
import { sqlState, type Tx } from "../db/pool.ts";

/**
 * SQL for the reconcilers. They act for nobody, so there is no access handle to carry: every function here
 * is named `…ForJob`, and only `jobs/` may import this file.
 */

export interface ClaimedOperation {
  readonly id: string;
  readonly project_id: string;
  readonly branch_id: string;
  readonly endpoint_id: string | null;
  readonly action: OperationAction;
  readonly failures_count: number;
}

export interface Claim {
  readonly node_id: string;
  /** Operations that this process works on already. */
  readonly in_flight: readonly string[];
  readonly limit: number;
}

const LEASE = sql`interval '5 minutes'`;

/**
 * Claims the oldest open operation of each of a few projects, where it is due and its branch is on this
 * node. A lease of this very node that no work in flight explains was left by a killed process, and is
 * taken over at once; another's only when it has run out.
 */
export async function claimOperationsForJob(tx: Tx, claim: Claim): Promise<ClaimedOperation[]> {
  const { rows } = await sql<ClaimedOperation>`
    with heads as (
      select distinct on (project_id) id from operations
      where status in ('scheduling', 'running') order by project_id, seq
    ), due as (
      select o.id from operations o join branches b on b.id = o.branch_id
      where o.id in (select id from heads) and o.status in ('scheduling', 'running')
        and b.node_id = ${claim.node_id} and o.id <> all (${claim.in_flight}::uuid[])
        and (o.retry_at is null or o.retry_at <= now())
        and (o.leased_until is null or o.leased_until < now() or o.leased_by = ${claim.node_id})
      order by o.seq limit ${claim.limit} for update of o skip locked
    )
    update operations o set status = 'running', leased_by = ${claim.node_id}, leased_until = now() + ${LEASE},
      retry_at = null, updated_at = now()
    from due where o.id = due.id
    returning o.id, o.project_id, o.branch_id, o.endpoint_id, o.action, o.failures_count`.execute(tx);
  return rows;
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
export async function finishOperationForJob(tx: Tx, operation_id: string, node_id: string): Promise<void> {
  const { numUpdatedRows } = await ours(tx, operation_id, node_id)
    .set({ status: "finished", error: null, total_duration_ms: AGE_MS })
    .executeTakeFirstOrThrow();
  if (numUpdatedRows !== 1n) throw new Error(`the lease on operation ${operation_id} was lost`);
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

/** Gives an operation up, and with it those of the project that were to follow: they build on it. */
export async function failOperationForJob(
  tx: Tx,
  operation: { readonly id: string; readonly project_id: string },
  node_id: string,
  { error, failures_count }: Failure,
): Promise<void> {
  await ours(tx, operation.id, node_id)
    .set({ status: "failed", error, failures_count, total_duration_ms: AGE_MS })
    .execute();
  await tx
    .updateTable("operations")
    .set({
      status: "cancelled",
      error: "an operation that had to come first has failed",
      updated_at: sql<string>`now()`,
      total_duration_ms: AGE_MS,
    })
    .where("project_id", "=", operation.project_id)
    .where("status", "=", "scheduling")
    .execute();
}

export async function getPgVersionForJob(tx: Tx, project_id: string): Promise<number> {
  const row = await tx
    .selectFrom("projects")
    .select("pg_version")
    .where("id", "=", project_id)
    .executeTakeFirstOrThrow();
  return row.pg_version;
}

export async function markBranchReadyForJob(tx: Tx, branch_id: string): Promise<void> {
  await tx
    .updateTable("branches")
    .set({ current_state: "ready", state_changed_at: sql<string>`now()`, updated_at: sql<string>`now()` })
    .where("id", "=", branch_id)
    .where("current_state", "<>", "ready")
    .execute();
}

export interface ComputeRow {
  readonly id: string;
  readonly branch_id: string;
  readonly host: string;
  readonly port: number;
  readonly current_state: "init" | "active" | "idle";
  /** Sealed. */
  readonly admin_password: Buffer;
}

const COMPUTE_COLUMNS = ["e.id", "e.branch_id", "e.host", "e.port", "e.current_state", "e.admin_password"] as const;

export async function getComputeForJob(tx: Tx, endpoint_id: string): Promise<ComputeRow> {
  return await tx
    .selectFrom("endpoints as e")
    .select(COMPUTE_COLUMNS)
    .where("e.id", "=", endpoint_id)
    .executeTakeFirstOrThrow();
}

/**
 * The computes of this node that ought to run: those that have been started once. Nothing suspends a
 * compute yet; when something does, its wish must be a column of its own beside the state.
 */
function wanted(tx: Tx, node_id: string) {
  return tx
    .selectFrom("endpoints as e")
    .innerJoin("branches as b", "b.id", "e.branch_id")
    .innerJoin("projects as p", "p.id", "e.project_id")
    .select(COMPUTE_COLUMNS)
    .where("b.node_id", "=", node_id)
    .where("p.deleted_at", "is", null)
    .where("e.current_state", "<>", "init");
}

export async function listWantedComputesForJob(tx: Tx, node_id: string): Promise<ComputeRow[]> {
  return await wanted(tx, node_id).execute();
}

export async function findWantedComputeForJob(tx: Tx, node_id: string, endpoint_id: string) {
  return await wanted(tx, node_id).where("e.id", "=", endpoint_id).executeTakeFirst();
}

export interface Content {
  /** Passwords sealed. */
  readonly roles: readonly { readonly name: string; readonly password: Buffer }[];
  readonly databases: readonly { readonly name: string; readonly owner: string }[];
}

export async function getContentForJob(tx: Tx, branch_id: string): Promise<Content> {
  const roles = await tx.selectFrom("roles").select(["name", "password"]).where("branch_id", "=", branch_id).execute();
  const databases = await tx
    .selectFrom("databases")
    .select(["name", "owner_name as owner"])
    .where("branch_id", "=", branch_id)
    .execute();
  return { roles, databases };
}

/** Gives an endpoint another port; false when another endpoint has that one. Not inside a transaction. */
export async function updateEndpointPortForJob(tx: Tx, endpoint_id: string, port: number): Promise<boolean> {
  try {
    await tx
      .updateTable("endpoints")
      .set({ port, updated_at: sql<string>`now()` })
      .where("id", "=", endpoint_id)
      .execute();
    return true;
  } catch (error) {
    if (sqlState(error) === "23505") return false;
    throw error;
  }
}

/** Records that a compute has been started just now. */
export async function markEndpointStartedForJob(tx: Tx, endpoint_id: string): Promise<void> {
  await tx
    .updateTable("endpoints")
    .set({ current_state: "active", started_at: sql<string>`now()`, updated_at: sql<string>`now()` })
    .where("id", "=", endpoint_id)
    .execute();
}

/** Records that a compute does not run although it should. */
export async function markEndpointIdleForJob(tx: Tx, endpoint_id: string): Promise<void> {
  await tx
    .updateTable("endpoints")
    .set({ current_state: "idle", updated_at: sql<string>`now()` })
    .where("id", "=", endpoint_id)
    .where("current_state", "=", "active")
    .execute();
}

export interface DoomedBranch {
  readonly id: string;
  readonly project_id: string;
}

/** The branches on this node whose projects are deleted. */
export async function listDoomedBranchesForJob(tx: Tx, node_id: string): Promise<DoomedBranch[]> {
  return await tx
    .selectFrom("branches as b")
    .innerJoin("projects as p", "p.id", "b.project_id")
    .select(["b.id", "b.project_id"])
    .where("b.node_id", "=", node_id)
    .where("p.deleted_at", "is not", null)
    .orderBy("p.deleted_at")
    .execute();
}

export async function listEndpointIdsForJob(tx: Tx, branch_id: string): Promise<string[]> {
  const rows = await tx.selectFrom("endpoints").select("id").where("branch_id", "=", branch_id).execute();
  return rows.map(({ id }) => id);
}

/** Removes a branch that stands for nothing any more, and its project with the last one. */
export async function deleteBranchForJob(tx: Tx, branch_id: string): Promise<void> {
  await tx.deleteFrom("branches").where("id", "=", branch_id).execute();
  await deleteEmptyProjectsForJob(tx);
}

/** Removes deleted projects that have no branch left, on whatever node; keys and operations go with them. */
export async function deleteEmptyProjectsForJob(tx: Tx): Promise<void> {
  await tx
    .deleteFrom("projects as p")
    .where("p.deleted_at", "is not", null)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom("branches as b").select("b.id").whereRef("b.project_id", "=", "p.id"))),
    )
    .execute();
}

/** Which of these branches no row knows, on whatever node. */
export async function findUnknownBranchesForJob(tx: Tx, branch_ids: readonly string[]): Promise<Set<string>> {
  const rows = await tx.selectFrom("branches").select("id").where("id", "in", orNone(branch_ids)).execute();
  return without(branch_ids, rows);
}

/** Which of these endpoints no row knows, on whatever node. */
export async function findUnknownEndpointsForJob(tx: Tx, endpoint_ids: readonly string[]): Promise<Set<string>> {
  const rows = await tx.selectFrom("endpoints").select("id").where("id", "in", orNone(endpoint_ids)).execute();
  return without(endpoint_ids, rows);
}

function without(ids: readonly string[], rows: readonly { id: string }[]): Set<string> {
  const known = new Set(rows.map(({ id }) => id));
  return new Set(ids.filter((id) => !known.has(id)));
}

/** `in ()` is no SQL. */
const orNone = (ids: readonly string[]): string[] => (ids.length === 0 ? [""] : [...ids]);

/** Records the size of a branch. Measuring it is no change to it, so `updated_at` stays. */
export async function updateLogicalSizeForJob(tx: Tx, branch_id: string, bytes: number): Promise<void> {
  await tx.updateTable("branches").set({ logical_size: bytes }).where("id", "=", branch_id).execute();
}
