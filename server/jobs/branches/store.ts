import { sql } from "kysely";
import { isNeeded } from "../../branches/store.ts";
import type { BranchOrigin } from "../../compute/driver.ts";
import type { Tx } from "../../db/pool.ts";
import type { BranchReset } from "../../db/schema.ts";

/** SQL about branches, for jobs alone (see `jobs/store.ts`). */

export interface BranchRow {
  readonly id: string;
  readonly project_id: string;
  readonly storage_id: string;
  readonly parent_id: string | null;
  readonly current_state: "init" | "resetting" | "ready";
  readonly reset: BranchReset | null;
  readonly pg_version: number;
  readonly schema_of: string | null;
}

export async function getBranchForJob(tx: Tx, branch_id: string): Promise<BranchRow> {
  return await tx
    .selectFrom("branches as b")
    .innerJoin("projects as p", "p.id", "b.project_id")
    .select(["b.id", "b.project_id", "b.storage_id", "b.parent_id", "b.current_state", "b.reset", "p.pg_version"])
    .select("b.schema_of")
    .where("b.id", "=", branch_id)
    .executeTakeFirstOrThrow();
}

/** Records that a branch's data is there, and where it comes from. */
export async function markBranchReadyForJob(tx: Tx, branch_id: string, origin?: BranchOrigin): Promise<void> {
  await tx
    .updateTable("branches")
    .set({
      ...(origin === undefined ? {} : provenance(origin)),
      current_state: "ready",
      schema_of: null,
      state_changed_at: sql<string>`now()`,
      updated_at: sql<string>`now()`,
    })
    .where("id", "=", branch_id)
    .where("current_state", "<>", "ready")
    .execute();
}

/**
 * Where the parent's roles were changed after the request and before their copy, a new branch's data may have other
 * passwords than its rows, which its people were told: its compute is to be told those once more.
 */
export async function repeatPasswordsForJob(tx: Tx, branch_id: string): Promise<void> {
  const { rows } = await sql<{ revision: number }>`
    update branches as b set content_revision = b.content_revision + 1 from branches as parent
    where b.id = ${branch_id} and parent.id = b.parent_id and parent.content_revision > b.content_revision
    returning b.content_revision as revision`.execute(tx);
  const [told] = rows;
  if (told === undefined) return;
  await tx
    .updateTable("roles")
    .set({ revision: told.revision })
    .where("branch_id", "=", branch_id)
    .where("password", "is not", null)
    .where("deleted_at", "is", null)
    .execute();
}

export function provenance({ lsn, at, method, copied_bytes }: BranchOrigin) {
  return { parent_lsn: lsn, parent_timestamp: at, copy_method: method, copied_bytes };
}

/** Gives up a branch whose data never was: it is deleted, and its job removes what it stood for. */
export async function abandonBranchForJob(tx: Tx, branch_id: string): Promise<void> {
  const now = { deleted_at: sql<string>`now()` };
  const { numUpdatedRows } = await tx
    .updateTable("branches")
    .set(now)
    .where("id", "=", branch_id)
    // Whoever has taken the work over since may have done it.
    .where("current_state", "=", "init")
    .where("deleted_at", "is", null)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows === 0n) return;
  await tx
    .updateTable("endpoints")
    .set(now)
    .where("branch_id", "=", branch_id)
    .where("deleted_at", "is", null)
    .execute();
}

/** The branches of this node whose time has come, and that nothing keeps: see `branches/rules.ts`. */
export async function listExpiredBranchesForJob(
  tx: Tx,
  node_id: string,
): Promise<{ id: string; project_id: string }[]> {
  return await tx
    .selectFrom("branches as b")
    .innerJoin("projects as p", "p.id", "b.project_id")
    .select(["b.id", "b.project_id"])
    .where("b.node_id", "=", node_id)
    .where("b.expires_at", "<=", sql<string>`now()`)
    .where("b.deleted_at", "is", null)
    .where("p.deleted_at", "is", null)
    .where("b.is_default", "=", false)
    .where("b.protected", "=", false)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom("branches as c")
            .select("c.id")
            .whereRef("c.parent_id", "=", "b.id")
            .where("c.deleted_at", "is", null),
        ),
      ),
    )
    .orderBy("b.expires_at")
    .execute();
}

/** Deletes an expired branch unless something keeps it, or works on it, by now; false where it was left. */
export async function expireBranchForJob(tx: Tx, branch_id: string, operation_id: string): Promise<boolean> {
  const held = await tx
    .selectFrom("branches as b")
    .select(["b.id", "b.project_id"])
    .where("b.id", "=", branch_id)
    .where("b.deleted_at", "is", null)
    .where("b.is_default", "=", false)
    .where("b.protected", "=", false)
    .where("b.expires_at", "<=", sql<string>`now()`)
    .forUpdate()
    .executeTakeFirst();
  if (!held) return false;
  const child = await tx
    .selectFrom("branches")
    .select("id")
    .where("parent_id", "=", branch_id)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  const open = await tx
    .selectFrom("operations")
    .select("id")
    .where("branch_id", "=", branch_id)
    .where("status", "in", ["scheduling", "running"])
    .executeTakeFirst();
  if (child || open || (await isNeeded(tx, branch_id))) return false;
  const now = { deleted_at: sql<string>`now()` };
  await tx.updateTable("branches").set(now).where("id", "=", branch_id).execute();
  await tx.updateTable("endpoints").set(now).where("branch_id", "=", branch_id).execute();
  await tx
    .insertInto("operations")
    .values({
      id: operation_id,
      project_id: held.project_id,
      branch_id,
      action: "delete_timeline",
      status: "scheduling",
    })
    .execute();
  return true;
}

