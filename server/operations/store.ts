import type { Operation, OperationAction } from "@latchkey/contract/operations.ts";
import { type Selectable, sql } from "kysely";
import type { ProjectAccess } from "../access/handles.ts";
import { encodeCursor, parseCursor } from "../cursor.ts";
import type { OperationTable } from "../db/schema.ts";
import { ApiError } from "../errors.ts";
import { newUuid } from "../ids.ts";
import { findLostSince, LOST_SINCE, lostMessage } from "../placement/store.ts";

/**
 * The resource operations: slow work on a project that a route has recorded and a job carries out. Here they
 * are recorded and read; `jobs/` works on them.
 */

function toOperation(row: Selectable<OperationTable> & { readonly lost_since?: string | null }): Operation {
  const is_open = row.status === "scheduling" || row.status === "running";
  const waits = is_open && row.lost_since != null;
  const error = waits ? lostMessage(row.lost_since) : row.error;
  return {
    id: row.id,
    project_id: row.project_id,
    ...(row.branch_id === null ? {} : { branch_id: row.branch_id }),
    ...(row.endpoint_id === null ? {} : { endpoint_id: row.endpoint_id }),
    action: row.action,
    status: is_open && row.cancel_requested_at !== null ? "cancelling" : row.status,
    ...(error === null ? {} : { error }),
    failures_count: row.failures_count,
    ...(row.retry_at === null ? {} : { retry_at: row.retry_at }),
    ...(row.status === "running" && row.copied_bytes !== null && row.total_bytes !== null
      ? { progress: { copied_bytes: row.copied_bytes, total_bytes: row.total_bytes } }
      : {}),
    created_at: row.created_at,
    updated_at: row.updated_at,
    total_duration_ms: row.total_duration_ms,
  };
}

export interface NewOperation {
  readonly action: OperationAction;
  readonly branch_id: string;
  readonly endpoint_id?: string;
}

/** What can wait until a lost node is back: nobody needs its outcome to go on. */
const CAN_WAIT: ReadonlySet<OperationAction> = new Set(["suspend_compute", "delete_timeline"]);

/**
 * Records work; it is carried out in the order given, after the transaction has committed. Throws 503 where somebody would
 * wait for it in vain, since its node is lost.
 */
export async function insertOperations(access: ProjectAccess, operations: readonly NewOperation[]) {
  for (const { action, branch_id } of operations) {
    const since = CAN_WAIT.has(action) ? undefined : await findLostSince(access.tx, branch_id);
    if (since !== undefined) throw new ApiError("unavailable", lostMessage(since));
  }
  const inserted: Operation[] = [];
  // One by one: the order of `seq` within one statement is nobody's promise.
  for (const operation of operations) {
    const row = await access.tx
      .insertInto("operations")
      .values({ id: newUuid(), project_id: access.project_id, status: "scheduling", ...operation })
      .returningAll()
      .executeTakeFirstOrThrow();
    inserted.push(toOperation(row));
  }
  return inserted;
}

/**
 * For a change of the whole project: throws 423 while it has open operations, and holds the project's row, so
 * that no other change begins meanwhile.
 */
export async function refuseWhileOperating(access: ProjectAccess): Promise<void> {
  await lockProject(access);
  await refuseWhileOpen(access, undefined);
}

/** Holds the project's row: to be called ahead of what holds branches of it, which share it. */
export async function lockProject(access: ProjectAccess): Promise<void> {
  await findProject(access).forUpdate().executeTakeFirstOrThrow(noProject);
}

/**
 * For a change of one branch, its compute, roles or databases: throws 404 where there is none and 423 while
 * operations on it are open, and holds its row. Other branches of the project go on meanwhile.
 */
export async function holdBranch(access: ProjectAccess, branch_id: string): Promise<void> {
  await shareProject(access);
  await findBranch(access, branch_id).forUpdate().executeTakeFirstOrThrow(noBranch);
  await refuseWhileOpen(access, branch_id);
  if (await isComing(access, branch_id)) throw new ApiError("locked");
}

/** Whether a restore under way is to keep its branch's former data under this one, which has no operation of its own. */
async function isComing({ tx, project_id }: ProjectAccess, branch_id: string): Promise<boolean> {
  const restore = await tx
    .selectFrom("branches")
    .select("id")
    .where("project_id", "=", project_id)
    .where(sql`reset ->> 'backup_id'`, "=", branch_id)
    .executeTakeFirst();
  return restore !== undefined;
}

/**
 * For making something from a branch: it must be whole, and must not be deleted or restored before the change
 * is committed. Several may do so at once.
 */
export async function shareBranch(access: ProjectAccess, branch_id: string): Promise<void> {
  await shareProject(access);
  const branch = await findBranch(access, branch_id).forShare().executeTakeFirstOrThrow(noBranch);
  if (branch.current_state !== "ready") throw new ApiError("locked");
}

const noBranch = () => new ApiError("not_found", "branch not found");

