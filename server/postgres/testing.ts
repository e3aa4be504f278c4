import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { type Account, findAccount } from "./account.ts";
import { type Binaries, locateBinaries } from "./binaries.ts";
import { findPostmaster, initDataDirectory, readPidFile, SUPERUSER } from "./data-directory.ts";
import { silent } from "./events.ts";
import { copyTree, makePassage } from "./files.ts";
import { isAlive } from "./process.ts";
import { RunningCluster } from "./running-cluster.ts";
import { scramVerifier } from "./scram.ts";

/** What tests of this room and of the drivers share. Not for production code. */
export interface Place {
  readonly dataDir: string;
  readonly binaries: Binaries;
  readonly account: Account;
  /** Work to do before the servers are killed and the directory is deleted, the latest first. */
  readonly closing: (() => unknown)[];
}

/**
 * Makes a data directory of its own for a test. Afterwards every server started in it is killed and the
 * directory deleted, however the test ended. Programs may not be executable in memory: name a parent for those.
 */
export async function makePlace(t: Pick<TestContext, "after">, parent?: string): Promise<Place> {
  const dataDir = await mkdtemp(join(parent ?? (await roomyMemory()), "latchkey-test-"));
  const closing: (() => unknown)[] = [];
  t.after(async () => {
    for (const work of closing.reverse()) await work();
    await killServers(dataDir);
    // A process that was being killed may have written meanwhile.
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  });
  const account = findAccount();
  await makePassage(dataDir, account);
  return { dataDir, binaries: await locateBinaries({ dataDir, account }), account, closing };
}

/** A file system in memory where there is a large one: tests copy whole clusters, and nothing here tests the disk. */
async function roomyMemory(): Promise<string> {
  const found = await statfs("/dev/shm").catch(() => undefined);
  return found !== undefined && found.bavail * found.bsize > 2 ** 31 ? "/dev/shm" : "/tmp";
}

/** Kills every server whose data directory lies under a directory. */
export async function killServers(directory: string): Promise<void> {
  for (const data of await dataDirectories(directory)) {
    const found = findPostmaster(data);
    if (found === undefined) continue;
    const running = new RunningCluster({ identity: found, ...found, log: silent });
    await running.stop("immediate");
  }
}

async function dataDirectories(directory: string, depth = 5): Promise<string[]> {
  if (depth === 0) return [];
  if (readPidFile(directory) !== undefined) return [directory];
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(directory, entry.name));
  return (await Promise.all(folders.map((folder) => dataDirectories(folder, depth - 1)))).flat();
}

/** A password for tests, random so that it can be searched for where it must not be. */
export const newPassword = () => randomBytes(18).toString("base64url");

/** Makes a data directory whose superuser has the password given. */
export async function initTestCluster(directory: string, place: Place, password: string): Promise<void> {
  const verifier = await scramVerifier(password);
  const statements = [`ALTER ROLE ${SUPERUSER} PASSWORD '${verifier}'`];
  await initDataDirectory(directory, { ...place, statements });
}

export { copyTree };

/** A port that nobody listens on at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Opens a session, runs work, closes it. */
export async function withSession<T>(config: pg.ClientConfig, work: (session: pg.Client) => Promise<T>): Promise<T> {
  const session = new pg.Client(config);
  session.on("error", () => {});
  await session.connect();
  try {
    return await work(session);
  } finally {
    await session.end();
  }
}

/** Waits for a state; fails at the deadline. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeout_ms = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeout_ms;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await delay(5);
  }
}

/** Kills the server of a data directory as the kernel would when memory runs out, and waits until it has gone. */
export async function killPostmaster(directory: string): Promise<void> {
  const found = findPostmaster(directory);
  if (found === undefined) throw new Error("nothing to kill");
  process.kill(found.pid, "SIGKILL");
  await until("the postmaster has gone", () => !isAlive(found));
}

/** The environment of a running process, as its account could read it. */
export const environmentOf = (pid: number) => readFile(`/proc/${pid}/environ`, "utf8");
