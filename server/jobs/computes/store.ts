import { sql } from "kysely";
import { sqlState, type Tx } from "../../db/pool.ts";
import { beginMeterForJob, endMeterForJob } from "../meters/store.ts";

/** SQL about computes, for jobs alone (see `jobs/store.ts`). */

export interface ComputeRow {
  readonly id: string;
  readonly branch_id: string;
  readonly storage_id: string;
  readonly current_state: "init" | "active" | "idle";
  readonly desired_state: "running" | "suspended";
  readonly disabled: boolean;
  readonly deleted_at: string | null;
  readonly settings: Record<string, string>;
  readonly size_cu: number;
  readonly min_cu: number;
  /** Sealed, for the id beside it. */
  readonly admin_password: Buffer;
  readonly admin_password_of: string;
  readonly content_revision: number;
  readonly applied_revision: number;
  /** Which quota is used up, of its project or its branch: it may not run then. */
  readonly quota_exceeded: string | null;
}

const COMPUTE_COLUMNS = [
  ...(["e.id", "e.branch_id", "b.storage_id", "e.current_state", "e.desired_state"] as const),
  ...(["e.disabled", "e.deleted_at", "e.settings", "b.admin_password", "b.admin_password_of"] as const),
  ...(["e.autoscaling_limit_max_cu as size_cu", "e.autoscaling_limit_min_cu as min_cu"] as const),
  ...(["b.content_revision", "b.applied_revision"] as const),
  sql<string | null>`coalesce(p.quota_exceeded, b.quota_exceeded)`.as("quota_exceeded"),
] as const;

const NO_WORK_RECORDED = sql<boolean>`not exists (
  select from operations as o where o.branch_id = b.id and o.status in ('scheduling', 'running'))`;

function computes(tx: Tx) {
  return tx
    .selectFrom("endpoints as e")
    .innerJoin("branches as b", "b.id", "e.branch_id")
    .innerJoin("projects as p", "p.id", "e.project_id")
    .select(COMPUTE_COLUMNS);
}

/** Undefined when its row has gone. */
export async function findComputeForJob(tx: Tx, endpoint_id: string): Promise<ComputeRow | undefined> {
  return await computes(tx).where("e.id", "=", endpoint_id).executeTakeFirst();
}

/** The computes of this node whose data is whole and whose branch and project are not deleted. */
function living(tx: Tx, node_id: string) {
  return computes(tx)
    .where("b.node_id", "=", node_id)
    .where("b.current_state", "=", "ready")
    .where("p.quota_exceeded", "is", null)
    .where("b.quota_exceeded", "is", null)
    .where("b.deleted_at", "is", null)
    .where("p.deleted_at", "is", null)
    .where("e.deleted_at", "is", null);
}

/** The computes of this node that ought to run: those that have been started once and that nobody has put to rest. */
function wanted(tx: Tx, node_id: string) {
  return living(tx, node_id)
    .where("e.current_state", "<>", "init")
    .where("e.desired_state", "=", "running")
    .where("e.disabled", "=", false);
}

export async function listWantedComputesForJob(tx: Tx, node_id: string): Promise<ComputeRow[]> {
  return await wanted(tx, node_id).execute();
}

export async function findWantedComputeForJob(tx: Tx, node_id: string, endpoint_id: string) {
  return await wanted(tx, node_id).where("e.id", "=", endpoint_id).executeTakeFirst();
}

/** A compute of this node that a client may start by connecting; undefined when it is disabled, deleted or not whole. */
export async function findWakeableComputeForJob(tx: Tx, node_id: string, endpoint_id: string) {
  return await living(tx, node_id).where("e.id", "=", endpoint_id).where("e.disabled", "=", false).executeTakeFirst();
}

export interface UnfinishedBranch {
  readonly id: string;
  readonly project_id: string;
  readonly current_state: "init" | "resetting";
  /** Work on it is recorded, and has not ended. */
  readonly is_worked_on: boolean;
}

/** The branch whose data a compute waits for: it is being made or reset, or its making was given up a moment ago. */
export async function findUnfinishedBranchForJob(tx: Tx, endpoint_id: string): Promise<UnfinishedBranch | undefined> {
  const { rows } = await sql<UnfinishedBranch>`
    select b.id, b.project_id, b.current_state, exists (select from operations o
      where o.branch_id = b.id and o.status in ('scheduling', 'running')) as is_worked_on
    from endpoints e join branches b on b.id = e.branch_id join projects p on p.id = b.project_id
    where e.id = ${endpoint_id} and b.current_state <> 'ready' and p.deleted_at is null`.execute(tx);
  return rows[0];
}

/** Why a branch was never made; its row may have gone. Undefined where that has not failed. */
export async function findMakingErrorForJob(
  tx: Tx,
  { id, project_id, current_state }: UnfinishedBranch,
): Promise<string | undefined> {
  if (current_state !== "init") return undefined;
  const found = await tx
    .selectFrom("operations")
    .select("error")
    .where("project_id", "=", project_id)
    .where("branch_id", "=", id)
    .where("action", "=", "create_timeline")
    .where("status", "in", ["failed", "cancelled"])
    .executeTakeFirst();
  return found?.error ?? undefined;
}

