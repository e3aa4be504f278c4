import { randomBytes } from "node:crypto";
import pg from "pg";
import { scramVerifier } from "../../../postgres/scram.ts";
import { DriverError } from "../../driver.ts";
import { GROUP, LOADER, LOADING, MAINTENANCE_DATABASE, SPARE_DATABASE } from "../../names.ts";
import { type AdminAddress, asAdmin } from "./admin.ts";
import { dropRole } from "./content.ts";
import { OF_PEOPLE } from "./read-content.ts";
import { readSchema } from "./schema-dump.ts";

const identifier = pg.escapeIdentifier;
const literal = pg.escapeLiteral;

const LOAD_DEADLINE_MS = 120_000;

/**
 * Gives a compute the roles, databases and schemas that another one has, without data. What is there already under the
 * same name is taken for the same thing, but a schema is loaded into empty databases alone. Throws `schema_refused`.
 */
export async function copySchema(to: AdminAddress, from: AdminAddress): Promise<void> {
  await copyRoles(to, from);
  const databases = await copyDatabases(to, from);
  const password = randomBytes(24).toString("base64url");
  await makeLoader(to, password);
  for (const database of databases) {
    await openForLoading(to, database);
    await load({ ...to, password }, database, await readSchema(from, database, "sql"));
  }
  await dropLoaders(to);
}

const dropLoaders = (to: AdminAddress) =>
  asAdmin(to, MAINTENANCE_DATABASE, async (session) => {
    for (const name of [LOADING, LOADER]) await dropRole(to, session, name);
  });

async function openForLoading(to: AdminAddress, database: string): Promise<void> {
  await asAdmin(to, database, (session) =>
    session.query(`GRANT CREATE ON DATABASE ${identifier(database)} TO ${LOADING};
      GRANT USAGE, CREATE ON SCHEMA public TO ${LOADING};
      ALTER DEFAULT PRIVILEGES FOR ROLE ${LOADER} GRANT USAGE, CREATE ON SCHEMAS TO ${LOADING}`),
  );
}

interface RoleRow {
  readonly name: string;
  readonly attributes: string;
  readonly verifier: string | null;
}

/** Roles that people made with SQL come along, with their passwords and what they are members of. */
async function copyRoles(to: AdminAddress, from: AdminAddress): Promise<void> {
  const { roles, members } = await asAdmin(from, MAINTENANCE_DATABASE, async (session) => ({
    roles: (
      await session.query<RoleRow>(
        `SELECT rolname AS name, rolpassword AS verifier, concat_ws(' ', CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
           CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
           CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
           'CONNECTION LIMIT ' || rolconnlimit, 'VALID UNTIL ' || quote_literal(rolvaliduntil)) AS attributes
         FROM pg_authid WHERE ${OF_PEOPLE} ORDER BY rolname`,
      )
    ).rows,
    members: (
      await session.query<{ statement: string }>(
        `SELECT format('GRANT %I TO %I%s', r.rolname, m.rolname, CASE WHEN bool_or(a.admin_option) THEN ' WITH ADMIN OPTION' ELSE '' END)
           AS statement
         FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid
         JOIN (SELECT oid, rolname FROM pg_roles WHERE ${OF_PEOPLE}) m ON m.oid = a.member
         GROUP BY r.rolname, m.rolname ORDER BY r.rolname, m.rolname`,
      )
    ).rows,
  }));
  await asAdmin(to, MAINTENANCE_DATABASE, async (session) => {
    const present = await namesOf(session, "SELECT rolname::text AS name FROM pg_roles");
    const made = roles
      .filter(({ name }) => !present.has(name))
      .map(({ name, attributes, verifier }) => {
        const password = verifier === null ? "NULL" : literal(verifier);
        return `CREATE ROLE ${identifier(name)} NOSUPERUSER NOREPLICATION ${attributes} PASSWORD ${password}`;
      });
    for (const statement of [...made, ...members.map((member) => member.statement)]) await session.query(statement);
  });
}

