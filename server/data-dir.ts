import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "./clock.ts";
import { newUuid } from "./ids.ts";
import { Secret } from "./keys/secret.ts";
import { lockDirectory } from "./postgres/directory-lock.ts";
import { PostgresError } from "./postgres/errors.ts";

/**
 * The data directory as the server sees it: who may use it now, and the two small files in it that tie it
 * to one instance. What PostgreSQL keeps below it is `postgres/`'s and `compute/`'s.
 */

/** Raised when the server may not start here; the message is for a person at a terminal. */
export class DataDirError extends Error {
  override readonly name = "DataDirError";
}

export interface DataDirLock {
  release(): Promise<void>;
}

/**
 * Takes the data directory for this process, or throws when another server has it. A server that died, by
 * whatever means, leaves nothing that would have to be cleared away by hand.
 */
export async function lockDataDir(data_dir: string): Promise<DataDirLock> {
  const lock = await tryLock(data_dir, "server.lock");
  if (lock) return lock;
  throw new DataDirError(
    `another Latchkey server is running on ${data_dir}; stop it first, or give this one its own LATCHKEY_DATA_DIR`,
  );
}

/**
 * Takes the data directory for a server. Where it is not another server but a command such as `setup` that
 * has it for a moment, the server waits for that to end rather than not to start.
 */
export async function lockDataDirForServer(data_dir: string, clock: Clock): Promise<DataDirLock> {
  for (;;) {
    const lock = await tryLock(data_dir, "server.lock");
    if (lock) return lock;
    const nobody_visits = await tryLock(data_dir, VISIT_LOCK);
    await nobody_visits?.release();
    // A visit that has ended since the first look has left the directory free.
    if (nobody_visits) return await lockDataDir(data_dir);
    await clock.sleep(LOOK_AGAIN_MS);
  }
}

/** Waits until no other command visits the data directory, then keeps others away until released. */
export async function lockDataDirForVisit(data_dir: string, clock: Clock): Promise<DataDirLock> {
  for (;;) {
    const lock = await tryLock(data_dir, VISIT_LOCK);
    if (lock) return lock;
    await clock.sleep(LOOK_AGAIN_MS);
  }
}

const VISIT_LOCK = "visit.lock";
const LOOK_AGAIN_MS = 50;

async function tryLock(data_dir: string, name: string): Promise<DataDirLock | undefined> {
  await mkdir(data_dir, { recursive: true, mode: 0o700 });
  try {
    return { release: await lockDirectory(join(data_dir, name)) };
  } catch (error) {
    if (error instanceof PostgresError && error.code === "in_use") return undefined;
    throw error;
  }
}

/**
 * The instance's secret key when none is configured: 32 random bytes made at the first start. Readable by
 * the server's own account alone; the accounts that run PostgreSQL cannot read it.
 */
export async function readOrMakeSecretKey(data_dir: string): Promise<Secret> {
  return new Secret(await readOrMake(join(data_dir, "secret-key"), () => randomBytes(32).toString("base64url")));
}

/** This node's name for life: what is placed on its disk is found under it, whatever the process is. */
export async function readOrMakeNodeId(data_dir: string): Promise<string> {
  return await readOrMake(join(data_dir, "node-id"), newUuid);
}

/**
 * Ties the directory to the instance whose database it was first used with. A directory full of one
 * instance's projects under another's database would look like a directory full of orphans.
 */
export async function bindToInstance(data_dir: string, instance_id: string): Promise<void> {
  const bound_to = await readOrMake(join(data_dir, "instance-id"), () => instance_id);
  if (bound_to !== instance_id) {
    throw new DataDirError(
      `${data_dir} holds the projects of another instance (${bound_to}) than this database (${instance_id}); ` +
        "give this server its own LATCHKEY_DATA_DIR, or the DATABASE_URL that belongs to it",
    );
  }
}

/** Reads a small file, making it first if need be: whole or not at all, and once whoever comes first. */
async function readOrMake(path: string, make: () => string): Promise<string> {
  const existing = await readIfThere(path);
  if (existing !== undefined) return existing;
  const draft = `${path}.${process.pid}`;
  const file = await open(draft, "w", 0o600);
  try {
    await file.writeFile(make());
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return (await readFile(path, "utf8")).trim();
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
