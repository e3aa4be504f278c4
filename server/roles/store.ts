import type { Role } from "@latchkey/contract/roles.ts";
import { type Selectable, sql } from "kysely";
import type { ProjectAccess } from "../access/handles.ts";
import type { RoleTable } from "../db/schema.ts";
import { ApiError } from "../errors.ts";
import type { Sealer } from "../keys/seal.ts";
import type { Secret } from "../keys/secret.ts";
import { contentRevisionOf } from "../operations/store.ts";
import { scramVerifier } from "../postgres/scram.ts";
import { newRolePassword, openRolePassword, sealRolePassword } from "./password.ts";

/** The resource roles: the Postgres roles of a branch, whoever made them, and their passwords where the API set them. */

const COLUMNS = ["branch_id", "name", "can_login", "created_at", "updated_at"] as const;
type Row = Pick<Selectable<RoleTable>, (typeof COLUMNS)[number]>;

function toRole(row: Row): Role {
  return {
    branch_id: row.branch_id,
    name: row.name,
    protected: false,
    authentication_method: row.can_login ? "password" : "no_login",
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

const UNKNOWN_PASSWORD =
  "the role's password is not known here, for it was set with SQL; reset it to be given a new one";

/** Whether the copy's data is a clone, in which everything is the same one as in the original. */
export type CopiedAs = "same_data" | "schema_only";

export interface NewRole {
  readonly branch_id: string;
  readonly name: string;
  /** Absent: the role cannot log in. */
  readonly password?: Secret;
}

/** Inserts a role and answers it with its password, as the answer that creates it does; 409 when the name is taken. */
export async function insertRole(access: ProjectAccess, sealer: Sealer, role: NewRole): Promise<Role> {
  const { branch_id, name, password } = role;
  const values = { ...(await credentialsOf(sealer, role)), revision: contentRevisionOf(branch_id) };
  const row = await access.tx
    .insertInto("roles")
    .values({ branch_id, name, ...values })
    .onConflict((conflict) =>
      // A deletion that failed has left the row: this wish is the newer one.
      conflict
        .columns(["branch_id", "name"])
        .doUpdateSet({
          ...values,
          oid: null,
          deleted_at: null,
          created_at: sql<string>`now()`,
          updated_at: sql<string>`now()`,
        })
        .where("roles.deleted_at", "is not", null),
    )
    .returning(COLUMNS)
    .executeTakeFirst();
  if (!row) throw new ApiError("conflict", "the branch has a role of this name; choose another one");
  return { ...toRole(row), ...(password === undefined ? {} : { password: password.reveal() }) };
}

/** Gives a role a new password. */
export async function updateRolePassword(
  access: ProjectAccess,
  sealer: Sealer,
  role: NewRole & { readonly password: Secret },
): Promise<Role> {
  const { branch_id, name, password } = role;
  const row = await access.tx
    .updateTable("roles")
    .set({
      ...(await credentialsOf(sealer, role)),
      revision: contentRevisionOf(branch_id),
      updated_at: sql<string>`now()`,
    })
    .where("branch_id", "=", branch_id)
    .where("name", "=", name)
    .where("deleted_at", "is", null)
    .returning(COLUMNS)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "role not found");
  return { ...toRole(row), password: password.reveal() };
}

async function credentialsOf(sealer: Sealer, { branch_id, name, password }: NewRole) {
  if (password === undefined) return { password: null, verifier: null, can_login: false };
  const verifier = await scramVerifier(password.reveal());
  return { password: sealRolePassword(sealer, password, branch_id, name), verifier, can_login: true };
}

/** From here on nobody finds the role; the row goes when the compute has dropped it. */
export async function markRoleDeleted(access: ProjectAccess, branch_id: string, name: string): Promise<void> {
  await access.tx
    .updateTable("roles")
    .set({ deleted_at: sql<string>`now()`, revision: contentRevisionOf(branch_id) })
    .where("branch_id", "=", branch_id)
    .where("name", "=", name)
    .execute();
}

/** The databases that a role owns, by name. */
export async function listDatabasesOwnedBy(access: ProjectAccess, branch_id: string, name: string): Promise<string[]> {
  const rows = await access.tx
    .selectFrom("databases")
    .select("name")
    .where("branch_id", "=", branch_id)
    .where("owner_name", "=", name)
    .where("deleted_at", "is", null)
    .orderBy("name")
    .execute();
  return rows.map((row) => row.name);
}

export interface CopiedRoles {
  readonly as: CopiedAs;
  /** `new`: whoever can log in gets one, also where nobody here knows the one before. */
  readonly passwords: "same" | "new";
}

/**
 * Copies the roles of a branch to one that has none, and answers them with the passwords that are known. What its compute
 * has not been told yet, the other's will be; new passwords too.
 */
export async function copyRoles(
  access: ProjectAccess,
  sealer: Sealer,
  from_id: string,
  to_id: string,
  { as, passwords }: CopiedRoles,
): Promise<Role[]> {
  const rows = await access.tx
    .selectFrom("roles")
    .selectAll()
    .where("branch_id", "=", from_id)
    .orderBy("name")
    .execute();
  const copies: Role[] = [];
  for (const { updated_at: _, name, password, oid, ...same } of rows) {
    const renewed = passwords === "new" && same.can_login && same.deleted_at === null ? newRolePassword() : undefined;
    const secret = renewed ?? (password === null ? undefined : openRolePassword(sealer, password, from_id, name));
    const sealed = secret === undefined ? null : sealRolePassword(sealer, secret, to_id, name);
    const own = renewed && { verifier: await scramVerifier(renewed.reveal()), revision: contentRevisionOf(to_id) };
    const row = await access.tx
      .insertInto("roles")
      .values({ ...same, ...own, branch_id: to_id, name, password: sealed, oid: as === "same_data" ? oid : null })
      .returning(COLUMNS)
      .executeTakeFirstOrThrow();
    if (same.deleted_at !== null) continue;
    copies.push({ ...toRole(row), ...(secret === undefined ? {} : { password: secret.reveal() }) });
  }
  return copies;
}

/** The roles of a branch by name; throws when the project has no such branch. */
export async function listRoles(access: ProjectAccess, branch_id: string): Promise<Role[]> {
  const rows = await access.tx
    .selectFrom("branches as b")
    .leftJoin("roles as r", (join) => join.onRef("r.branch_id", "=", "b.id").on("r.deleted_at", "is", null))
    .select(["r.branch_id", "r.name", "r.can_login", "r.created_at", "r.updated_at"])
    .where("b.project_id", "=", access.project_id)
    .where("b.id", "=", branch_id)
    .where("b.deleted_at", "is", null)
    .orderBy("r.name")
    .execute();
  if (rows.length === 0) throw new ApiError("not_found", "branch not found");
  return rows.filter((row): row is Row => row.name !== null).map(toRole);
}

export async function getRole(access: ProjectAccess, branch_id: string, name: string): Promise<Role> {
  return toRole(await getRow(access, branch_id, name));
}

/** Throws 404 for a role that cannot log in, 412 for one whose password only its people know. */
export async function getRolePassword(
  access: ProjectAccess,
  sealer: Sealer,
  branch_id: string,
  name: string,
): Promise<Secret> {
  const { password, can_login } = await getRow(access, branch_id, name);
  if (!can_login) throw new ApiError("not_found", "the role cannot log in and has no password");
  if (password === null) throw new ApiError("precondition_failed", UNKNOWN_PASSWORD);
  return openRolePassword(sealer, password, branch_id, name);
}

async function getRow(access: ProjectAccess, branch_id: string, name: string): Promise<Selectable<RoleTable>> {
  const row = await access.tx
    .selectFrom("roles as r")
    .innerJoin("branches as b", "b.id", "r.branch_id")
    .selectAll("r")
    .where("b.project_id", "=", access.project_id)
    .where("b.deleted_at", "is", null)
    .where("r.branch_id", "=", branch_id)
    .where("r.name", "=", name)
    .where("r.deleted_at", "is", null)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "role not found");
  return row;
}