/** Returns the names of all databases that have a schema of people's. */
async function copyDatabases(to: AdminAddress, from: AdminAddress): Promise<string[]> {
  const { rows } = await asAdmin(from, MAINTENANCE_DATABASE, (session) =>
    session.query<{ name: string; owner: string; granted: boolean }>(
      `SELECT datname AS name, pg_get_userbyid(datdba) AS owner, has_database_privilege($2, oid, 'CREATE') AS granted
       FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> ALL ($1::text[]) ORDER BY datname`,
      [[MAINTENANCE_DATABASE, SPARE_DATABASE], GROUP],
    ),
  );
  await asAdmin(to, MAINTENANCE_DATABASE, async (session) => {
    const present = await namesOf(session, "SELECT datname::text AS name FROM pg_database");
    for (const { name, owner, granted } of rows) {
      if (present.has(name)) continue;
      await session.query(`CREATE DATABASE ${identifier(name)} OWNER ${identifier(owner)}`);
      if (granted) await session.query(`GRANT ALL ON DATABASE ${identifier(name)} TO ${GROUP}`);
    }
  });
  return rows.map(({ name }) => name);
}

async function namesOf(session: pg.Client, text: string): Promise<Set<string>> {
  return new Set((await session.query<{ name: string }>(text)).rows.map(({ name }) => name));
}

async function makeLoader(to: AdminAddress, password: string): Promise<void> {
  const verifier = await scramVerifier(password);
  await dropLoaders(to);
  await asAdmin(to, MAINTENANCE_DATABASE, async (session) => {
    const roles = await namesOf(session, `SELECT rolname::text AS name FROM pg_roles WHERE ${OF_PEOPLE}`);
    await session.query(
      `CREATE ROLE ${LOADER} LOGIN INHERIT NOSUPERUSER NOCREATEROLE NOREPLICATION PASSWORD '${verifier}'`,
    );
    await session.query(`CREATE ROLE ${LOADING} NOLOGIN`);
    for (const name of [GROUP, ...roles]) {
      await session.query(`GRANT ${identifier(name)} TO ${LOADER}; GRANT ${LOADING} TO ${identifier(name)}`);
    }
  });
}

async function load(address: AdminAddress, database: string, sql: string): Promise<void> {
  const session = new pg.Client({
    host: address.socket_directory,
    port: address.port,
    user: LOADER,
    password: address.password,
    database,
    application_name: "latchkey",
    connectionTimeoutMillis: 10_000,
    query_timeout: LOAD_DEADLINE_MS,
  });
  session.on("error", () => {});
  try {
    await session.connect();
    // As one query it is one transaction: a database has all of its schema or none of it.
    await session.query(asLoader(sql));
  } catch (error) {
    const { message } = error as Error;
    const words = tellable(error);
    throw new DriverError("schema_refused", `the schema of ${identifier(database)} could not be loaded: ${message}`, {
      cause: error,
      told: words && `database ${identifier(database)}: ${words}`,
    });
  } finally {
    await session.end().catch(() => {});
  }
}

const LONGEST_REASON = 500;
/** Classes of errors about the machine and PostgreSQL itself: resources, its operation, files, its configuration, defects. */
const OF_MACHINE = new Set(["53", "57", "58", "F0", "XX"]);

/**
 * PostgreSQL's words about a schema, for people who may read that schema; undefined where it may be the machine that they are
 * about, one of its files say, or where they are not PostgreSQL's.
 */
export function tellable(error: unknown): string | undefined {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return undefined;
  const { code, message } = error;
  if (OF_MACHINE.has(code.slice(0, 2)) || /(^|[^\w/])\/[\w.]/.test(message)) return undefined;
  return [...message].slice(0, LONGEST_REASON).join("");
}

/** What a role granted who is not the owner, `pg_dump` grants as that role; the loader becomes it in the way that it can. */
function asLoader(sql: string): string {
  return sql.replaceAll(
    /^SET SESSION AUTHORIZATION (.+);\n((?:GRANT|REVOKE) .+;)\nRESET SESSION AUTHORIZATION;$/gm,
    "SET ROLE $1;\n$2\nRESET ROLE;",
  );
}
