import pg from "pg";
import { SUPERUSER } from "../../../postgres/data-directory.ts";
import { isScramVerifier } from "../../../postgres/scram.ts";
import { type ContentSpec, type DatabaseSpec, DriverError, type RoleSpec } from "../../driver.ts";
import { checkNames, GROUP, MAINTENANCE_DATABASE, SPARE_DATABASE } from "../../names.ts";
import { type AdminAddress, asAdmin } from "./admin.ts";
import { OF_PEOPLE } from "./read-content.ts";

const identifier = pg.escapeIdentifier;
const literal = pg.escapeLiteral;

/**
 * Makes the roles and databases of a compute what the spec says. Reads first: when nothing differs, nothing is written.
 * Throws `content_refused`.
 */
export async function applyContent(address: AdminAddress, content: ContentSpec): Promise<void> {
  try {
    await apply(address, content);
  } catch (error) {
    throw refusalOf(error) ?? error;
  }
}

/** SQLSTATE classes of what is not the statement's fault: connections, rollbacks, resources, intervention, the system. */
const PASSING: ReadonlySet<string> = new Set(["08", "40", "53", "57", "58", "XX"]);
const LOCK_NOT_AVAILABLE = "55P03";
/** Those whose words name what stands in the way, and repeat nothing of the statement. */
const TOLD: ReadonlySet<string> = new Set(["2BP01", "55006"]);

function refusalOf(error: unknown): DriverError | undefined {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return undefined;
  const { code, message, detail } = error;
  if (PASSING.has(code.slice(0, 2)) || code === LOCK_NOT_AVAILABLE) return undefined;
  const words = [message, detail].filter((text) => text !== undefined).join(": ");
  const told = TOLD.has(code) ? words : `SQLSTATE ${code}`;
  return new DriverError("content_refused", message, { cause: error, told });
}

async function apply(address: AdminAddress, content: ContentSpec): Promise<void> {
  const absent = { roles: content.absent?.roles ?? [], databases: content.absent?.databases ?? [] };
  checkNames(content);
  await asAdmin(address, MAINTENANCE_DATABASE, async (session) => {
    await renameDatabases(session, content.databases);
    const first = content.sole_passwords ? [forgetOtherPasswords(content.roles)] : [];
    first.push(...(await roleStatements(session, content.roles)));
    await makeDatabases(session, content.databases, first);
    for (const name of absent.databases) await dropDatabase(session, name);
    for (const name of absent.roles) await dropRole(address, session, name);
  });
}

/** One round trip and one write to the disk for all of them. */
async function inTransaction(session: pg.Client, statements: string[]): Promise<void> {
  if (statements.length === 0) return;
  await session.query(`BEGIN; ${statements.join("; ")}; COMMIT`);
}

async function roleStatements(session: pg.Client, wanted: readonly RoleSpec[]): Promise<string[]> {
  const version = await session.query<{ createrole: boolean }>(
    "SELECT current_setting('server_version_num')::int >= 160000 AS createrole",
  );
  // Before 16, CREATEROLE may grant any role, pg_execute_server_program included.
  const createRole = version.rows[0]?.createrole ? "CREATEROLE" : "NOCREATEROLE";
  const { rows } = await session.query<{ name: string; login: boolean; verifier: string | null }>(
    `SELECT rolname AS name, rolcanlogin AS login, rolpassword AS verifier
     FROM pg_authid WHERE rolname = ANY ($1::text[])`,
    [wanted.map(({ name }) => name)],
  );
  const present = new Map(rows.map((row) => [row.name, row]));
  return wanted.flatMap((role) => {
    if (role.verifier !== undefined && !isScramVerifier(role.verifier)) {
      throw new TypeError("a role's verifier must be one that scramVerifier makes");
    }
    const found = present.get(role.name);
    const name = identifier(role.name);
    const password = role.verifier === undefined ? "NULL" : literal(role.verifier);
    const login = `${role.login ? "LOGIN" : "NOLOGIN"} PASSWORD ${password}`;
    if (found === undefined) {
      const rights = `INHERIT CREATEDB ${createRole} BYPASSRLS NOSUPERUSER NOREPLICATION`;
      return [`CREATE ROLE ${name} ${login} ${rights} IN ROLE ${GROUP}`];
    }
    const same = found.login === role.login && found.verifier === (role.verifier ?? null);
    // Its rights stay: it may be one that people have made with fewer.
    return same ? [] : [`ALTER ROLE ${name} ${login}`];
  });
}

