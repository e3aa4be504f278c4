import pg from "pg";
import { SUPERUSER } from "../../../postgres/data-directory.ts";
import { isScramVerifier } from "../../../postgres/scram.ts";
import type { ContentSpec, DatabaseSpec, RoleSpec } from "../../driver.ts";
import { checkNames, GROUP, MAINTENANCE_DATABASE, SPARE_DATABASE } from "../../names.ts";
import { type AdminAddress, asAdmin } from "./admin.ts";

const identifier = pg.escapeIdentifier;
const literal = pg.escapeLiteral;

/** Makes the roles and databases of a compute what the spec says. Reads first: when nothing differs, nothing is written. */
export async function applyContent(address: AdminAddress, content: ContentSpec): Promise<void> {
  const absent = { roles: content.absent?.roles ?? [], databases: content.absent?.databases ?? [] };
  checkNames(content);
  await asAdmin(address, MAINTENANCE_DATABASE, async (session) => {
    await renameDatabases(session, content.databases);
    const roles = await roleStatements(session, content.roles);
    const databases = await databaseStatements(session, content.databases);
    await inTransaction(session, [...roles, ...databases.inTransaction]);
    for (const statement of databases.alone) await session.query(statement);
    for (const name of absent.databases) {
      await session.query(`DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`);
    }
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
  const { rows } = await session.query<PresentRole>(
    `SELECT rolname AS name, rolcanlogin AS login, rolpassword AS verifier,
            rolcreatedb AND rolbypassrls AND rolcreaterole = $2 AND NOT rolsuper AND NOT rolreplication AS usual,
            EXISTS (SELECT FROM pg_auth_members
                    WHERE member = r.oid AND roleid = (SELECT oid FROM pg_roles WHERE rolname = $3)) AS grouped
     FROM pg_authid r WHERE rolname = ANY ($1::text[])`,
    [wanted.map(({ name }) => name), createRole === "CREATEROLE", GROUP],
  );
  const present = new Map(rows.map((row) => [row.name, row]));
  return wanted.flatMap((role) => {
    if (role.verifier !== undefined && !isScramVerifier(role.verifier)) {
      throw new TypeError("a role's verifier must be one that scramVerifier makes");
    }
    const found = present.get(role.name);
    const name = identifier(role.name);
    const password = role.verifier === undefined ? "NULL" : literal(role.verifier);
    const attributes =
      `${role.login ? "LOGIN" : "NOLOGIN"} INHERIT CREATEDB ${createRole} BYPASSRLS NOSUPERUSER NOREPLICATION ` +
      `PASSWORD ${password}`;
    if (found === undefined) return [`CREATE ROLE ${name} ${attributes} IN ROLE ${GROUP}`];
    const same = found.usual && found.login === role.login && found.verifier === (role.verifier ?? null);
    return [
      ...(same ? [] : [`ALTER ROLE ${name} ${attributes}`]),
      ...(found.grouped ? [] : [`GRANT ${GROUP} TO ${name}`]),
    ];
  });
}

interface PresentRole {
  name: string;
  login: boolean;
  verifier: string | null;
  usual: boolean;
  grouped: boolean;
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
    await inTransaction(session, [
      `ALTER DATABASE ${from} RENAME TO ${to}`,
      `ALTER DATABASE ${to} ALLOW_CONNECTIONS true`,
    ]);
  }
}

interface DatabaseStatements {
  readonly inTransaction: string[];
  /** CREATE DATABASE refuses to run inside a transaction. */
  readonly alone: string[];
}

async function databaseStatements(session: pg.Client, wanted: readonly DatabaseSpec[]): Promise<DatabaseStatements> {
  const { rows } = await session.query<{ name: string; owner: string; granted: boolean }>(
    `SELECT datname AS name, pg_get_userbyid(datdba) AS owner,
            has_database_privilege($2, oid, 'CREATE') AS granted
     FROM pg_database WHERE datname = ANY ($1::text[])`,
    [[...wanted.map(({ name }) => name), SPARE_DATABASE], GROUP],
  );
  const present = new Map(rows.map((row) => [row.name, row]));
  let spare = present.has(SPARE_DATABASE);
  const statements: DatabaseStatements = { inTransaction: [], alone: [] };
  for (const database of wanted) {
    const found = present.get(database.name);
    const name = identifier(database.name);
    const owner = identifier(database.owner);
    const ownedBy = `ALTER DATABASE ${name} OWNER TO ${owner}`;
    // Neon's members of the group may work in every database; owning one is not needed for that.
    const grant = `GRANT ALL ON DATABASE ${name} TO ${GROUP}`;
    if (found !== undefined) {
      if (found.owner !== database.owner) statements.inTransaction.push(ownedBy);
      if (!found.granted) statements.inTransaction.push(grant);
    } else if (spare) {
      spare = false;
      const rename = `ALTER DATABASE ${SPARE_DATABASE} RENAME TO ${name}`;
      statements.inTransaction.push(rename, ownedBy, `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`, grant);
    } else {
      statements.alone.push(`CREATE DATABASE ${name} OWNER ${owner}`, grant);
    }
  }
  return statements;
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
