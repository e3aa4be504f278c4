import { sql } from "kysely";
import type { PresentContent, PresentDatabase, PresentRole } from "../../../compute/driver.ts";
import type { Tx } from "../../../db/pool.ts";

/** SQL about what is inside of computes, for jobs alone (see `jobs/store.ts`). */

export interface ContentRole {
  readonly name: string;
  /** Sealed. */
  readonly password: Buffer | null;
  readonly verifier: string | null;
  readonly can_login: boolean;
  readonly oid: number | null;
  readonly revision: number;
  readonly created_at: string;
  readonly deleted_at: string | null;
}

export interface ContentDatabase {
  readonly id: number;
  readonly name: string;
  readonly owner_name: string;
  readonly former_name: string | null;
  readonly oid: number | null;
  readonly revision: number;
  readonly deleted_at: string | null;
}

export interface ContentRows {
  readonly roles: readonly ContentRole[];
  readonly databases: readonly ContentDatabase[];
}

/** What ought to be inside a branch's compute, the revisions read first: what changes later has a higher one. */
export interface Content extends ContentRows {
  readonly content_revision: number;
  readonly applied_revision: number;
  readonly foreign_passwords: boolean;
}

export async function getContentForJob(tx: Tx, branch_id: string): Promise<Content> {
  const revisions = await tx
    .selectFrom("branches")
    .select(["content_revision", "applied_revision", "foreign_passwords"])
    .where("id", "=", branch_id)
    .executeTakeFirstOrThrow();
  return { ...revisions, ...(await listContent(tx, branch_id)) };
}

async function listContent(tx: Tx, branch_id: string): Promise<ContentRows> {
  const roles = await tx
    .selectFrom("roles")
    .select(["name", "password", "verifier", "can_login", "oid", "revision", "created_at", "deleted_at"])
    .where("branch_id", "=", branch_id)
    .execute();
  const databases = await tx
    .selectFrom("databases")
    .select(["id", "name", "owner_name", "former_name", "oid", "revision", "deleted_at"])
    .where("branch_id", "=", branch_id)
    .execute();
  return { roles, databases };
}

/** Keeps the verifier of a role that was made before verifiers were kept. */
export async function updateVerifierForJob(tx: Tx, branch_id: string, name: string, verifier: string): Promise<void> {
  await tx
    .updateTable("roles")
    .set({ verifier })
    .where("branch_id", "=", branch_id)
    .where("name", "=", name)
    .where("verifier", "is", null)
    .where("password", "is not", null)
    .execute();
}

/** What an observation of a compute is compared with: read before the compute is. */
export interface Observable {
  readonly storage_id: string;
  readonly applied_revision: number;
  readonly observed_digest: string | null;
}

/** Undefined when the branch has gone, or is not on this node. */
export async function findObservableForJob(
  tx: Tx,
  node_id: string,
  branch_id: string,
): Promise<Observable | undefined> {
  return await tx
    .selectFrom("branches")
    .select(["storage_id", "applied_revision", "observed_digest"])
    .where("id", "=", branch_id)
    .where("node_id", "=", node_id)
    .executeTakeFirst();
}

/**
 * Holds a branch, and reads its rows: no change by the API comes in between. Undefined when its data is another by now, or
 * has been told of a change: a look from before that is worth nothing.
 */
export async function holdContentForJob(
  tx: Tx,
  branch_id: string,
  { storage_id, applied_revision }: Observable,
): Promise<ContentRows | undefined> {
  const branch = await tx
    .selectFrom("branches")
    .select("id")
    .where("id", "=", branch_id)
    .where("storage_id", "=", storage_id)
    .where("applied_revision", "=", applied_revision)
    .forUpdate()
    .executeTakeFirst();
  return branch && (await listContent(tx, branch_id));
}

export interface FollowedRole {
  readonly row: ContentRole;
  readonly present: PresentRole;
  /** Sealed for the name that it has now; null: not known. */
  readonly password: Buffer | null;
}

/** What is different in a compute from what the rows say. */
export interface Followed {
  readonly gone: ContentRows;
  readonly made: Pick<PresentContent, "roles" | "databases">;
  readonly roles: readonly FollowedRole[];
  readonly databases: readonly (readonly [ContentDatabase, PresentDatabase])[];
}

