import { randomBytes } from "node:crypto";
import { readFileSync, realpathSync, statSync } from "node:fs";
import { readFile, rename, rm, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { runCommand } from "./command.ts";
import { makeOwned, makePassage, removeLeftovers, syncDirectory, writeOwned } from "./files.ts";
import { inspectProcess, type ProcessIdentity } from "./process.ts";

/** The superuser of every cluster. Nobody is ever given its password, and it cannot come in over TCP. */
export const SUPERUSER = "latchkey_admin";

export interface InitOptions {
  readonly binaries: Binaries;
  readonly account: Account;
  /**
   * Statements run once as superuser in `template1` before the directory gets its name, each without the
   * closing semicolon. They travel on standard input, and must carry verifiers and no passwords.
   */
  readonly statements: readonly string[];
}

/**
 * Makes a new data directory: checksums, UTF-8, SCRAM for every connection, and a superuser without a
 * password unless a statement gives it one. It is made aside, written out and renamed, so that a directory
 * under this name is always complete, whenever the machine stopped.
 */
export async function initDataDirectory(directory: string, options: InitOptions): Promise<void> {
  const { account } = options;
  await makePassage(dirname(directory), account);
  await removeLeftovers(directory, "init");
  const aside = `${directory}.init-${randomBytes(6).toString("hex")}`;
  try {
    await makePassage(aside, account);
    const data = join(aside, "data");
    await makeOwned(data, account);
    await runInitdb(data, aside, options);
    await runSingleUser(data, options, [`ALTER ROLE ${SUPERUSER} PASSWORD NULL`, ...options.statements]);
    await syncDataDirectory(data, options);
    await rename(data, directory);
    await syncDirectory(dirname(directory));
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function runInitdb(data: string, aside: string, { binaries, account }: InitOptions): Promise<void> {
  // initdb demands a password for SCRAM, and takes it only from a file that the account can read. This one
  // is random, lives as long as initdb runs, and is void before anything listens.
  const passwords = join(aside, "password");
  await makeOwned(passwords, account);
  const passwordFile = join(passwords, "file");
  await writeOwned(passwordFile, `${randomBytes(24).toString("base64url")}\n`, account);
  // The built-in C.UTF-8 (17 and later) sorts by code point, the same on every machine, and still knows
  // letters beyond ASCII; the C library's locales change under an index when the system is upgraded.
  const locale =
    binaries.major >= 17 ? ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"] : ["--no-locale"];
  await runCommand(
    binaries.initdb,
    [
      ...["-D", data, "-U", SUPERUSER, "--encoding=UTF8", ...locale, "--data-checksums"],
      ...["--auth-local=scram-sha-256", "--auth-host=scram-sha-256", `--pwfile=${passwordFile}`],
      ...["--no-instructions", "--no-sync"],
    ],
    { account },
  );
}

/** Runs statements as superuser on a cluster that is stopped, without a password. It must be cleanly shut down or new. */
export async function runSingleUser(
  directory: string,
  { binaries, account }: Pick<InitOptions, "binaries" | "account">,
  statements: readonly string[],
): Promise<void> {
  const args = ["--single", "-j", "-D", directory, "-c", "exit_on_error=on", "-c", "log_checkpoints=off"];
  // Without this a failed statement is repeated in full in the error, verifier and all.
  args.push("-c", "log_min_error_statement=panic", "template1");
  await runCommand(binaries.postgres, args, { account, input: statements.map((text) => `${text};\n\n`).join("") });
}

/** Writes a data directory out to the disk: files that `cp` or `initdb` made are in memory alone until then. */
export async function syncDataDirectory(
  directory: string,
  { binaries, account, signal }: Pick<InitOptions, "binaries" | "account"> & { readonly signal?: AbortSignal },
): Promise<void> {
  // A thousand fsyncs take a second and hold up those of running servers; one syncfs takes 50 ms.
  const wholesale = process.platform === "linux" && binaries.major >= 17 ? ["--sync-method=syncfs"] : [];
  const options = signal === undefined ? { account } : { account, signal };
  await runCommand(binaries.initdb, ["--sync-only", ...wholesale, "-D", directory], options);
}

/** The major version of a data directory, or undefined when there is none. */
export async function readVersion(directory: string): Promise<number | undefined> {
  const text = await readFile(join(directory, "PG_VERSION"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : Number.parseInt(text, 10);
}

/** A running server process of one data directory. */
export interface Postmaster extends ProcessIdentity {
  readonly port: number;
  readonly socketDirectory: string;
  /** Whether it takes connections. */
  readonly ready: boolean;
}

/** What `postmaster.pid` says, true or not (src/include/utils/pidfile.h). */
export interface PidFile {
  readonly pid: number;
  readonly port: number;
  readonly socketDirectory: string;
  readonly ready: boolean;
}

/** Reads `postmaster.pid`; undefined when there is none, or it is being written. Blocks for microseconds. */
export function readPidFile(directory: string): PidFile | undefined {
  try {
    const lines = readFileSync(join(directory, "postmaster.pid"), "utf8").split("\n");
    const pid = Number(lines[0]);
    if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
    const status = lines[7]?.trim();
    return {
      pid,
      port: Number(lines[3] ?? 0),
      socketDirectory: lines[4] ?? "",
      ready: status === "ready" || status === "standby",
    };
  } catch {
    return undefined;
  }
}

/**
 * Finds the server process that works with a data directory, whoever started it. The pid in `postmaster.pid`
 * may have passed to another process since; it counts only for a `postgres` of the directory's owner that
 * was started with this very directory. That covers the mean case too: after a crash the pid of one
 * cluster's postmaster is taken by another cluster's.
 */
export function findPostmaster(directory: string): Postmaster | undefined {
  const file = readPidFile(directory);
  if (file === undefined) return undefined;
  const found = inspectProcess(file.pid);
  if (found === undefined) return undefined;
  const [program = "", ...args] = found.arguments;
  if (basename(program) !== "postgres" || found.uid !== statSync(directory, { throwIfNoEntry: false })?.uid)
    return undefined;
  const named = args[args.indexOf("-D") + 1];
  if (!args.includes("-D") || named === undefined || !isSameDirectory(named, directory)) return undefined;
  return { ...file, started: found.started };
}

function isSameDirectory(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}

/**
 * Deletes a `postmaster.pid` that no server process stands behind. PostgreSQL itself refuses to start when
 * the pid in it belongs to any process of the same account, and here all clusters share one account. What
 * remains of the interlock is the shared memory segment, keyed by the directory's inode, which still keeps
 * a new server out while backends of a killed one live.
 */
export async function removeStalePidFile(directory: string): Promise<void> {
  if (findPostmaster(directory) !== undefined) return;
  await unlink(join(directory, "postmaster.pid")).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}
