import type { Database } from "@latchkey/contract/databases.ts";
import { sql } from "kysely";
import type { ProjectAccess } from "../access/handles.ts";
import { ApiError } from "../errors.ts";
import { contentRevisionOf } from "../operations/store.ts";
import type { CopiedAs } from "../roles/store.ts";

/** The resource databases: the databases of a branch, whoever made them. */

const COLUMNS = ["id", "branch_id", "name", "owner_name", "created_at", "updated_at"] as const;
const OF_D = ["d.id", "d.branch_id", "d.name", "d.owner_name", "d.created_at", "d.updated_at"] as const;
const TAKEN = "the branch has a database of this name; choose another one";

export interface NewDatabase {
  readonly branch_id: string;
  readonly name: string;
  readonly owner_name: string;
}

/** Inserts a database; 409 when the name is taken, 422 when there is no such owner. */
export async function insertDatabase(access: ProjectAccess, database: NewDatabase): Promise<Database> {
  const { branch_id, name, owner_name } = database;
  await checkOwner(access, branch_id, owner_name);
  await refuseFormerName(access, branch_id, name);
  const revision = contentRevisionOf(branch_id);
  const row = await access.tx
    .insertInto("databases")
    .values({ ...database, revision })
    .onConflict((conflict) =>
      // A deletion that failed has left the row: this wish is the newer one.
      conflict
        .columns(["branch_id", "name"])
        .doUpdateSet({
          ...{ owner_name, revision, oid: null, former_name: null, deleted_at: null },
          created_at: sql<string>`now()`,
          updated_at: sql<string>`now()`,
        })
        .where("databases.deleted_at", "is not", null),
    )
    .returning(COLUMNS)
    .executeTakeFirst();
  if (!row) throw new ApiError("conflict", TAKEN);
  return row;
}

async function checkOwner({ tx }: ProjectAccess, branch_id: string, name: string): Promise<void> {
  const owner = await tx
    .selectFrom("roles")
    .select("name")
    .where("branch_id", "=", branch_id)
    .where("name", "=", name)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  if (!owner) throw new ApiError("unprocessable", 'the branch has no role of the name that "owner_name" gives');
}

/** A name that a renamed database still has in the compute means that one until the renaming is carried out. */
async function refuseFormerName({ tx }: ProjectAccess, branch_id: string, name: string): Promise<void> {
  const query = tx.selectFrom("databases").select("id").where("branch_id", "=", branch_id);
  if (await query.where("former_name", "=", name).executeTakeFirst()) throw new ApiError("conflict", TAKEN);
}

/** The databases of a branch, oldest first; throws when the project has no such branch. */
export async function listDatabases(access: ProjectAccess, branch_id: string): Promise<Database[]> {
  const rows = await access.tx
    .selectFrom("branches as b")
    .leftJoin("databases as d", (join) => join.onRef("d.branch_id", "=", "b.id").on("d.deleted_at", "is", null))
    .select(OF_D)
    .where("b.project_id", "=", access.project_id)
    .where("b.id", "=", branch_id)
    .where("b.deleted_at", "is", null)
    .orderBy("d.id")
    .execute();
  if (rows.length === 0) throw new ApiError("not_found", "branch not found");
  return rows.filter((row): row is Database => row.id !== null);
}

export async function getDatabase(access: ProjectAccess, branch_id: string, name: string): Promise<Database> {
  const row = await access.tx
    .selectFrom("databases as d")
    .innerJoin("branches as b", "b.id", "d.branch_id")
    .select(OF_D)
    .where("b.project_id", "=", access.project_id)
    .where("b.deleted_at", "is", null)
    .where("d.branch_id", "=", branch_id)
    .where("d.name", "=", name)
    .where("d.deleted_at", "is", null)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "database not found");
  return row;
}

/** Renames a database or gives it another owner: 409 when the name is taken, 422 when there is no such owner. */
export async function updateDatabase(
  access: ProjectAccess,
  database: Database,
  { name, owner_name }: { readonly name?: string | undefined; readonly owner_name?: string | undefined },
): Promise<Database> {
  const { tx } = access;
  const { id, branch_id } = database;
  if (owner_name !== undefined) await checkOwner(access, branch_id, owner_name);
  if (name !== undefined && name !== database.name) {
    const others = tx.selectFrom("databases").select("id").where("branch_id", "=", branch_id).where("id", "<>", id);
    const taken = others.where((eb) => eb.or([eb("name", "=", name), eb("former_name", "=", name)]));
    if (await taken.executeTakeFirst()) throw new ApiError("conflict", TAKEN);
  }
  return await tx
    .updateTable("databases")
    .set({
      ...(owner_name === undefined ? {} : { owner_name }),
      // Renamed back before the first renaming reached the compute, it has its name there already.
      ...(name === undefined
        ? {}
        : { name, former_name: sql<string | null>`nullif(coalesce(former_name, name), ${name})` }),
      revision: contentRevisionOf(branch_id),
      updated_at: sql<string>`now()`,
    })
    .where("id", "=", id)
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
}

/** From here on nobody finds the database; the row goes when the compute has dropped it. */
export async function markDatabaseDeleted(access: ProjectAccess, { id, branch_id }: Database): Promise<void> {
  await access.tx
    .updateTable("databases")
    .set({ deleted_at: sql<string>`now()`, revision: contentRevisionOf(branch_id) })
    .where("id", "=", id)
    .execute();
}

/** Copies the databases of a branch to one that has the same roles and no database. */
export async function copyDatabases(
  access: ProjectAccess,
  from_id: string,
  to_id: string,
  as: CopiedAs,
): Promise<Database[]> {
  const rows = await access.tx
    .selectFrom("databases")
    .select(["name", "owner_name", "former_name", "oid", "revision", "created_at", "deleted_at"])
    .where("branch_id", "=", from_id)
    .orderBy("id")
    .execute();
  const copies: Database[] = [];
  for (const { oid, ...row } of rows) {
    const copy = { ...row, branch_id: to_id, oid: as === "same_data" ? oid : null };
    const made = await access.tx.insertInto("databases").values(copy).returning(COLUMNS).executeTakeFirstOrThrow();
    if (row.deleted_at === null) copies.push(made);
  }
  return copies;
}
