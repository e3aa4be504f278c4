import { dirname, resolve } from "node:path";
import type pg from "pg";
import type { Clock } from "./clock.ts";
import type { Config } from "./config.ts";
import { bindToInstance, DataDirError, lockDataDir, lockDataDirForVisit, readOrMakeSecretKey } from "./data-dir.ts";
import { readInstance } from "./db/instance.ts";
import { migrate } from "./db/migrate.ts";
import { type Connection, checkServerVersion, type Db, openDatabase } from "./db/pool.ts";
import { Sealer } from "./keys/seal.ts";
import { Secret } from "./keys/secret.ts";
import type { Log } from "./log.ts";
import { type Account, findAccount } from "./postgres/account.ts";
import { type Binaries, locateBinaries } from "./postgres/binaries.ts";
import { attachEmbedded, startEmbedded } from "./postgres/embedded.ts";
import type { EventLog } from "./postgres/events.ts";
import { canEnter } from "./postgres/files.ts";

/** An instance that is open: its database is there and migrated, its secret key is the right one. */
export interface Instance {
  readonly id: string;
  readonly db: Db;
  readonly pool: pg.Pool;
  readonly connection: Connection;
  readonly sealer: Sealer;
  /** Closes the connections and, where this process started it, the embedded database. */
  close(): Promise<void>;
}

/** What runs PostgreSQL on this machine; needed for projects, and for the embedded database. */
export interface Machinery {
  readonly binaries: Binaries;
  readonly account: Account;
}

/**
 * Where everything is kept unless it is configured: `data` beside the code. PostgreSQL does not run as root,
 * so as root it must be a place that its account can enter, which a clone below /root is not.
 */
export async function findDefaultDataDir(): Promise<string> {
  const here = resolve("data");
  if (process.getuid?.() !== 0 || (await canEnter(findAccount(), dirname(here)))) return here;
  return "/var/lib/latchkey";
}

export async function findMachinery(config: Config): Promise<Machinery> {
  const account = findAccount();
  const binaries = await locateBinaries({ dataDir: config.data_dir, account, directory: config.pg_bin });
  return { binaries, account };
}

/** The log as the room of PostgreSQL processes writes to it. */
export function postgresLog(log: Log): EventLog {
  const write = (event: string, fields: object) => log.event("postgres.event", { event, fields });
  return { info: write, warn: write, error: write };
}

/** Opens the instance for the server, which has the data directory to itself (see `lockDataDir`). */
export async function openInstance(config: Config, machinery: Machinery, log: Log): Promise<Instance> {
  if (config.database_url !== undefined)
    return await connect(config, { url: config.database_url }, log, async () => {});
  const embedded = await startEmbedded({ dataDir: config.data_dir, ...machinery, log: postgresLog(log) });
  return await connect(config, embedded.connection, log, () => embedded.stop());
}

/** Opens the instance in a worker, whose primary has opened it already and keeps the database. */
export async function joinInstance(config: Config, connection: Connection, log: Log): Promise<Instance> {
  return await connect(config, connection, log, async () => {});
}

const VISIT_DEADLINE_MS = 60_000;

/**
 * Opens the instance beside a server that may be running, starting, stopping or absent: for commands on the
 * server's machine. Where there is no server it starts the embedded database and stops it again on close.
 */
export async function visitInstance(config: Config, clock: Clock, log: Log): Promise<Instance> {
  if (config.database_url !== undefined)
    return await connect(config, { url: config.database_url }, log, async () => {});
  const visit = await lockDataDirForVisit(config.data_dir, clock);
  try {
    const instance = await openOnVisit(config, clock, log);
    const close = () => instance.close().finally(() => visit.release());
    return { ...instance, close };
  } catch (error) {
    await visit.release();
    throw error;
  }
}

async function openOnVisit(config: Config, clock: Clock, log: Log): Promise<Instance> {
  const deadline = clock.monotonic_ms() + VISIT_DEADLINE_MS;
  for (;;) {
    const lock = await tryLock(config.data_dir);
    if (lock) return await openLocked(config, lock, log);
    try {
      const connection = await attachEmbedded(config.data_dir);
      if (connection) return await connect(config, connection, log, async () => {});
    } catch (error) {
      // The server is just starting or stopping its database: look again.
      if (clock.monotonic_ms() > deadline) throw error;
    }
    if (clock.monotonic_ms() > deadline) {
      throw new DataDirError(`the server on ${config.data_dir} did not open its database within a minute`);
    }
    await clock.sleep(100);
  }
}

async function openLocked(config: Config, lock: { release(): Promise<void> }, log: Log): Promise<Instance> {
  try {
    const instance = await openInstance(config, await findMachinery(config), log);
    const close = async () => {
      await instance.close();
      await lock.release();
    };
    return { ...instance, close };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function tryLock(data_dir: string) {
  try {
    return await lockDataDir(data_dir);
  } catch (error) {
    if (error instanceof DataDirError) return undefined;
    throw error;
  }
}

async function connect(
  config: Config,
  connection: Connection,
  log: Log,
  stopDatabase: () => Promise<void>,
): Promise<Instance> {
  const { db, pool } = openDatabase(connection, log);
  const close = async () => {
    await db.destroy();
    await stopDatabase();
  };
  try {
    await bringUpToDate(connection, log);
    const secret_key = config.secret_key ? new Secret(config.secret_key) : await readOrMakeSecretKey(config.data_dir);
    const sealer = new Sealer(secret_key);
    const { id } = await readInstance(db, sealer.fingerprint);
    await bindToInstance(config.data_dir, id);
    return { id, db, pool, connection, sealer, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** On connections of its own: a migration of much data, or the wait for another server's, may take as long as it takes. */
async function bringUpToDate(connection: Connection, log: Log): Promise<void> {
  const { db } = openDatabase(connection, log, { max: 2, silent_ms: 0 });
  try {
    await checkServerVersion(db);
    await migrate(db);
  } finally {
    await db.destroy();
  }
}
