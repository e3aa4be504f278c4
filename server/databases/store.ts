import type { Database } from "@latchkey/contract/databases.ts";
import type { ProjectAccess } from "../access/handles.ts";
import { ApiError } from "../errors.ts";

/** The resource databases: the databases of a branch that the API made. A row is its wire form. */

export interface NewDatabase {
  readonly branch_id: string;
  readonly name: string;
  readonly owner_name: string;
}

export async function insertDatabase(access: ProjectAccess, database: NewDatabase): Promise<Database> {
  return await access.tx.insertInto("databases").values(database).returningAll().executeTakeFirstOrThrow();
}

/** The databases of a branch, oldest first; throws when the project has no such branch. */
export async function listDatabases(access: ProjectAccess, branch_id: string): Promise<Database[]> {
  const rows = await access.tx
    .selectFrom("branches as b")
    .leftJoin("databases as d", "d.branch_id", "b.id")
    .selectAll("d")
    .where("b.project_id", "=", access.project_id)
    .where("b.id", "=", branch_id)
    .orderBy("d.id")
    .execute();
  if (rows.length === 0) throw new ApiError("not_found", "branch not found");
  return rows.filter((row): row is Database => row.id !== null);
}

export async function getDatabase(access: ProjectAccess, branch_id: string, name: string): Promise<Database> {
  const row = await access.tx
    .selectFrom("databases as d")
    .innerJoin("branches as b", "b.id", "d.branch_id")
    .selectAll("d")
    .where("b.project_id", "=", access.project_id)
    .where("d.branch_id", "=", branch_id)
    .where("d.name", "=", name)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "database not found");
  return row;
}
