import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/**
 * What a run of tests left on the machine, told by the name of the run's temporary directory, which is like no
 * other. Tests that must use another place (memory, for speed) put that name into theirs.
 */
export interface LeftProcess {
  readonly pid: number;
  readonly command: string;
}

const GRACE_MS = 5_000;

/**
 * Processes with the name in their arguments, in the path where they stand, or in the TMPDIR that they were
 * started with. One that is on its way out gets some seconds.
 */
export async function findLeftProcesses(directory: string, grace_ms: number = GRACE_MS): Promise<LeftProcess[]> {
  const deadline = performance.now() + grace_ms;
  const name = basename(directory);
  for (;;) {
    const found = process.platform === "linux" ? listByProc(name) : listByPs(name);
    if (found.length === 0 || performance.now() > deadline) return found;
    await delay(50);
  }
}

export function endProcesses(processes: readonly LeftProcess[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

/**
 * Paths in the directory, two levels deep, which is enough to know who left them; and what carries its name
 * beside it and in memory.
 */
export async function findLeftFiles(directory: string): Promise<string[]> {
  const left: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    left.push(path);
    if (!entry.isDirectory()) continue;
    left.push(...(await readdir(path).catch(() => [])).map((name) => join(path, name)));
  }
  for (const place of new Set([dirname(directory), "/tmp", "/dev/shm"])) {
    const paths = (await readdir(place).catch(() => [])).map((name) => join(place, name));
    left.push(...paths.filter((path) => path !== directory && path.includes(basename(directory))));
  }
  return left;
}

function listByProc(mark: string): LeftProcess[] {
  const found: LeftProcess[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || pid === process.pid) continue;
    const read = (file: string) => attempt(() => readFileSync(`/proc/${name}/${file}`, "utf8"));
    const command = read("cmdline").split("\0").join(" ").trim();
    const place = attempt(() => readlinkSync(`/proc/${name}/cwd`));
    const environment = read("environ").split("\0");
    const temporary = environment.find((entry) => entry.startsWith("TMPDIR=")) ?? "";
    if ([command, place, temporary].some((text) => text.includes(mark))) {
      found.push({ pid, command: command || "(no command line)" });
    }
  }
  return found;
}

/** A process may end while we look at it, or belong to somebody else. */
function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

function listByPs(mark: string): LeftProcess[] {
  const { stdout } = spawnSync("ps", ["-axww", "-o", "pid=,command="], { encoding: "utf8" });
  const lines = stdout.split("\n").map((line) => /^\s*(\d+) (.*)$/.exec(line));
  return lines.flatMap((line) => {
    const command = line?.[2] ?? "";
    return command.includes(mark) ? [{ pid: Number(line?.[1]), command }] : [];
  });
}
