import { mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CliError } from "../exit.ts";

const PATIENCE_MS = 10_000;
const POLL_MS = 25;
/** Nobody holds the lock for longer than a refresh of a token takes; an older one was left by a crash. */
const STALE_MS = 120_000;

/**
 * Runs the work while no other `latchkey` of this person runs its own: two that write at once would lose one
 * of the two changes, and two that refresh the same login at once would look like a stolen token.
 */
export async function withFileLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const lock = `${file}.lock`;
  await mkdir(dirname(lock), { recursive: true, mode: 0o700 });
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      await takeLock(lock);
      break;
    } catch (error) {
      if (!isCode(error, "EEXIST")) throw error;
    }
    if ((await isAbandoned(lock)) && (await clear(lock))) continue;
    if (performance.now() > deadline) {
      throw new CliError("failed", "another latchkey holds the credentials", `remove ${lock} if none is running`);
    }
    await sleep(POLL_MS);
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

/** Makes the lock's file; throws EEXIST when there is one. One that cannot be written would hold everybody up. */
async function takeLock(lock: string): Promise<void> {
  const handle = await open(lock, "wx", 0o600);
  try {
    await handle.writeFile(String(process.pid));
  } catch (error) {
    await rm(lock, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Removes an abandoned lock; false while somebody else does. One at a time, and after another look: of two that have seen
 * it the second would else remove what the first has put in its place.
 */
async function clear(lock: string): Promise<boolean> {
  const turn = `${lock}.clearing`;
  try {
    await takeLock(turn);
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
    if (await isAbandoned(turn)) await rm(turn, { force: true });
    return false;
  }
  try {
    if (await isAbandoned(lock)) await rm(lock, { force: true });
  } finally {
    await rm(turn, { force: true });
  }
  return true;
}

async function isAbandoned(lock: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(lock, "utf8"));
    const { mtimeMs } = await stat(lock);
    if (Date.now() - mtimeMs > STALE_MS) return true;
    // Just made, and its owner has not yet written who it is.
    if (!(pid > 0)) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return isCode(error, "ESRCH");
  }
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