export interface DoomedBranch {
  readonly id: string;
  readonly project_id: string;
  readonly storage_id: string;
}

/** The branches on this node that stand for nothing any more, where no recorded work sees to them. */
export async function listDoomedBranchesForJob(tx: Tx, node_id: string): Promise<DoomedBranch[]> {
  return await tx
    .selectFrom("branches as b")
    .innerJoin("projects as p", "p.id", "b.project_id")
    .select(["b.id", "b.project_id", "b.storage_id"])
    .where("b.node_id", "=", node_id)
    .where((eb) =>
      eb.or([
        eb("p.removed_at", "is not", null),
        eb.and([
          eb("b.deleted_at", "is not", null),
          eb.not(
            eb.exists(
              eb
                .selectFrom("operations as o")
                .select("o.id")
                .whereRef("o.branch_id", "=", "b.id")
                .where("o.status", "in", ["scheduling", "running"]),
            ),
          ),
        ]),
      ]),
    )
    .orderBy("b.deleted_at")
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

/** Ends the time in which deleted projects can be recovered, where it is over. */
export async function endRecoveryForJob(tx: Tx, days: number): Promise<void> {
  await tx
    .updateTable("projects")
    .set({ removed_at: sql<string>`now()` })
    .where("removed_at", "is", null)
    .where("deleted_at", "<", sql<string>`now() - make_interval(days => ${days})`)
    .execute();
}

/** Removes projects that have no branch left, on whatever node; keys and operations go with them. */
export async function deleteEmptyProjectsForJob(tx: Tx): Promise<void> {
  await tx
    .deleteFrom("projects as p")
    .where("p.removed_at", "is not", null)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom("branches as b").select("b.id").whereRef("b.project_id", "=", "p.id"))),
    )
    .execute();
}

/** Which of these no branch has for its data or is about to have, on whatever node. */
export async function findUnknownStorageForJob(tx: Tx, storage_ids: readonly string[]): Promise<Set<string>> {
  const ids = orNone(storage_ids);
  const rows = await tx
    .selectFrom("branches")
    .select(["storage_id", sql<string | null>`reset ->> 'storage_id'`.as("coming_id")])
    .where((eb) => eb.or([eb("storage_id", "in", ids), eb(sql<string>`reset ->> 'storage_id'`, "in", ids)]))
    .execute();
  return without(
    storage_ids,
    rows.flatMap(({ storage_id, coming_id }) => [storage_id, coming_id ?? storage_id]),
  );
}

/** The branch that has this for its data, or is about to have it. */
export async function findBranchOfStorageForJob(tx: Tx, storage_id: string): Promise<string | undefined> {
  const found = await tx
    .selectFrom("branches")
    .select("id")
    .where((eb) => eb.or([eb("storage_id", "=", storage_id), eb(sql`reset ->> 'storage_id'`, "=", storage_id)]))
    .executeTakeFirst();
  return found?.id;
}

/** Which of these endpoints no row knows, on whatever node. */
export async function findUnknownEndpointsForJob(tx: Tx, endpoint_ids: readonly string[]): Promise<Set<string>> {
  const rows = await tx.selectFrom("endpoints").select("id").where("id", "in", orNone(endpoint_ids)).execute();
  return without(
    endpoint_ids,
    rows.map(({ id }) => id),
  );
}

function without(ids: readonly string[], known: readonly string[]): Set<string> {
  return new Set(ids).difference(new Set(known));
}

/** `in ()` is no SQL. */
const orNone = (ids: readonly string[]): readonly string[] => (ids.length === 0 ? [""] : ids);
export interface ReadableBranch {
  readonly id: string;
  readonly storage_id: string;
  readonly admin_password: Buffer;
  readonly admin_password_of: string;
  readonly content_revision: number;
  readonly applied_revision: number;
  readonly current_state: "init" | "resetting" | "ready";
  readonly endpoint_id: string | null;
}

/** What is needed to read the data of a branch of this node; while it is `init`, whoever makes that knows what is there. */
export async function findReadableBranchForJob(tx: Tx, node_id: string, branch_id: string) {
  return (await tx
    .selectFrom("branches as b")
    .leftJoin("endpoints as e", (join) => join.onRef("e.branch_id", "=", "b.id").on("e.deleted_at", "is", null))
    .select(["b.id", "b.storage_id", "b.admin_password", "b.admin_password_of", "b.content_revision"])
    .select(["b.applied_revision", "b.current_state", "e.id as endpoint_id"])
    .where("b.id", "=", branch_id)
    .where("b.node_id", "=", node_id)
    .executeTakeFirst()) satisfies ReadableBranch | undefined;
}
