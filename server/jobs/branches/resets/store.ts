import { sql } from "kysely";
import type { BranchOrigin } from "../../../compute/driver.ts";
import type { Tx } from "../../../db/pool.ts";
import type { BranchReset } from "../../../db/schema.ts";
import { type BranchRow, markBranchReadyForJob, provenance } from "../store.ts";

/** SQL about branches that get other data than they had, for jobs alone (see `jobs/store.ts`). */

/** What SQL cannot do with the passwords of roles. */
export interface RolePasswords {
  /** Seals one for the row of another branch. */
  reseal(password: Buffer, from_branch_id: string, to_branch_id: string, name: string): Buffer;
  /** Makes another one, sealed for its row. */
  renew(branch_id: string, name: string): Promise<Credentials>;
}

export interface Credentials {
  readonly password: Buffer | null;
  readonly verifier: string | null;
}

/**
 * Gives a branch the data that its reset has made, and the roles and databases that belong to it. What it had
 * before goes to the backup, children included, where there is one.
 */
export async function finishResetForJob(
  tx: Tx,
  branch: BranchRow,
  reset: BranchReset,
  origin: BranchOrigin,
  passwords: RolePasswords,
) {
  const { id, storage_id } = branch;
  const { backup_id, source_id } = reset;
  if (backup_id !== null) {
    await replaceContent(tx, id, backup_id, passwords);
    await copyStateOfData(tx, id, backup_id);
    await tx
      .updateTable("branches")
      .set({ parent_id: backup_id })
      .where("parent_id", "=", id)
      .where("id", "<>", backup_id)
      .execute();
  }
  // A row of the new data first: no two branches may name the same data, not even within this transaction.
  await tx
    .updateTable("branches")
    .set({
      ...provenance(origin),
      storage_id: reset.storage_id,
      reset: null,
      current_state: "ready",
      state_changed_at: sql<string>`now()`,
      last_reset_at: sql<string>`now()`,
      updated_at: sql<string>`now()`,
      logical_size: null,
      quota_exceeded: null,
    })
    .where("id", "=", id)
    .execute();
  if (backup_id !== null) {
    // Its log goes on where it was counted last.
    await sql`update branches set (storage_id, metered_storage_id, metered_lsn, storage_bytes) =
      (select ${storage_id}::text, metered_storage_id, metered_lsn, storage_bytes from branches where id = ${id})
      where id = ${backup_id}`.execute(tx);
    await markBranchReadyForJob(tx, backup_id);
  }
  if (source_id === id) return;
  const former = await listLogins(tx, id);
  await replaceContent(tx, source_id, id, passwords);
  await copyStateOfData(tx, source_id, id);
  const source = await tx.selectFrom("branches").select("protected").where("id", "=", source_id).executeTakeFirst();
  if (source?.protected === true) await giveOwnPasswords(tx, id, former, passwords);
}

/** By what each role of a branch logs in, as far as anything is known of it. */
async function listLogins(tx: Tx, branch_id: string): Promise<Map<string, Credentials>> {
  const rows = await tx
    .selectFrom("roles")
    .select(["name", "password", "verifier"])
    .where("branch_id", "=", branch_id)
    .where("can_login", "=", true)
    .where("deleted_at", "is", null)
    .execute();
  return new Map(rows.map(({ name, ...credentials }) => [name, credentials]));
}

/** For a branch that has got the content of a protected one: roles that it had before log in as before, others anew. */
async function giveOwnPasswords(
  tx: Tx,
  branch_id: string,
  former: ReadonlyMap<string, Credentials>,
  passwords: RolePasswords,
): Promise<void> {
  const { content_revision: revision } = await tx
    .updateTable("branches")
    .set((eb) => ({ content_revision: eb("content_revision", "+", 1), foreign_passwords: true }))
    .where("id", "=", branch_id)
    .returning("content_revision")
    .executeTakeFirstOrThrow();
  for (const name of (await listLogins(tx, branch_id)).keys()) {
    const before = former.get(name);
    const is_known = before !== undefined && (before.password !== null || before.verifier !== null);
    const credentials = is_known ? before : await passwords.renew(branch_id, name);
    await tx
      .updateTable("roles")
      .set({ ...credentials, revision })
      .where("branch_id", "=", branch_id)
      .where("name", "=", name)
      .execute();
  }
}

/**
 * With the data of a branch come its roles and databases, what its compute has not been told of them yet, and its
 * superuser's password: that of a branch with only a schema is none of its project's other ones.
 */
async function copyStateOfData(tx: Tx, from_id: string, to_id: string): Promise<void> {
  await sql`update branches
    set (content_revision, applied_revision, foreign_passwords, admin_password, admin_password_of, observed_digest) =
      (select content_revision, applied_revision, foreign_passwords, admin_password, admin_password_of, null::text
        from branches where id = ${from_id})
    where id = ${to_id}`.execute(tx);
}

/** Gives up on a reset: the branch stays what it was, and the backup never is. */
export async function cancelResetForJob(tx: Tx, branch_id: string, { backup_id, former_parent_id }: BranchReset) {
  await tx
    .updateTable("branches")
    .set({ reset: null, parent_id: former_parent_id, current_state: "ready", state_changed_at: sql<string>`now()` })
    .where("id", "=", branch_id)
    .execute();
  if (backup_id !== null) await tx.deleteFrom("branches").where("id", "=", backup_id).execute();
}

async function replaceContent(tx: Tx, from_id: string, to_id: string, { reseal }: RolePasswords): Promise<void> {
  await tx.deleteFrom("databases").where("branch_id", "=", to_id).execute();
  await tx.deleteFrom("roles").where("branch_id", "=", to_id).execute();
  const roles = await tx.selectFrom("roles").selectAll().where("branch_id", "=", from_id).execute();
  for (const { updated_at: _, name, password, ...row } of roles) {
    const sealed = password === null ? null : reseal(password, from_id, to_id, name);
    await tx
      .insertInto("roles")
      .values({ ...row, branch_id: to_id, name, password: sealed })
      .execute();
  }
  const databases = await tx
    .selectFrom("databases")
    .selectAll()
    .where("branch_id", "=", from_id)
    .orderBy("id")
    .execute();
  for (const { id: _, updated_at: __, ...row } of databases) {
    await tx
      .insertInto("databases")
      .values({ ...row, branch_id: to_id })
      .execute();
  }
}
