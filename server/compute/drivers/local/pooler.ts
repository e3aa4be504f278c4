import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Account } from "../../../postgres/account.ts";
import { asAccount } from "../../../postgres/command.ts";
import { SUPERUSER } from "../../../postgres/data-directory.ts";
import { PostgresError } from "../../../postgres/errors.ts";
import type { EventLog } from "../../../postgres/events.ts";
import { writeOwned } from "../../../postgres/files.ts";
import type { PgBouncer } from "../../../postgres/pgbouncer.ts";
import { inspectProcess, isAlive, type ProcessIdentity, signalProcess } from "../../../postgres/process.ts";
import { scramVerifier } from "../../../postgres/scram.ts";
import { makeSocketDirectory, removeSocketDirectory, socketDirectoryFor } from "../../../postgres/socket-directory.ts";
import type { ComputeAddress, PoolerLogin } from "../../driver.ts";

/**
 * PgBouncer in front of one compute, in a private directory of its own: a socket there, and no port. It lets a role in by
 * the verifier that the compute has for it, and signs in at the compute with the keys that the role's own proof has shown
 * it, so no password and no way past PostgreSQL's own check is on the disk.
 *
 * It keeps nothing that is worth an orderly end: one is killed, and with its sockets its transactions are rolled back.
 */

interface Parts {
  readonly pgbouncer: PgBouncer;
  readonly account: Account;
  readonly log: EventLog;
}

interface Place {
  /** The compute's. The process stands in it, so that it can be told whose it is wherever its files are. */
  readonly folder: string;
  /** Made by `poolerDirectoryOf`. */
  readonly directory: string;
  readonly compute: ComputeAddress;
  /** Of the compute. */
  readonly max_connections: number;
}

interface Secrets {
  /** For the console alone. */
  readonly password: string;
  /** By role. */
  readonly verifiers: ReadonlyMap<string, string>;
}

/** The name of PgBouncer's own database, in which one gives it orders. */
const CONSOLE = "pgbouncer";
const WITHIN_MS = 10_000;

/** Where the pooler of the compute in a folder has its files. */
export const poolerDirectoryOf = (folder: string) => socketDirectoryFor(join(folder, "pooler"));

/** A database of that name cannot be reached through PgBouncer: the client would get its console. */
export function isPoolable({ name, database }: PoolerLogin): boolean {
  return (database || name) !== CONSOLE;
}

/** A PgBouncer that runs, or did. */
export class Pooler {
  readonly #parts: Parts;
  readonly #place: Place;
  readonly #child: ChildProcess;
  readonly #identity: ProcessIdentity;
  #secrets: Secrets;

  private constructor(parts: Parts, place: Place, child: ChildProcess, identity: ProcessIdentity, secrets: Secrets) {
    this.#parts = parts;
    this.#place = place;
    this.#child = child;
    this.#identity = identity;
    this.#secrets = secrets;
  }