function findBranch({ tx, project_id }: ProjectAccess, branch_id: string) {
  return tx
    .selectFrom("branches")
    .select(["id", "current_state"])
    .where("project_id", "=", project_id)
    .where("id", "=", branch_id)
    .where("deleted_at", "is", null);
}

/** A deletion of the project either comes first, and this throws, or sees what is done after this. */
async function shareProject(access: ProjectAccess): Promise<void> {
  await findProject(access).forShare().executeTakeFirstOrThrow(noProject);
}

const noProject = () => new ApiError("not_found", "project not found");

function findProject({ tx, project_id }: ProjectAccess) {
  return tx.selectFrom("projects").select("id").where("id", "=", project_id).where("deleted_at", "is", null);
}

/** Whoever is answered 423 tries again soon; what waits for a lost node is not over soon. */
async function refuseWhileOpen({ tx, project_id }: ProjectAccess, branch_id: string | undefined): Promise<void> {
  const query = tx
    .selectFrom("operations")
    .select("branch_id")
    .where("project_id", "=", project_id)
    .where("status", "in", ["scheduling", "running"])
    .limit(1);
  const open = await (branch_id === undefined ? query : query.where("branch_id", "=", branch_id)).executeTakeFirst();
  if (!open) return;
  const since = open.branch_id === null ? undefined : await findLostSince(tx, open.branch_id);
  throw since === undefined ? new ApiError("locked") : new ApiError("unavailable", lostMessage(since));
}

/**
 * Records that a branch's roles or databases are changed, and the work of telling its compute. To be called ahead of the
 * change: each row carries the revision that it was changed with, and nothing but such rows is told.
 */
export async function recordContentChange(access: ProjectAccess, branch_id: string): Promise<Operation[]> {
  await access.tx
    .updateTable("branches")
    .set((eb) => ({ content_revision: eb("content_revision", "+", 1) }))
    .where("id", "=", branch_id)
    .execute();
  const endpoint = await access.tx
    .selectFrom("endpoints")
    .select("id")
    .where("branch_id", "=", branch_id)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  const of = endpoint ? { branch_id, endpoint_id: endpoint.id } : { branch_id };
  return await insertOperations(access, [{ action: "apply_config", ...of }]);
}

/** For a row of a role or database that is being changed. */
export function contentRevisionOf(branch_id: string) {
  return sql<number>`(select content_revision from branches where id = ${branch_id})`;
}

/** Operations, with whether the node that is to carry them out is lost. */
function operationsOf({ tx, project_id }: ProjectAccess) {
  return tx
    .selectFrom("operations as o")
    .leftJoin("branches as b", "b.id", "o.branch_id")
    .leftJoin("data_nodes as d", "d.id", "b.node_id")
    .selectAll("o")
    .select(LOST_SINCE.as("lost_since"))
    .where("o.project_id", "=", project_id);
}

/** A page, newest first. There is a cursor even on the last full page, as at Neon: the end is the empty page. */
export async function listOperations(access: ProjectAccess, page: { limit: number; cursor?: string | undefined }) {
  let query = operationsOf(access).orderBy("seq", "desc").limit(page.limit);
  if (page.cursor !== undefined) {
    const [seq] = parseCursor(page.cursor, 1);
    query = query.where(sql<boolean>`seq < ${seq}::bigint`);
  }
  const rows = await query.execute();
  const last = rows.at(-1);
  return {
    operations: rows.map(toOperation),
    ...(last ? { pagination: { cursor: encodeCursor([String(last.seq)]) } } : {}),
  };
}

export async function getOperation(access: ProjectAccess, operation_id: string): Promise<Operation> {
  const row = await operationsOf(access).where("o.id", "=", operation_id).executeTakeFirst();
  if (!row) throw new ApiError("not_found", "operation not found");
  return toOperation(row);
}

/**
 * Records that an operation is to be given up, which a job does. Only a copy is worth it: all else is done in a moment, and
 * half of it would be worse than none. What has ended by now is told as it is.
 */
export async function cancelOperation(access: ProjectAccess, operation_id: string): Promise<Operation> {
  await getOperation(access, operation_id);
  const { numUpdatedRows } = await access.tx
    .updateTable("operations")
    .set({ cancel_requested_at: sql<string>`now()`, retry_at: null })
    .where("project_id", "=", access.project_id)
    .where("id", "=", operation_id)
    .where("status", "in", ["scheduling", "running"])
    .where("action", "=", "create_timeline")
    .where("branch_id", "in", (copied) =>
      copied
        .selectFrom("branches")
        .select("id")
        .where((eb) => eb.or([eb("reset", "is not", null), eb("parent_id", "is not", null)])),
    )
    .executeTakeFirstOrThrow();
  const operation = await getOperation(access, operation_id);
  if (numUpdatedRows === 1n || (operation.status !== "scheduling" && operation.status !== "running")) return operation;
  throw new ApiError("unprocessable", "only the copying of a branch can be cancelled; wait for this operation");
}
