import { createHash } from "node:crypto";
import { chmod, chown, lstat, mkdir, readdir, rm, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "./account.ts";
import { PostgresError } from "./errors.ts";

/** Bytes that fit into `sockaddr_un.sun_path`, without its final NUL. */
const LONGEST_PATH = process.platform === "linux" ? 107 : 103;
/** Not `os.tmpdir()`: on macOS that is long itself. */
const SHORT_PARENT = "/tmp";

/**
 * Where a cluster's unix socket goes: the preferred directory, or a private one under /tmp when the socket's
 * path would not fit. The answer depends on the preferred path alone, so that a restarted server finds the
 * same directory again.
 */
export function socketDirectoryFor(preferred: string): string {
  const fits = Buffer.byteLength(join(preferred, ".s.PGSQL.65535")) <= LONGEST_PATH;
  // unix_socket_directories is a list, and these two characters are its syntax.
  if (fits && !/[,"]/.test(preferred)) return preferred;
  return join(SHORT_PARENT, `latchkey-${createHash("sha256").update(preferred).digest("hex").slice(0, 16)}`);
}

/**
 * Makes the socket directory, empty and closed to everyone but the account. Call it only when no server
 * process uses the directory: what a killed one left in it is deleted.
 *
 * The name under /tmp can be guessed, so another user of the machine may have made it first to read what
 * clients send there; a directory that is not ours is refused.
 */
export async function makeSocketDirectory(directory: string, account: Account): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const found = await lstat(directory);
  const ours = found.isDirectory() && (found.uid === account.uid || found.uid === process.getuid?.());
  if (!ours) throw new PostgresError("in_use", `${directory} belongs to someone else; delete it and start again`);
  if (found.uid !== account.uid) await chown(directory, account.uid, account.gid);
  if ((found.mode & 0o777) !== 0o700) await chmod(directory, 0o700);
  await Promise.all((await readdir(directory)).map((name) => unlink(join(directory, name))));
}

/** Removes what makeSocketDirectory made, if it is there. */
export async function removeSocketDirectory(directory: string): Promise<void> {
  if (directory.startsWith(`${SHORT_PARENT}/latchkey-`)) {
    const names = await readdir(directory).catch(() => []);
    await Promise.all(names.map((name) => unlink(join(directory, name)).catch(() => {})));
    await rmdir(directory).catch(() => {});
  } else {
    await rm(directory, { recursive: true, force: true });
  }
}
