import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, chmod, chown, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Account } from "./account.ts";
import { runCommand } from "./command.ts";
import { PostgresError } from "./errors.ts";

/**
 * Files and directories shared by two accounts. When Latchkey runs as root, PostgreSQL's account owns its
 * data directories and may pass through the directories above them, and that is all: it runs strangers'
 * SQL, so it must not be able to read our secrets, nor to plant a symbolic link that root follows.
 */

/**
 * Makes a directory that this process owns and that the account may pass through but not list or change, and
 * those above it that are missing. One that exists is opened for the account as far as is needed, no further.
 */
export async function makePassage(directory: string, account: Account): Promise<void> {
  if (!(await exists(dirname(directory)))) await makePassage(dirname(directory), account);
  await mkdir(directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  if (account.is_self) return;
  const { mode, gid } = await stat(directory);
  if ((mode & 0o001) !== 0 || (gid === account.gid && (mode & 0o010) !== 0)) return;
  await chown(directory, -1, account.gid);
  await chmod(directory, (mode & 0o7700) | 0o010);
}

/**
 * Makes the data directory itself usable, or throws `unreachable_directory`. Started as root from a
 * directory under /root, the account cannot get there whatever modes we set below.
 */
export async function prepareDataDir(dataDir: string, account: Account): Promise<void> {
  await makePassage(dataDir, account);
  if (await canEnter(account, dataDir)) return;
  let barrier = dataDir;
  while (dirname(barrier) !== barrier && !(await canEnter(account, dirname(barrier)))) barrier = dirname(barrier);
  throw new PostgresError(
    "unreachable_directory",
    `PostgreSQL does not run as root, so it runs as the account ${account.name}, which cannot enter ${barrier}. ` +
      "Set LATCHKEY_DATA_DIR to a directory outside of it, such as /var/lib/latchkey, " +
      "or start Latchkey as an ordinary user.",
  );
}

/** Whether the account can enter a directory; the kernel is asked, since modes are not all there is (ACLs). */
export async function canEnter(account: Account, directory: string): Promise<boolean> {
  try {
    if (account.is_self) await access(directory, constants.X_OK);
    else await runCommand("/bin/sh", ["-c", 'cd -- "$1"', "sh", directory], { account });
    return true;
  } catch {
    return false;
  }
}

/** Makes a directory that belongs to the account alone. */
export async function makeOwned(directory: string, account: Account): Promise<void> {
  await mkdir(directory, { mode: 0o700 });
  if (!account.is_self) await chown(directory, account.uid, account.gid);
}

/**
 * Replaces a file in a directory that the account owns. Written aside and renamed: a link planted under the
 * final name would otherwise make root overwrite whatever it points to.
 */
export async function writeOwned(path: string, text: string, account: Account): Promise<void> {
  await writeAside(path, text, { account, sync: false });
}

/** Replaces a file that only this process's own account can read. */
export async function writePrivate(path: string, text: string): Promise<void> {
  await writeAside(path, text, { sync: false });
}

/** The same, and the file survives a loss of power. */
export async function writePrivateDurably(path: string, text: string): Promise<void> {
  await writeAside(path, text, { sync: true });
  await syncDirectory(dirname(path));
}

async function writeAside(path: string, text: string, options: { account?: Account; sync: boolean }): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString("hex")}`;
  // "wx" is O_CREAT | O_EXCL, which never follows a link.
  const file = await open(aside, "wx", 0o600);
  try {
    await file.writeFile(text);
    if (options.account?.is_self === false) await file.chown(options.account.uid, options.account.gid);
    if (options.sync) await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
}

/** A rename survives a loss of power only when the directory that holds the name has been written out. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Deletes what interrupted work left beside `path`: its siblings named `<name>.<kind>-…`. */
export async function removeLeftovers(path: string, kind: string): Promise<void> {
  const prefix = `${basename(path)}.${kind}-`;
  const names = await readdir(dirname(path)).catch(() => []);
  const leftovers = names.filter((name) => name.startsWith(prefix));
  await Promise.all(leftovers.map((name) => discard(join(dirname(path), name))));
}

/**
 * Deletes a directory in which a `cp` or `initdb` of a killed server may still be writing: it is moved from
 * under their feet first, and they fail, but not before they have finished the file they are at.
 */
export async function discard(directory: string): Promise<void> {
  const aside = `${directory}.discarded-${randomBytes(6).toString("hex")}`;
  try {
    await rename(directory, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  await rm(aside, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 });
}

/**
 * Copies a tree with owners, modes and times, sharing blocks where the file system can. `cp` is four times
 * quicker than Node's own recursive copy.
 */
export async function copyTree(from: string, to: string, signal?: AbortSignal): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  if (process.platform === "darwin") {
    await runCommand("cp", ["-Rpc", from, to], options);
    return;
  }
  try {
    await runCommand("cp", ["-a", "--reflink=auto", from, to], options);
  } catch (error) {
    // BusyBox knows no --reflink.
    if (!(error instanceof Error && error.message.includes("unrecognized option"))) throw error;
    await runCommand("cp", ["-a", from, to], options);
  }
}
