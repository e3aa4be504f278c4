import type { Operation, OperationAction } from "@latchkey/contract/operations.ts";
import { type Selectable, sql } from "kysely";
import type { ProjectAccess } from "../access/handles.ts";
import { encodeCursor, parseCursor } from "../cursor.ts";
import type { OperationTable } from "../db/schema.ts";
import { ApiError } from "../errors.ts";
import { newUuid } from "../ids.ts";

/**
 * The resource operations: slow work on a project that a route has recorded and a job carries out. Here they
 * are recorded and read; `jobs/` works on them.
 */

function toOperation(row: Selectable<OperationTable>): Operation {
  return {
    id: row.id,
    project_id: row.project_id,
    ...(row.branch_id === null ? {} : { branch_id: row.branch_id }),
    ...(row.endpoint_id === null ? {} : { endpoint_id: row.endpoint_id }),
    action: row.action,
    status: row.status,
    ...(row.error === null ? {} : { error: row.error }),
    failures_count: row.failures_count,
    ...(row.retry_at === null ? {} : { retry_at: row.retry_at }),
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

/** Records work; it is carried out in the order given, after the transaction has committed. */
export async function insertOperations(access: ProjectAccess, operations: readonly NewOperation[]) {
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
 * For a change that work in progress would get in the way of: throws 423 while the project has open
 * operations, and holds the project's row, so that no two such changes start at the same time.
 */
export async function refuseWhileOperating(access: ProjectAccess): Promise<void> {
  const { tx, project_id } = access;
  const project = await tx
    .selectFrom("projects")
    .select("id")
    .where("id", "=", project_id)
    .where("deleted_at", "is", null)
    .forUpdate()
    .executeTakeFirst();
  if (!project) throw new ApiError("not_found", "project not found");
  const open = await tx
    .selectFrom("operations")
    .select("id")
    .where("project_id", "=", project_id)
    .where("status", "in", ["scheduling", "running"])
    .limit(1)
    .executeTakeFirst();
  if (open) throw new ApiError("locked");
}

/** A page, newest first. There is a cursor even on the last full page, as at Neon: the end is the empty page. */
export async function listOperations(access: ProjectAccess, page: { limit: number; cursor?: string | undefined }) {
  let query = access.tx
    .selectFrom("operations")
    .selectAll()
    .where("project_id", "=", access.project_id)
    .orderBy("seq", "desc")
    .limit(page.limit);
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
  const row = await access.tx
    .selectFrom("operations")
    .selectAll()
    .where("project_id", "=", access.project_id)
    .where("id", "=", operation_id)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "operation not found");
  return toOperation(row);
}
