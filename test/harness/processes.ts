import { spawnSync } from "node:child_process";
import { findLeftProcesses } from "../../scripts/leftovers.ts";

/** A running PostgreSQL server: the process that was started with `-D`, not the children that it forks. */
export interface Postmaster {
  readonly pid: number;
  /** Its data directory. */
  readonly directory: string;
}

/** The PostgreSQL servers that run out of a data directory of ours: the embedded database and the computes. */
export async function postmastersOf(data_dir: string): Promise<Postmaster[]> {
  const processes = await findLeftProcesses(data_dir, 0);
  const found = processes.flatMap(({ pid, command }) => {
    const directory = / -D (\S+)/.exec(command)?.[1];
    return directory?.startsWith(data_dir) ? [{ pid, directory }] : [];
  });
  const pids = new Set(found.map(({ pid }) => pid));
  return found.filter(({ pid }) => found.length < 2 || !pids.has(parentOf(pid)));
}

/** A child that has just been forked bears its parent's arguments until it has given itself a title. */
function parentOf(pid: number): number {
  return Number(spawnSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim() || 0);
}

export const isEmbedded = ({ directory }: Postmaster): boolean => directory.endsWith("/postgres/data");

/** The one server that the condition names; throws when there is none or several. */
export async function findPostmaster(data_dir: string, condition: (postmaster: Postmaster) => boolean) {
  const found = (await postmastersOf(data_dir)).filter(condition);
  const [only] = found;
  if (only === undefined || found.length > 1) throw new Error(`${found.length} PostgreSQL servers instead of one`);
  return only;
}

/** Whether a process that the test has started, directly or not, is there still. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