/** In the table itself: a name may be in another encoding, or a key word to ALTER ROLE. */
function forgetOtherPasswords(roles: readonly RoleSpec[]): string {
  const names = roles.map(({ name }) => literal(name)).join();
  return `UPDATE pg_authid SET rolpassword = NULL
    WHERE ${OF_PEOPLE} AND rolpassword IS NOT NULL AND rolname <> ALL (ARRAY[${names}]::text[])`;
}

/** PostgreSQL renames a database that nobody is in: nobody gets in meanwhile, and whoever is in has to go. */
async function renameDatabases(session: pg.Client, wanted: readonly DatabaseSpec[]): Promise<void> {
  for (const { name, former_name } of wanted) {
    if (former_name === undefined) continue;
    const { rows } = await session.query<{ name: string }>(
      "SELECT datname AS name FROM pg_database WHERE datname = ANY ($1::text[])",
      [[name, former_name]],
    );
    const present = new Set(rows.map((row) => row.name));
    if (present.has(name) || !present.has(former_name)) continue;
    const [from, to] = [identifier(former_name), identifier(name)];
    await session.query(`ALTER DATABASE ${from} ALLOW_CONNECTIONS false`);
    await session.query("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", [
      former_name,
    ]);
    try {
      await inTransaction(session, [
        `ALTER DATABASE ${from} RENAME TO ${to}`,
        `ALTER DATABASE ${to} ALLOW_CONNECTIONS true`,
      ]);
    } catch (error) {
      // After the transaction that has failed.
      await session.query(`ROLLBACK; ALTER DATABASE ${from} ALLOW_CONNECTIONS true`);
      throw error;
    }
  }
}

/**
 * Gives databases their owners, and makes those that are missing. CREATE DATABASE refuses to run inside a transaction, so a
 * new one is made as a spare that nobody can enter, and becomes what it is to be all at once.
 */
async function makeDatabases(session: pg.Client, wanted: readonly DatabaseSpec[], first: string[]): Promise<void> {
  const { rows } = await session.query<{ name: string; owner: string }>(
    "SELECT datname AS name, pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = ANY ($1::text[])",
    [[...wanted.map(({ name }) => name), SPARE_DATABASE]],
  );
  const present = new Map(rows.map((row) => [row.name, row]));
  let spare = present.has(SPARE_DATABASE);
  let statements = first;
  for (const { name: wanted_name, owner } of wanted) {
    if (owner === undefined) continue;
    const name = identifier(wanted_name);
    const found = present.get(wanted_name);
    const ownedBy = `ALTER DATABASE ${name} OWNER TO ${identifier(owner)}`;
    if (found !== undefined) {
      if (found.owner !== owner) statements.push(ownedBy);
      continue;
    }
    if (!spare) {
      await inTransaction(session, statements);
      statements = [];
      await session.query(`CREATE DATABASE ${SPARE_DATABASE} ALLOW_CONNECTIONS false`);
    }
    spare = false;
    statements.push(
      `ALTER DATABASE ${SPARE_DATABASE} RENAME TO ${name}`,
      ownedBy,
      `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`,
      // Neon's members of the group may work in every database; owning one is not needed for that.
      `GRANT ALL ON DATABASE ${name} TO ${GROUP}`,
    );
  }
  await inTransaction(session, statements);
}

async function dropDatabase(session: pg.Client, name: string): Promise<void> {
  const { rows } = await session.query<{ template: boolean }>(
    "SELECT datistemplate AS template FROM pg_database WHERE datname = $1",
    [name],
  );
  const [found] = rows;
  if (!found) return;
  // PostgreSQL drops no template, and people may make any of theirs one.
  if (found.template) await session.query(`ALTER DATABASE ${identifier(name)} IS_TEMPLATE false`);
  await session.query(`DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`);
}

/** Ends a role's sessions, hands over what it owns in every database, and drops it. */
export async function dropRole(address: AdminAddress, session: pg.Client, name: string): Promise<void> {
  const found = await session.query("SELECT FROM pg_roles WHERE rolname = $1", [name]);
  if (found.rowCount === 0) return;
  const role = identifier(name);
  // First, so that it cannot come back in between.
  await session.query(`ALTER ROLE ${role} NOLOGIN`);
  await session.query("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1", [name]);
  const { rows } = await session.query<{ name: string; owner: string }>(
    "SELECT datname AS name, pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datallowconn AND datname <> 'template1'",
  );
  for (const database of rows) {
    // Never to the superuser, in whose name strangers' functions would then run.
    const heir = database.owner === name || database.owner === SUPERUSER ? GROUP : database.owner;
    await asAdmin(address, database.name, async (inside) => {
      await inside.query(`REASSIGN OWNED BY ${role} TO ${identifier(heir)}; DROP OWNED BY ${role}`);
    });
  }
  await session.query(`DROP ROLE ${role}`);
}
