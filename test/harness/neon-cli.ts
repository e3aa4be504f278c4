import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import type { TestServer } from "./server.ts";
import { ensureProgram } from "./system-packages.ts";

/** Real programs of others, run as a person would: Neon's CLI and psql. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end with nothing of the developer's own configuration in its environment. */
export async function run(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
  cwd = tmpdir(),
): Promise<Run> {
  const { PATH = "" } = process.env;
  const child = spawn(program, args, {
    env: { PATH, HOME: tmpdir(), ...env },
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

const manifest = createRequire(import.meta.url).resolve("neon/package.json");
const { bin, version } = createRequire(import.meta.url)(manifest) as { bin: { neon: string }; version: string };
export const NEON_VERSION = version;

/** The unmodified `neon` CLI, pointed at a server with a key, with a configuration folder of its own. */
export class NeonCli {
  readonly #server: TestServer;
  readonly #config_dir: string;
  readonly #key: string;
  /** Where it is called: it looks there for a linked project. */
  readonly #folder: string;

  private constructor(server: TestServer, config_dir: string, key: string, folder = config_dir) {
    this.#server = server;
    this.#config_dir = config_dir;
    this.#key = key;
    this.#folder = folder;
  }

  static async open(server: TestServer, key: string): Promise<NeonCli> {
    return new NeonCli(server, await mkdtemp(join(tmpdir(), "neon-cli-")), key);
  }

  /** The same configuration with another key. */
  withKey(key: string): NeonCli {
    return new NeonCli(this.#server, this.#config_dir, key);
  }

  /** The same, called in another folder. */
  in(folder: string): NeonCli {
    return new NeonCli(this.#server, this.#config_dir, this.#key, folder);
  }

  async close(): Promise<void> {
    await rm(this.#config_dir, { recursive: true, force: true });
  }

  /** Runs one command; flags of ours come first, since what follows `--` is not the CLI's. */
  async run(...args: string[]): Promise<Run> {
    const flags = ["--config-dir", this.#config_dir, "--no-analytics", "--no-color"];
    const env = { NEON_API_HOST: this.#server.api, NEON_API_KEY: this.#key, CI: "true" };
    return await run(process.execPath, [join(dirname(manifest), bin.neon), ...flags, ...args], env, this.#folder);
  }

  /** Runs a command that must succeed, and returns what it printed. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`neon ${args.join(" ")} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Like `ok`, with the answer as the CLI prints it in JSON. */
  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.ok(...args, "--output", "json")) as T;
  }
}

export async function ensurePsql(): Promise<void> {
  await ensureProgram(["psql"], "postgresql-client");
}