/** A compute that runs by its row; undefined while work on its branch is recorded. */
export async function findRestableComputeForJob(tx: Tx, endpoint_id: string): Promise<ComputeRow | undefined> {
  return await computes(tx)
    .where("e.id", "=", endpoint_id)
    .where("e.current_state", "=", "active")
    .where(NO_WORK_RECORDED)
    .executeTakeFirst();
}

/** Records what ought to be, where the compute exists still. What a job puts to rest, nobody uses. */
export async function updateDesiredStateForJob(tx: Tx, endpoint_id: string, desired_state: "running" | "suspended") {
  const idle = desired_state === "suspended" ? { suspended_for: "idle" as const } : {};
  await tx
    .updateTable("endpoints")
    .set({ desired_state, ...idle, updated_at: sql<string>`now()` })
    .where("id", "=", endpoint_id)
    .where("desired_state", "<>", desired_state)
    .execute();
}

/**
 * Computes of this node that ought not to run, and by their rows do: put to rest while nobody was there to do
 * it, disabled, of a project that is deleted, or with a quota used up. Those with work recorded are left to it.
 */
export async function listUnwantedComputesForJob(tx: Tx, node_id: string): Promise<ComputeRow[]> {
  return await computes(tx)
    .where("b.node_id", "=", node_id)
    .where("e.current_state", "=", "active")
    .where((eb) =>
      eb.or([
        eb("e.desired_state", "=", "suspended"),
        eb("e.disabled", "=", true),
        eb("p.deleted_at", "is not", null),
        eb("p.quota_exceeded", "is not", null),
        eb("b.quota_exceeded", "is not", null),
      ]),
    )
    .where(NO_WORK_RECORDED)
    .execute();
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

/** Records that a compute runs, with which settings and at which size. Its time counts. */
export async function markEndpointStartedForJob(tx: Tx, { id, settings, size_cu, min_cu }: ComputeRow): Promise<void> {
  await beginMeterForJob(tx, id, size_cu);
  await tx
    .updateTable("endpoints")
    .set({
      current_state: "active",
      started_at: sql<string>`case when current_state = 'active' then started_at else now() end`,
      applied_settings: JSON.stringify(settings),
      applied_min_cu: min_cu,
      applied_max_cu: size_cu,
      updated_at: sql<string>`now()`,
    })
    .where("id", "=", id)
    .execute();
}

/** Records that a compute does not run. */
export async function markEndpointIdleForJob(tx: Tx, endpoint_id: string): Promise<void> {
  await tx
    .updateTable("endpoints")
    .set({ current_state: "idle", suspended_at: sql<string>`now()`, updated_at: sql<string>`now()` })
    .where("id", "=", endpoint_id)
    .where("current_state", "=", "active")
    .execute();
  await endMeterForJob(tx, endpoint_id);
}

/** Records that a compute has died or did not start, and when it is started again. */
export async function noteEndpointFailureForJob(
  tx: Tx,
  endpoint_id: string,
  failure: { readonly reason: string; readonly failures_count: number; readonly retry_in_ms: number },
): Promise<void> {
  const { reason, failures_count, retry_in_ms } = failure;
  await tx
    .updateTable("endpoints")
    .set({
      failed_at: sql<string>`now()`,
      failure_reason: reason,
      failures_count,
      retry_at: sql<string>`now() + make_interval(secs => ${retry_in_ms / 1000})`,
      updated_at: sql<string>`now()`,
    })
    .where("id", "=", endpoint_id)
    .execute();
}

/**
 * What a compute is to have that it did not have when it last ran: `first` where it never has run, and nothing but its
 * settings can be put back; undefined where there is nothing.
 */
export async function findChangeForJob(tx: Tx, endpoint_id: string): Promise<"first" | "later" | undefined> {
  const { rows } = await sql<{ change: "first" | "later" }>`
    select case when applied_max_cu is null then 'first' else 'later' end as change from endpoints
    where id = ${endpoint_id} and (settings <> applied_settings or autoscaling_limit_max_cu <> applied_max_cu)`.execute(
    tx,
  );
  return rows[0]?.change;
}

/** Puts the settings and the size back to those that the compute has run with. */
export async function revertSettingsForJob(tx: Tx, endpoint_id: string): Promise<void> {
  await sql`
    update endpoints set settings = applied_settings,
      -- A lower limit alone is kept and told, and nothing is ever applied for it.
      autoscaling_limit_min_cu =
        case when autoscaling_limit_max_cu <> applied_max_cu then applied_min_cu else autoscaling_limit_min_cu end,
      autoscaling_limit_max_cu = coalesce(applied_max_cu, autoscaling_limit_max_cu)
    where id = ${endpoint_id}`.execute(tx);
}

export async function deleteEndpointForJob(tx: Tx, endpoint_id: string): Promise<void> {
  await tx.deleteFrom("endpoints").where("id", "=", endpoint_id).where("deleted_at", "is not", null).execute();
}
