import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { CHILD_ENV } from "./command.ts";

/**
 * One process, told apart from a later one that was given the same pid. Pids are reused within minutes on a
 * busy machine, so a pid read from a file is only a hint of which process is meant, and a signal sent on
 * that hint may kill a stranger.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /**
   * Boot and moment of start. Ticks since boot rather than wall time: a clock that was set (a virtual
   * machine that resumed) must not make a process look like another one.
   */
  readonly started: string;
}

export interface ProcessDetails extends ProcessIdentity {
  readonly uid: number;
  /** Program and arguments; on systems without /proc split at spaces, hence only good for finding a part. */
  readonly arguments: readonly string[];
}

/** Looks a process up, or undefined when there is none or only its unreaped remains. */
export function inspectProcess(pid: number): ProcessDetails | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return process.platform === "linux" ? inspectByProc(pid) : inspectByPs(pid);
}

export function isAlive(identity: ProcessIdentity): boolean {
  const started = process.platform === "linux" ? startedByProc(identity.pid) : inspectByPs(identity.pid)?.started;
  return started === identity.started;
}

/** Sends a signal if the process is still the same one; returns whether it was sent. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch {
    return false;
  }
}

function inspectByProc(pid: number): ProcessDetails | undefined {
  const started = startedByProc(pid);
  if (started === undefined) return undefined;
  try {
    // These two are readable by everyone. `cwd` and `exe` would say more, but root in a container without
    // CAP_SYS_PTRACE may not read them for processes of another account.
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]);
    return { pid, started, uid, arguments: readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1) };
  } catch {
    return undefined;
  }
}

let boot: string | undefined;

/** proc_pid_stat(5): the command is in parentheses and may hold any byte; state is field 3, start time field 22. */
function startedByProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    boot ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot}/${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** Of clock ticks, which Linux counts in hundredths of a second for every program that asks. */
const TICKS_PER_SECOND = 100;

/**
 * Processor time of a server: its own, that of the children that have ended, and of those that run. Undefined where
 * the system has no /proc, or the process has gone.
 */
export function cpuSeconds(pid: number): number | undefined {
  const own = ticksOf(pid);
  if (own === undefined) return undefined;
  let ticks = own.self + own.ended_children;
  for (const child of childrenOf(pid)) ticks += ticksOf(child)?.self ?? 0;
  return ticks / TICKS_PER_SECOND;
}

/** proc_pid_stat(5): utime, stime, cutime and cstime are fields 14 to 17. */
function ticksOf(pid: number): { self: number; ended_children: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [user = 0, system = 0, children_user = 0, children_system = 0] = fields.slice(11);
    return { self: user + system, ended_children: children_user + children_system };
  } catch {
    return undefined;
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function inspectByPs(pid: number): ProcessDetails | undefined {
  const ps = spawnSync("ps", ["-ww", "-o", "stat=,uid=,lstart=,command=", "-p", String(pid)], {
    encoding: "utf8",
    env: CHILD_ENV,
  });
  const [state = "Z", uid, ...rest] = ps.status === 0 ? ps.stdout.trim().split(/\s+/) : [];
  if (state.startsWith("Z")) return undefined;
  return { pid, started: rest.slice(0, 5).join(" "), uid: Number(uid), arguments: rest.slice(5) };
}
