import { SUPERUSER } from "../postgres/data-directory.ts";
import { type ContentSpec, DriverError } from "./driver.ts";

/** What drivers take for an id and for a name, whatever they are. */

/** A database that every new branch has; its first database is made by renaming it. */
export const SPARE_DATABASE = "latchkey_spare";
/** The group that every role made by the control plane is in. Neon's name, for scripts name it. */
export const GROUP = "neon_superuser";
/**
 * The role that loads schemas, for as long as that takes. A schema is a stranger's program: expressions in it are
 * evaluated while it is loaded, so the superuser never loads one. This role is a member of all of theirs and can do no
 * more than they can.
 */
export const LOADER = "latchkey_loader";
/**
 * Every role's while schemas are loaded: whoever gets a thing must be allowed to make one where it lies, and a dump tells
 * of such rights at its end. It goes with all that was granted to it.
 */
export const LOADING = "latchkey_loading";
/** How the replication slots of sessions begin from whose compute a branch is copied. */
export const COPY_SLOT = "latchkey_";
/** Where the superuser works. Strangers may connect to it and can create nothing in it. */
export const MAINTENANCE_DATABASE = "postgres";

const RESERVED_ROLES = new Set([
  ...[SUPERUSER, GROUP, LOADER, LOADING],
  ...["public", "none", "current_user", "session_user", "current_role"],
]);
const RESERVED_DATABASES = new Set([MAINTENANCE_DATABASE, "template0", "template1", SPARE_DATABASE]);

/** Ids become names of files, so "..", "/" and the like must not pass. Throws `id_refused`. */
export function checkId(id: string): void {
  if (!/^[a-z0-9][a-z0-9_-]{0,62}$/.test(id)) throw new DriverError("id_refused", "an id is 1 to 63 of a-z 0-9 _ -");
}

/** Throws `name_refused`. */
export function checkNames({ roles, databases, absent }: ContentSpec): void {
  for (const { name } of roles) checkRoleName(name);
  for (const { name, owner, former_name } of databases) {
    checkDatabaseName(name);
    if (former_name !== undefined) checkDatabaseName(former_name);
    if (owner !== undefined) checkRoleName(owner);
  }
  absent?.roles?.forEach(checkRoleName);
  absent?.databases?.forEach(checkDatabaseName);
}

export const isReservedRole = (name: string): boolean => RESERVED_ROLES.has(name) || name.startsWith("pg_");
export const isReservedDatabase = (name: string): boolean => RESERVED_DATABASES.has(name);

function checkRoleName(name: string): void {
  if (isReservedRole(name)) {
    throw refuse(`the role name ${quoteName(name)} is reserved`);
  }
  checkName(name);
}

function checkDatabaseName(name: string): void {
  if (isReservedDatabase(name)) throw refuse(`the database name ${quoteName(name)} is reserved`);
  checkName(name);
}

/** PostgreSQL cuts longer names off silently, and two names would then mean one thing. */
function checkName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > 63 || name.includes("\0") || !name.isWellFormed()) {
    throw refuse(`a name is 1 to 63 bytes of UTF-8 without NUL, not ${quoteName(name)}`);
  }
}

const refuse = (told: string) => new DriverError("name_refused", told, { told });

/** Without what a text must not hold, and no longer than names are. */
const quoteName = (name: string) => JSON.stringify([...name].slice(0, 64).join(""));