  /** Starts one that knows a role; returns when it takes connections. Throws `start_failed`. */
  static async start(parts: Parts, { login, ...place }: Place & { readonly login: PoolerLogin }): Promise<Pooler> {
    const { pgbouncer, account, log } = parts;
    const { directory } = place;
    const began = performance.now();
    await makeSocketDirectory(directory, account);
    const password = randomBytes(24).toString("base64url");
    const secrets = { password, verifiers: new Map([[login.name, login.verifier]]) };
    await writeUsers(directory, secrets, account);
    await writeOwned(configOf(directory), renderConfig(place), account);
    const child = spawn(pgbouncer.program, [configOf(directory)], {
      ...asAccount(account),
      cwd: place.folder,
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    // Our own exit must not wait for it.
    child.unref();
    const lastWords = listenTo(child);
    try {
      await untilListening(child, socketOf(place));
      const identity = child.pid === undefined ? undefined : inspectProcess(child.pid);
      if (identity === undefined) throw new Error("it has ended");
      log.info("pooler.started", { pid: identity.pid, took_ms: Math.round(performance.now() - began) });
      return new Pooler(parts, place, child, identity, secrets);
    } catch (cause) {
      child.kill("SIGKILL");
      await removeSocketDirectory(directory);
      throw new PostgresError("start_failed", `PgBouncer did not start: ${lastWords()}`, { cause });
    }
  }

  /** Its number is the compute's. */
  get address(): ComputeAddress {
    return { ...this.#place.compute, socket_directory: this.#place.directory };
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** `changed`: the role had another verifier when it was told of. */
  knows({ name, verifier }: PoolerLogin): "yes" | "no" | "changed" {
    const known = this.#secrets.verifiers.get(name);
    if (known === undefined) return "no";
    return known === verifier ? "yes" : "changed";
  }

  /** Tells it of one more role; returns when it lets that role in. */
  async add({ name, verifier }: PoolerLogin): Promise<void> {
    const { password, verifiers } = this.#secrets;
    const secrets = { password, verifiers: new Map(verifiers).set(name, verifier) };
    await writeUsers(this.#place.directory, secrets, this.#parts.account);
    const session = new pg.Client({
      host: this.#place.directory,
      port: this.#place.compute.port,
      user: SUPERUSER,
      password,
      database: CONSOLE,
      connectionTimeoutMillis: WITHIN_MS,
      query_timeout: WITHIN_MS,
    });
    // One that ends meanwhile fails the order; this event would end our process.
    session.on("error", () => {});
    try {
      await session.connect();
      await session.query("RELOAD");
    } finally {
      await session.end().catch(() => {});
    }
    this.#secrets = secrets;
  }

  kill(): void {
    signalProcess(this.#identity, "SIGKILL");
  }

  /** Resolves when the process has gone, and its files with it. */
  async end(): Promise<void> {
    const gone = this.ended ? undefined : once(this.#child, "exit");
    this.kill();
    await gone;
    await removeSocketDirectory(this.#place.directory);
  }
}

/** Ends what a server that was killed has left behind in a directory. */
export async function endLeftPooler(directory: string, account: Account): Promise<void> {
  const text = await readFile(pidFileOf(directory), "utf8").catch(() => undefined);
  if (text === undefined) return;
  const found = inspectProcess(Number.parseInt(text, 10));
  // The number may have passed to another process.
  if (found?.uid === account.uid && found.arguments.includes(configOf(directory))) {
    signalProcess(found, "SIGKILL");
    const deadline = performance.now() + WITHIN_MS;
    while (isAlive(found)) {
      if (performance.now() > deadline) throw new PostgresError("stop_failed", `process ${found.pid} cannot be ended`);
      await delay(2);
    }
  }
  await removeSocketDirectory(directory);
}

const configOf = (directory: string) => join(directory, "pgbouncer.ini");
const pidFileOf = (directory: string) => join(directory, "pid");
const usersOf = (directory: string) => join(directory, "users");

const socketOf = ({ directory, compute }: Place) => join(directory, `.s.PGSQL.${compute.port}`);

/** https://www.pgbouncer.org/config.html. The first six lines are as at Neon. */
function renderConfig({ directory, compute, max_connections }: Place): string {
  const pool_size = Math.max(1, Math.floor(0.9 * max_connections));
  return `[databases]
* = host='${compute.socket_directory.replaceAll("'", "''")}' port=${compute.port}
[pgbouncer]
pool_mode = transaction
default_pool_size = ${pool_size}
max_client_conn = 10000
max_prepared_statements = 1000
query_wait_timeout = 120
ignore_startup_parameters = extra_float_digits
; A session that nobody uses makes way for another role of its database, or another database of its role.
max_db_connections = ${pool_size}
max_user_connections = ${pool_size}
; Nothing makes way for another role in another database: PgBouncer has no limit for all.
server_idle_timeout = 60
; PostgreSQL 18 reports it, so that each client can have its own.
track_extra_parameters = IntervalStyle, search_path
; What was not there a moment ago, such as a database, may be there now.
server_login_retry = 1
auth_type = scram-sha-256
auth_file = ${usersOf(directory)}
admin_users = ${SUPERUSER}
listen_port = ${compute.port}
unix_socket_dir = ${directory}
unix_socket_mode = 0700
pidfile = ${pidFileOf(directory)}
log_connections = 0
log_disconnections = 0
log_pooler_errors = 0
log_stats = 0
`;
}

/** Nobody who comes through the gateway is the superuser, so the name is free for the console. */
async function writeUsers(directory: string, { password, verifiers }: Secrets, account: Account): Promise<void> {
  const users = [...verifiers, [SUPERUSER, await scramVerifier(password)]];
  const quote = (text = "") => `"${text.replaceAll('"', '""')}"`;
  const lines = users.map(([name, verifier]) => `${quote(name)} ${quote(verifier)}\n`);
  await writeOwned(usersOf(directory), lines.join(""), account);
}

/** Keeps the end of what it says, and no more: strangers can make it say as much as they like. */
function listenTo({ stderr }: ChildProcess): () => string {
  let said = "";
  stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2048);
  });
  if (stderr instanceof Socket) stderr.unref();
  return () => said.trim().split("\n").slice(-4).join("\n");
}

async function untilListening(child: ChildProcess, socket: string): Promise<void> {
  let failed: Error | undefined;
  child.once("error", (error) => {
    failed = error;
  });
  const deadline = performance.now() + WITHIN_MS;
  while (!(await takesConnections(socket))) {
    if (failed) throw failed;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("it has ended");
    if (performance.now() > deadline) throw new Error("it does not listen");
    await delay(2);
  }
}

function takesConnections(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
