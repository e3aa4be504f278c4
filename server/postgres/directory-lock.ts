import { randomBytes } from "node:crypto";
import { link, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { PostgresError } from "./errors.ts";
import { inspectProcess, isAlive, type ProcessIdentity } from "./process.ts";

/**
 * Takes a lock file for this process until the returned function is called. Two servers on one data
 * directory would adopt, restart and stop each other's processes. A lock whose process has died, by
 * whatever means, is taken over. Throws `in_use` when the holder lives, this process included.
 */
export async function lockDirectory(path: string): Promise<() => Promise<void>> {
  const self = inspectProcess(process.pid);
  if (self === undefined) throw new PostgresError("unsupported", "this process cannot be looked up");
  const mine = `${path}.${randomBytes(6).toString("hex")}`;
  const { pid, started } = self;
  await writeFile(mine, JSON.stringify({ pid, started }), { flag: "wx", mode: 0o600 });
  try {
    // A link appears with its content, and appears for one of two only.
    while (!(await tryLink(mine, path))) await clearStale(path);
  } finally {
    await unlink(mine);
  }
  return () => unlink(path).catch(() => {});
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function clearStale(path: string): Promise<void> {
  refuseLiving(path, await readHolder(path));
  // Moved aside before it is deleted, and looked at again: another process may have replaced it since.
  const aside = `${path}.stale-${randomBytes(6).toString("hex")}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const holder = await readHolder(aside);
  if (holder !== undefined && isAlive(holder)) await tryLink(aside, path);
  await unlink(aside);
  refuseLiving(path, holder);
}

function refuseLiving(path: string, holder: ProcessIdentity | undefined): void {
  if (holder === undefined || !isAlive(holder)) return;
  throw new PostgresError("in_use", `process ${holder.pid} already works with this directory (${path})`);
}

async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  try {
    const { pid, started } = JSON.parse(await readFile(path, "utf8")) as Partial<ProcessIdentity>;
    return typeof pid === "number" && typeof started === "string" ? { pid, started } : undefined;
  } catch {
    return undefined;
  }
}
