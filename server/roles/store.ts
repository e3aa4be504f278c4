import type { Role } from "@latchkey/contract/roles.ts";
import type { Selectable } from "kysely";
import type { ProjectAccess } from "../access/handles.ts";
import type { RoleTable } from "../db/schema.ts";
import { ApiError } from "../errors.ts";
import type { Sealer } from "../keys/seal.ts";
import type { Secret } from "../keys/secret.ts";
import { openRolePassword, sealRolePassword } from "./password.ts";

/** The resource roles: the Postgres roles of a branch that the API made, and their passwords. */

const COLUMNS = ["branch_id", "name", "created_at", "updated_at"] as const;
type Row = Pick<Selectable<RoleTable>, (typeof COLUMNS)[number]>;

function toRole(row: Row): Role {
  return {
    branch_id: row.branch_id,
    name: row.name,
    protected: false,
    authentication_method: "password",
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

export interface NewRole {
  readonly branch_id: string;
  readonly name: string;
  readonly password: Secret;
}

/** Inserts a role and answers it with its password, as the answer that creates it does. */
export async function insertRole(access: ProjectAccess, sealer: Sealer, role: NewRole): Promise<Role> {
  const { branch_id, name, password } = role;
  const row = await access.tx
    .insertInto("roles")
    .values({ branch_id, name, password: sealRolePassword(sealer, password, branch_id, name) })
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return { ...toRole(row), password: password.reveal() };
}

/** The roles of a branch by name; throws when the project has no such branch. */
export async function listRoles(access: ProjectAccess, branch_id: string): Promise<Role[]> {
  const rows = await access.tx
    .selectFrom("branches as b")
    .leftJoin("roles as r", "r.branch_id", "b.id")
    .select(["r.branch_id", "r.name", "r.created_at", "r.updated_at"])
    .where("b.project_id", "=", access.project_id)
    .where("b.id", "=", branch_id)
    .orderBy("r.name")
    .execute();
  if (rows.length === 0) throw new ApiError("not_found", "branch not found");
  return rows.filter((row): row is Row => row.name !== null).map(toRole);
}

export async function getRole(access: ProjectAccess, branch_id: string, name: string): Promise<Role> {
  return toRole(await getRow(access, branch_id, name));
}

export async function getRolePassword(
  access: ProjectAccess,
  sealer: Sealer,
  branch_id: string,
  name: string,
): Promise<Secret> {
  const row = await getRow(access, branch_id, name);
  return openRolePassword(sealer, row.password, branch_id, name);
}

async function getRow(access: ProjectAccess, branch_id: string, name: string): Promise<Selectable<RoleTable>> {
  const row = await access.tx
    .selectFrom("roles as r")
    .innerJoin("branches as b", "b.id", "r.branch_id")
    .selectAll("r")
    .where("b.project_id", "=", access.project_id)
    .where("r.branch_id", "=", branch_id)
    .where("r.name", "=", name)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "role not found");
  return row;
}