/** Makes the rows say what a compute was seen to have. To be called with the branch held. */
export async function followContentForJob(tx: Tx, branch_id: string, followed: Followed): Promise<void> {
  const { gone, made, roles, databases } = followed;
  const ofBranch = () => tx.deleteFrom("roles").where("branch_id", "=", branch_id);
  const moved = roles.filter(({ row, present }) => row.name !== present.name);
  for (const { name } of [...gone.roles, ...moved.map(({ row }) => row)]) {
    await ofBranch().where("name", "=", name).execute();
  }
  for (const { row, present, password } of roles) {
    const { name, login, verifier } = present;
    const told = row.name !== name || row.can_login !== login || row.verifier !== verifier;
    const values = { ...roleValues(present), password, ...(told ? NOW : {}) };
    await tx
      .insertInto("roles")
      .values({ branch_id, created_at: row.created_at, ...values })
      .onConflict((conflict) => conflict.columns(["branch_id", "name"]).doUpdateSet(values))
      .execute();
  }
  const new_roles = made.roles.map((role) => ({ branch_id, password: null, ...roleValues(role) }));
  if (new_roles.length > 0) await tx.insertInto("roles").values(new_roles).execute();

  for (const { id } of gone.databases) await tx.deleteFrom("databases").where("id", "=", id).execute();
  const update = ({ id }: ContentDatabase) => tx.updateTable("databases").where("id", "=", id);
  // Two may have changed names with one another: for a moment all have one that no database can have.
  for (const [row] of databases) {
    await update(row)
      .set({ name: " ".repeat(64) + row.id })
      .execute();
  }
  for (const [row, present] of databases) {
    const told = row.name !== present.name || row.owner_name !== present.owner;
    await update(row)
      .set({ ...databaseValues(present), ...(told ? NOW : {}) })
      .execute();
  }
  const new_databases = made.databases.map((database) => ({ branch_id, ...databaseValues(database) }));
  if (new_databases.length > 0) await tx.insertInto("databases").values(new_databases).execute();
}

/** Where something is different now that people are told; what we know a thing by is not. */
const NOW = { updated_at: sql<string>`now()` };
const roleValues = ({ oid, name, login: can_login, verifier }: PresentRole) => ({ oid, name, can_login, verifier });
const databaseValues = ({ oid, name, owner: owner_name }: PresentDatabase) => ({ oid, name, owner_name });

/** Keeps by what clients are let in while the compute sleeps, and of which observation all of it is. */
export async function markContentObservedForJob(
  tx: Tx,
  branch_id: string,
  storage_id: string,
  verifiers: ReadonlyMap<string, string>,
  observed_digest: string,
): Promise<void> {
  await tx.deleteFrom("observed_verifiers").where("branch_id", "=", branch_id).execute();
  const rows = [...verifiers].map(([role_name, verifier]) => ({ branch_id, storage_id, role_name, verifier }));
  if (rows.length > 0) await tx.insertInto("observed_verifiers").values(rows).execute();
  await tx.updateTable("branches").set({ observed_digest }).where("id", "=", branch_id).execute();
}

/** Records that a compute has this content: what was to go has gone, what was renamed has its name. */
export async function markContentAppliedForJob(tx: Tx, branch_id: string, content: Content): Promise<void> {
  const { content_revision: revision, roles, databases } = content;
  for (const { id, name, former_name, deleted_at } of databases) {
    if (deleted_at !== null) {
      await tx.deleteFrom("databases").where("id", "=", id).where("deleted_at", "is not", null).execute();
    } else if (former_name !== null) {
      await tx
        .updateTable("databases")
        // Renamed once more in the meantime: what it is called there now is what it was called here then.
        .set({ former_name: sql<string | null>`nullif(${name}, name)` })
        .where("id", "=", id)
        .where("former_name", "=", former_name)
        .execute();
    }
  }
  const gone = roles.filter(({ deleted_at }) => deleted_at !== null).map(({ name }) => name);
  if (gone.length > 0) {
    await tx
      .deleteFrom("roles")
      .where("branch_id", "=", branch_id)
      .where("name", "in", gone)
      .where("deleted_at", "is not", null)
      .execute();
  }
  await markRevisionApplied(tx, branch_id, revision);
}

/** Records that PostgreSQL refuses what a compute was to be told: that is given up, and a look at it tells what is there. */
export async function giveUpContentForJob(tx: Tx, branch_id: string, content: Content): Promise<void> {
  const { content_revision: revision, applied_revision } = content;
  const given_up = { deleted_at: null };
  await tx
    .updateTable("roles")
    .set(given_up)
    .where("branch_id", "=", branch_id)
    .where("revision", ">", applied_revision)
    .where("revision", "<=", revision)
    .execute();
  await tx
    .updateTable("databases")
    .set({ ...given_up, former_name: null })
    .where("branch_id", "=", branch_id)
    .where("revision", ">", applied_revision)
    .where("revision", "<=", revision)
    .execute();
  await markRevisionApplied(tx, branch_id, revision);
}

async function markRevisionApplied(tx: Tx, branch_id: string, revision: number): Promise<void> {
  await tx
    .updateTable("branches")
    .set({ applied_revision: revision, foreign_passwords: false })
    .where("id", "=", branch_id)
    .where("applied_revision", "<", revision)
    .execute();
}
