import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { asAccount } from "./command.ts";
import { findPostmaster, type Postmaster, readPidFile, removeStalePidFile } from "./data-directory.ts";
import { PostgresError } from "./errors.ts";
import type { EventLog } from "./events.ts";
import { writeOwned } from "./files.ts";
import { inspectProcess, type ProcessIdentity } from "./process.ts";
import { findRefusal } from "./refusals.ts";
import { RunningCluster } from "./running-cluster.ts";
import { trimLog } from "./server-log.ts";
import { renderSettings, type Settings } from "./settings.ts";
import { makeSocketDirectory } from "./socket-directory.ts";

/** One cluster: a data directory and what is needed to run a server on it. */
export interface Cluster {
  /** The data directory, absolute. */
  readonly directory: string;
  /** In a directory of ours and not of the account's: we open it, and the server only writes to it. */
  readonly logFile: string;
  /** Made by `socketDirectoryFor`. */
  readonly socketDirectory: string;
  readonly binaries: Binaries;
  readonly account: Account;
  readonly log: EventLog;
}

export interface ClusterConfig {
  /** The number in the socket's name, and the TCP port where `listen_addresses` is not empty. */
  readonly port: number;
  readonly settings: Settings;
  /** Lines of `pg_hba.conf`, in order. */
  readonly access: readonly string[];
}

/** Recovery replays about 200 MB a second, and much may have been written while the files of a branch were copied. */
const START_TIMEOUT_MS = 60_000;
const TELL_EVERY_MS = 30_000;

/**
 * Starts a server and returns when it takes connections. The server runs in a session of its own, so that
 * neither Ctrl-C in our terminal nor our death reaches it; `adoptCluster` takes it up again.
 *
 * Throws `port_taken`, `setting_refused`, `no_memory`, `start_failed`, or `in_use` when a server runs on the directory
 * already; and `start_timeout`, when it goes on starting: `adoptCluster` waits for it. Callers make sure that one directory is started once at a time.
 */
export async function startCluster(
  cluster: Cluster,
  config: ClusterConfig,
  timeout_ms: number = START_TIMEOUT_MS,
): Promise<RunningCluster> {
  if (findPostmaster(cluster.directory) !== undefined) {
    throw new PostgresError("in_use", `a server already runs on ${cluster.directory}`);
  }
  await removeStalePidFile(cluster.directory);
  await makeSocketDirectory(cluster.socketDirectory, cluster.account);
  for (const [name, text] of renderFiles(cluster, config)) {
    await writeOwned(join(cluster.directory, name), text, cluster.account);
  }
  const deadline = performance.now() + timeout_ms;
  for (;;) {
    try {
      return await attempt(cluster, config.port, deadline);
    } catch (error) {
      // Backends of a killed server still finish; they notice within moments that their postmaster is gone.
      const retry = error instanceof OrphansLeft && performance.now() + 100 < deadline;
      if (!retry) throw error;
      await delay(100);
    }
  }
}

/**
 * Takes over the server that runs on the directory, such as one that a killed control plane left behind;
 * waits for it if it is still starting. Undefined when there is none.
 */
export async function adoptCluster(
  cluster: Cluster,
  timeout_ms: number = START_TIMEOUT_MS,
): Promise<RunningCluster | undefined> {
  const deadline = performance.now() + timeout_ms;
  for (;;) {
    const found = findPostmaster(cluster.directory);
    if (found === undefined || found.ready) return found && takeUp(cluster, found);
    if (performance.now() > deadline) {
      throw new PostgresError("start_timeout", `the server on ${cluster.directory} is not ready yet`);
    }
    await delay(20);
  }
}

/** The server that runs on the directory, which may be starting still; to be stopped. Undefined when there is none. */
export function findCluster(cluster: Cluster): RunningCluster | undefined {
  const found = findPostmaster(cluster.directory);
  return found && takeUp(cluster, found);
}

const takeUp = ({ log }: Cluster, found: Postmaster) => new RunningCluster({ identity: found, ...found, log });

