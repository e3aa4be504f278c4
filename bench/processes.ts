import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

/** Servers on one core and the load on another, where there are two and the system can pin. */
const SERVER_CORE = "0";
const LOAD_CORE = "1";
const pins = process.platform === "linux" && availableParallelism() >= 2;

export interface Measured {
  readonly per_second: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly good: number;
  readonly other: number;
  readonly lost: number;
  /** CPU time of the server process for each request, user and system. */
  readonly cpu_us: number;
  readonly memory_mb: number;
}

const children = new Set<ChildProcess>();
// A bench that fails half way leaves nobody running.
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

function spawnOn(core: string, args: string[], env: Record<string, string>): ChildProcess {
  const [program, ...rest] = pins ? ["taskset", "-c", core, process.execPath, ...args] : [process.execPath, ...args];
  const child = spawn(program ?? "", rest, { stdio: ["ignore", "pipe", "inherit"], env: { ...clean(), ...env } });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

function clean(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(LATCHKEY_|DATABASE_URL$)/.test(name));
  return Object.fromEntries(kept) as Record<string, string>;
}

export class Contender {
  readonly name: string;
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(name: string, port: number, child: ChildProcess) {
    this.name = name;
    this.port = port;
    this.#child = child;
  }

  /** Starts a server and waits for a line that begins as given. */
  static async start(
    name: string,
    port: number,
    args: string[],
    env: Record<string, string>,
    ready: RegExp,
  ): Promise<Contender> {
    const child = spawnOn(SERVER_CORE, args, env);
    let output = "";
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on("data", (chunk: Buffer) => {
        output += chunk;
        if (ready.test(output)) resolve();
      });
      child.once("exit", (code) => reject(new Error(`${name} ended with ${code}: ${output}`)));
    });
    return new Contender(name, port, child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Waits until its child processes, which share its core, have done what a first start takes. */
  async settle(): Promise<void> {
    for (let calm = 0; calm < 20; ) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      const children = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, "utf8").trim();
      calm = children === "" ? calm + 1 : 0;
    }
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await ended;
  }

  /** Puts the load on and measures; the tokens of `beside` come from as many connections more, unmeasured. */
  async measure(
    tokens_file: string,
    seconds: number,
    connections = 64,
    order = "round",
    beside = "",
  ): Promise<Measured> {
    const args = [
      join(import.meta.dirname, "load.ts"),
      String(this.port),
      "/api/v2/auth",
      tokens_file,
      String(connections),
      String(seconds),
      order,
      beside,
    ];
    const child = spawnOn(LOAD_CORE, args, {});
    let before = 0;
    let after = 0;
    let memory_mb = 0;
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk;
      if (before === 0 && output.includes("begin")) before = cpuOf(this.pid);
      if (after === 0 && output.includes("}")) {
        after = cpuOf(this.pid);
        memory_mb = memoryOf(this.pid);
      }
    });
    await once(child, "close");
    const result = JSON.parse(output.slice(output.indexOf("{"))) as Omit<Measured, "cpu_us" | "memory_mb">;
    return { ...result, cpu_us: ((after - before) * 1e6) / (result.good + result.other), memory_mb };
  }
}

/** Seconds of CPU that a process has used. */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
