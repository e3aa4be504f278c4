import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { adoptCluster, type Cluster, type ClusterConfig, findCluster, hasConfig, startCluster } from "./cluster.ts";
import { findPostmaster, initDataDirectory, readVersion, runSingleUser, SUPERUSER } from "./data-directory.ts";
import { lockDirectory } from "./directory-lock.ts";
import { PostgresError } from "./errors.ts";
import { type EventLog, silent } from "./events.ts";
import { makePassage, prepareDataDir, writePrivateDurably } from "./files.ts";
import type { RunningCluster } from "./running-cluster.ts";
import { scramVerifier } from "./scram.ts";
import { socketDirectoryFor } from "./socket-directory.ts";

/** How to reach the control plane's own database; `pg` takes it as it is. */
export interface EmbeddedConnection {
  /** Directory of the unix socket; there is no TCP. */
  readonly host: string;
  readonly port: number;
  /** Owns the database and may create others (tests do); it is no superuser. */
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface Embedded {
  readonly connection: EmbeddedConnection;
  /** Stops the database cleanly; resolves when its process has gone. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  readonly dataDir: string;
  readonly binaries: Binaries;
  readonly account: Account;
  readonly log?: EventLog;
}

const NAME = "latchkey";
const PORT = 5432;

const CONFIG: ClusterConfig = {
  port: PORT,
  settings: {
    listen_addresses: "",
    max_connections: 60,
    shared_buffers: "64MB",
    // Workers for io and parallel queries idle in memory, and the queries here look up keys.
    io_method: "sync",
    max_parallel_workers_per_gather: 0,
    jit: false,
    max_wal_size: "512MB",
    huge_pages: "off",
    timezone: "GMT",
    log_timezone: "GMT",
    log_checkpoints: false,
    // A failed statement is reported to us, who sent it; here it would be repeated with its values.
    log_min_error_statement: "panic",
    cluster_name: "latchkey",
  },
  // The superuser has no password, so it cannot log in at all; repairs use single-user mode.
  access: [`local all ${SUPERUSER} reject`, "local all all scram-sha-256"],
};

/** PostgreSQL 15 to 17 do not know settings that came with 18. */
function configFor({ major }: Binaries): ClusterConfig {
  if (major >= 18) return CONFIG;
  const { io_method: _, ...settings } = CONFIG.settings;
  return { ...CONFIG, settings };
}

/**
 * Starts the control plane's own database, or adopts the one that a killed server left running; makes it at
 * first. Its files are in `<dataDir>/postgres/`, its password in `<dataDir>/postgres.password`, which the
 * account that runs PostgreSQL cannot read when we are root. Should the database die it is started again.
 * Throws `in_use` while another server lives.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { dataDir, account } = options;
  await prepareDataDir(dataDir, account);
  await makePassage(join(dataDir, "postgres"), account);
  const unlock = await lockDirectory(join(dataDir, "postgres.lock"));
  try {
    const cluster: Cluster = { ...place(dataDir), ...options, log: options.log ?? silent };
    const password = await ensureCluster(cluster, dataDir);
    const stop = await keepRunning(cluster, configFor(options.binaries));
    return {
      connection: connectionTo(cluster.socketDirectory, password),
      async stop() {
        await stop();
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

/**
 * The connection to the embedded database while it runs, or undefined. For commands such as `setup`, which
 * work beside a server and must neither start nor stop its database.
 */
export async function attachEmbedded(dataDir: string): Promise<EmbeddedConnection | undefined> {
  const found = findPostmaster(place(dataDir).directory);
  const password = await readPassword(dataDir);
  return found?.ready && password !== undefined ? connectionTo(found.socketDirectory, password) : undefined;
}

function place(dataDir: string): Pick<Cluster, "directory" | "logFile" | "socketDirectory"> {
  const room = join(dataDir, "postgres");
  return {
    directory: join(room, "data"),
    logFile: join(room, "postgres.log"),
    socketDirectory: socketDirectoryFor(join(room, "socket")),
  };
}

function connectionTo(host: string, password: string): EmbeddedConnection {
  return { host, port: PORT, user: NAME, password, database: NAME };
}

const LONGEST_PAUSE_MS = 10_000;

/** Runs the cluster, again and again should it die (out of memory, say), until the returned function is called. */
async function keepRunning(cluster: Cluster, config: ClusterConfig): Promise<() => Promise<void>> {
  const stopping = new AbortController();
  let running = await run(cluster, config);
  const supervise = async (): Promise<void> => {
    for (let failures = 0; !stopping.signal.aborted; ) {
      const { reason } = await running.end;
      if (stopping.signal.aborted) break;
      cluster.log.error("postgres.died", { reason });
      await pause(Math.min(100 * 2 ** failures, LONGEST_PAUSE_MS), stopping.signal);
      if (stopping.signal.aborted) break;
      try {
        running = await run(cluster, config);
        failures = 0;
      } catch (error) {
        failures++;
        cluster.log.error("postgres.restart_failed", { error: error instanceof Error ? error.message : "unknown" });
      }
    }
    await running.stop("fast");
  };
  const supervised = supervise();
  return async () => {
    stopping.abort();
    if (!running.ended) await running.stop("fast");
    await supervised;
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal, ref: false }).catch(() => {});
}

/** Nothing goes on without it, so however long it recovers it is waited for. */
const START_TIMEOUT_MS = 3_600_000;

async function run(cluster: Cluster, config: ClusterConfig): Promise<RunningCluster> {
  const found = await adoptCluster(cluster, START_TIMEOUT_MS);
  if (found === undefined) return startCluster(cluster, config, START_TIMEOUT_MS);
  if (await hasConfig(cluster, config)) {
    cluster.log.info("postgres.adopted", { pid: found.pid });
    return found;
  }
  await found.stop("fast");
  return startCluster(cluster, config, START_TIMEOUT_MS);
}

/** Makes the cluster where there is none and returns its password. */
async function ensureCluster(cluster: Cluster, dataDir: string): Promise<string> {
  const { directory, binaries, account } = cluster;
  const version = await readVersion(directory);
  if (version !== undefined && version !== binaries.major) {
    throw new PostgresError(
      "unsupported",
      `Latchkey's own database was made by PostgreSQL ${version}, and these binaries are ${binaries.version}. ` +
        `Set LATCHKEY_PG_BIN to PostgreSQL ${version}.`,
    );
  }
  const present = await readPassword(dataDir);
  if (version !== undefined && present !== undefined) return present;
  // Kept before it is used: a cluster whose password was lost with the power would be of no use.
  const password = present ?? randomBytes(24).toString("base64url");
  if (present === undefined) await writePrivateDurably(passwordFile(dataDir), password);
  const verifier = await scramVerifier(password);
  if (version === undefined) {
    const statements = [
      `CREATE ROLE ${NAME} LOGIN CREATEDB PASSWORD '${verifier}'`,
      `CREATE DATABASE ${NAME} OWNER ${NAME}`,
    ];
    await initDataDirectory(directory, { binaries, account, statements });
  } else {
    cluster.log.warn("postgres.password_replaced", { reason: "postgres.password is missing" });
    await findCluster(cluster)?.stop("fast");
    await runSingleUser(directory, cluster, [`ALTER ROLE ${NAME} PASSWORD '${verifier}'`]);
  }
  return password;
}

const passwordFile = (dataDir: string) => join(dataDir, "postgres.password");

async function readPassword(dataDir: string): Promise<string | undefined> {
  const text = await readFile(passwordFile(dataDir), "utf8").catch((error: NodeJS.ErrnoException) => {
    // An unreadable file is not a missing one: replacing it would lock the other reader out.
    if (error.code !== "ENOENT") throw error;
  });
  return text?.trim() || undefined;
}