/** Whether a server started now would have the configuration that the running one was started with. */
export async function hasConfig(cluster: Cluster, config: ClusterConfig): Promise<boolean> {
  for (const [name, text] of renderFiles(cluster, config)) {
    const present = await readFile(join(cluster.directory, name), "utf8").catch(() => undefined);
    if (present !== text) return false;
  }
  return true;
}

/** The configuration as files of the data directory. */
export function renderFiles(cluster: Cluster, config: ClusterConfig): [name: string, text: string][] {
  const settings = { ...config.settings, port: config.port, unix_socket_directories: cluster.socketDirectory };
  return [
    ["postgresql.conf", renderSettings(settings)],
    ["pg_hba.conf", `${config.access.join("\n")}\n`],
  ];
}

class OrphansLeft extends PostgresError {
  constructor(message: string) {
    super("start_failed", message);
  }
}

async function attempt(cluster: Cluster, port: number, deadline: number): Promise<RunningCluster> {
  const { directory, binaries, account, logFile, log } = cluster;
  const began = performance.now();
  const output = await openLog(logFile);
  let child: ChildProcess;
  let offset: number;
  try {
    offset = fstatSync(output).size;
    child = spawn(binaries.postgres, ["-D", directory], {
      ...asAccount(account),
      detached: true,
      stdio: ["ignore", output, output],
    });
  } finally {
    closeSync(output);
  }
  // Our own exit must not wait for it.
  child.unref();
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const identity = child.pid === undefined ? undefined : inspectProcess(child.pid);
  if (identity === undefined) throw await explain(cluster, offset, await ended);
  const { socketDirectory } = cluster;
  const running = new RunningCluster({ identity, port, socketDirectory, log, ended });
  const outcome = await untilReady(cluster, identity, running, deadline);
  if (outcome === "ended") throw await explain(cluster, offset, await ended);
  // Stopped, it would recover from where it began, and never come to the end of it.
  if (outcome === "late") throw new PostgresError("start_timeout", `the server on ${directory} is not ready yet`);
  // With several addresses PostgreSQL is content with one; a stranger would then answer on ours.
  if (/could not bind/.test(await readFrom(logFile, offset))) {
    await running.stop("immediate");
    throw await explain(cluster, offset, "could not listen");
  }
  log.info("postgres.started", { pid: identity.pid, took_ms: Math.round(performance.now() - began) });
  return running;
}

async function untilReady(
  { directory, log }: Cluster,
  { pid }: ProcessIdentity,
  running: RunningCluster,
  deadline: number,
): Promise<"ready" | "ended" | "late"> {
  const began = performance.now();
  let told = began;
  for (;;) {
    if (running.ended) return "ended";
    const file = readPidFile(directory);
    if (file?.pid === pid && file.ready) return "ready";
    const now = performance.now();
    if (now > deadline) return "late";
    if (now - told > TELL_EVERY_MS) {
      told = now;
      log.info("postgres.starting", { pid, for_ms: Math.round(now - began) });
    }
    // A wake takes about 20 ms and is waited for by a person; recovery takes seconds and is not worth polling for.
    await delay(now - began < 200 ? 1 : 20);
  }
}

/** Appends, and never through a link. */
async function openLog(logFile: string): Promise<number> {
  await trimLog(logFile);
  return openSync(logFile, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
}

async function readFrom(logFile: string, offset: number): Promise<string> {
  const file = await open(logFile, "r");
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(16 * 1024), 0, 16 * 1024, offset);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Turns what a server said before it ended into an error. The server's own words carry no secret at start. */
async function explain({ directory, logFile }: Cluster, offset: number, ended: string): Promise<PostgresError> {
  const said = await readFrom(logFile, offset);
  const lines = said.split("\n").filter((line) => /FATAL|PANIC|could not|contains errors|HINT|invalid/.test(line));
  const detail = lines.slice(-4).join("\n") || ended;
  if (/could not bind .*(Address already in use)/.test(said)) {
    return new PostgresError("port_taken", `another program listens there: ${detail}`);
  }
  if (/pre-existing shared memory block/.test(said)) return new OrphansLeft(detail);
  const refusal = findRefusal(said);
  if (refusal !== undefined) return refusal;
  return new PostgresError("start_failed", `the server on ${directory} did not start (${ended}): ${detail}`);
}
