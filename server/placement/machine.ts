import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { inspectProcess, isAlive } from "../postgres/process.ts";

/** A process as those of the same machine can look it up: a pid means nothing in another namespace or after a boot. */
interface Holder {
  readonly pid: number;
  readonly started: string;
  readonly pids: string;
}

/** What this process is told apart by; text, for a column. */
export function thisProcess(): string {
  const self = inspectProcess(process.pid);
  if (self === undefined) throw new Error("this process cannot be looked up");
  return JSON.stringify({ pid: self.pid, started: self.started, pids: namespace("pid") } satisfies Holder);
}

/** Whether a process has certainly ended. One of another machine, or of before its last boot, never has. */
export function hasEnded(text: string): boolean {
  const holder = JSON.parse(text) as Holder;
  return holder.pids === namespace("pid") && !isAlive(holder);
}

/** Processes with the same one reach each other by loopback addresses. */
export const thisNetwork = (): string => namespace("net");

function namespace(kind: "pid" | "net"): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync(`/proc/self/ns/${kind}`)}`;
  } catch {
    return hostname();
  }
}
