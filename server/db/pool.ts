import { Socket } from "node:net";
import { Kysely, PostgresDialect, sql, type Transaction } from "kysely";
import pg from "pg";
import { ApiError } from "../errors.ts";
import { describeError, type Log } from "../log.ts";
import type { Schema } from "./schema.ts";

/**
 * The metadata database: connections, transactions, and the form that values take. SQL itself lives in
 * the `store.ts` of each resource.
 */
export type Db = Kysely<Schema>;
/** What a store works through: an open transaction for a change, the pool for a single read. */
export type Tx = Kysely<Schema> | Transaction<Schema>;

export type Connection =
  | { url: string }
  | { host: string; port: number; user: string; password: string; database: string };

const INT8 = 20;
const TIMESTAMPTZ = 1184;

/**
 * Wire names and wire forms all the way: an instant is the RFC 3339 string that the API answers, an int8 a
 * number (our ids and sizes stay far below 2^53; more would throw here rather than round).
 */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text" | "binary") => {
    if (oid === TIMESTAMPTZ) return toRfc3339;
    if (oid === INT8) return toSafeInteger;
    return pg.types.getTypeParser(oid, format as "text");
  }) as pg.CustomTypesConfig["getTypeParser"],
};

const toDate = pg.types.getTypeParser(TIMESTAMPTZ) as (text: string) => Date;

function toRfc3339(text: string): string {
  return toDate(text).toISOString();
}

function toSafeInteger(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new RangeError("int8 beyond 2^53");
  return number;
}

export function poolConfig(connection: Connection, max: number): pg.PoolConfig {
  const address = "url" in connection ? { connectionString: connection.url } : connection;
  return {
    ...address,
    max,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    application_name: "latchkey",
    keepAlive: true,
    // Left to the system, the first look at an idle connection is after two hours.
    keepAliveInitialDelayMillis: 10_000,
  };
}

/**
 * So long nothing may come or go over a connection that somebody uses: then the database counts as lost. No statement of
 * ours takes a fraction of it, but for migrations.
 */
const SILENT_MS = 60_000;

/**
 * Makes a pool that survives its connections: one lost while idle is told to the log and replaced, and one on which the
 * database goes silent is given up, so that nobody waits for as long as the system would send again. A pool that is being
 * closed says nothing, for the embedded database may go before the last socket has.
 */
export function openPool(config: pg.PoolConfig, log: Log, silent_ms = SILENT_MS): pg.Pool {
  const pool = new pg.Pool(config);
  // The connection is what ends, and not the statement alone: the next one on it would wait behind that.
  pool.on("acquire", (client) => watchSilence(client, silent_ms));
  pool.on("release", (_, client) => watchSilence(client, 0));
  // A connection lost while it is lent out, between two statements of a transaction, is told to nobody but
  // this: without a listener it would end the process. The next statement on it fails and says so.
  pool.on("connect", (client) => client.on("error", () => {}));
  pool.on("error", (error) => {
    if (!pool.ending) log.event("database.error", { error: describeError(error) });
  });
  return pool;
}

/** 0: it may be silent for ever. */
function watchSilence(client: pg.ClientBase, silent_ms: number): void {
  const stream = client instanceof pg.Client ? client.connection.stream : undefined;
  if (!(stream instanceof Socket)) return;
  stream.removeAllListeners("timeout").setTimeout(silent_ms, () => {
    const error = new Error(`the database has been silent for ${silent_ms / 1000} s`);
    stream.destroy(Object.assign(error, { code: "ETIMEDOUT" }));
  });
}

/** Opens the metadata database. `silent_ms` as for `openPool`. */
export function openDatabase(
  connection: Connection,
  log: Log,
  { max = 10, silent_ms = SILENT_MS } = {},
): { db: Db; pool: pg.Pool } {
  const pool = openPool({ ...poolConfig(connection, max), types }, log, silent_ms);
  return { db: new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) }), pool };
}

/** Resolves when the database answers. */
export async function pingDatabase(db: Db): Promise<void> {
  await sql`select 1`.execute(db);
}

const OLDEST_SERVER = 150_000;

/** Refuses a server that is too old, before any migration touches it. */
export async function checkServerVersion(db: Db): Promise<void> {
  const { rows } = await sql<{ number: string; text: string }>`
    select current_setting('server_version_num') as number, current_setting('server_version') as text`.execute(db);
  const row = rows[0];
  if (!row || Number(row.number) < OLDEST_SERVER) {
    throw new Error(`DATABASE_URL: PostgreSQL ${row?.text} is too old; Latchkey needs 15 or later`);
  }
}

/** SQLSTATE of a database error, or the errno name of a lost connection. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

const CONNECTION_LOST = /^(08|57P0|53300|ECONN|ENOENT|EPIPE|ETIMEDOUT|EAI_)/;

/** Whether the database, not the statement, is what failed: such a request is answered 503. */
export function isDatabaseLost(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return CONNECTION_LOST.test(state);
  return (
    error instanceof Error &&
    /timeout exceeded when trying to connect|Connection terminated|not queryable|Query read timeout/i.test(
      error.message,
    )
  );
}

/** Often enough for two that have met crosswise, and for one that met a third meanwhile. */
const ATTEMPTS = 3;

/**
 * Runs a change in a transaction. Two that wait for each other, such as two sessions of one person that end each other,
 * are found out by the database, which ends one of them: that one begins again, and then sees what the other has done.
 */
export async function inTransaction<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction().execute(work);
    } catch (error) {
      if (sqlState(error) !== "40P01" || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Runs an insert or update and turns a breach of the named unique constraint into a 409 that says what to do. */
export async function orConflict<T>(work: Promise<T>, constraint: string, message: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (sqlState(error) === "23505" && (error as pg.DatabaseError).constraint === constraint) {
      throw new ApiError("conflict", message, { cause: error });
    }
    throw error;
  }
}
