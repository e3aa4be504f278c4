import { readdirSync, readFileSync } from "node:fs";
import { cpuSeconds } from "../server/postgres/process.ts";

/** Memory as the kernel accounts it to processes: the proportional set size, in which what is shared is divided. */

/** Of a process, in MB. */
export function memoryOf(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readIfThere(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) / 1024;
}

/** Of all postgres processes whose server was started below a directory. */
export function postgresMemory(directory: string): { servers: number; total_mb: number } {
  const processes = allProcesses();
  const servers = serversBelow(directory, processes);
  let total_mb = 0;
  for (const pid of processes) if (servers.has(pid) || servers.has(parentOf(pid))) total_mb += memoryOf(pid);
  return { servers: servers.size, total_mb };
}

/** Seconds of processor time that all postgres processes whose server was started below a directory have used, ended ones too. */
export function postgresCpu(directory: string): number {
  let seconds = 0;
  for (const pid of serversBelow(directory, allProcesses())) seconds += cpuSeconds(pid) ?? 0;
  return seconds;
}

const allProcesses = () =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

const serversBelow = (directory: string, processes: readonly number[]) =>
  new Set(processes.filter((pid) => readIfThere(`/proc/${pid}/cmdline`).includes(directory)));

function parentOf(pid: number): number {
  const [, parent] = readIfThere(`/proc/${pid}/stat`)
    .replace(/^.*\) /, "")
    .split(" ");
  return Number(parent);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
