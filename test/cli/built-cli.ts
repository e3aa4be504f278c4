import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before } from "node:test";
import { buildCli } from "../../cli/build.ts";
import { TOPICS } from "../../cli/topics.ts";

/** The command as it is published, built once for a test file, and run as a process of its own. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
}

export class BuiltCli {
  /** A scratch directory, with the command as `bin/latchkey`. */
  readonly directory: string;
  readonly file: string;
  /** What every run has in its environment. */
  env: Record<string, string> = {};
  /** The words of every run, for a test of whether all commands were tried. */
  readonly ran: string[][] = [];

  constructor(directory: string, file: string) {
    this.directory = directory;
    this.file = file;
  }

  get bin(): string {
    return join(this.directory, "bin");
  }

  /** Runs `latchkey` with these words; stdin is empty unless given, so that nobody is there to ask. */
  async run(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
    this.ran.push([...words]);
    return await runProcess(process.execPath, [this.file, ...words], { cwd: this.directory, ...this.#with(options) });
  }

  /** Like `run`; throws unless it ended well, and returns what it printed as JSON. */
  async json<T>(words: readonly string[], options: RunOptions = {}): Promise<T> {
    const { code, stdout, stderr } = await this.run(words, options);
    if (code !== 0) throw new Error(`latchkey ${words.join(" ")} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Runs a line of bash in which `latchkey` is the command. */
  async bash(line: string, options: RunOptions = {}): Promise<Ran> {
    return await runProcess("bash", ["--norc", "-c", line], { cwd: this.directory, ...this.#with(options) });
  }

  #with(options: RunOptions): RunOptions & { env: Record<string, string> } {
    const { PATH = "", HOME = "" } = process.env;
    const base = {
      PATH: [this.bin, dirname(process.execPath), PATH].join(delimiter),
      HOME,
      TMPDIR: tmpdir(),
      LATCHKEY_CONFIG_DIR: join(this.directory, "config"),
      LATCHKEY_KEYRING: "off",
    };
    return { ...options, env: { ...base, ...this.env, ...options.env } };
  }
}

/** What `resources.test.ts` tries; `commands.test.ts` tries all other topics. */
export const RESOURCE_TOPICS: ReadonlySet<string> = new Set([
  "branches",
  "endpoints",
  "databases",
  "roles",
  "invitations",
]);

/** Throws unless every command of these topics was run. */
export async function assertAllRun({ ran }: BuiltCli, isMeant: (topic: string) => boolean): Promise<void> {
  const lines = ran.map((words) => words.join(" "));
  for (const { name, aliases = [], load } of TOPICS) {
    if (!isMeant(name)) continue;
    const { self, commands = [] } = (await load()).default;
    const tried = (tail: string) =>
      [name, ...aliases].some((word) => lines.some((line) => `${line} `.startsWith(`${word}${tail} `)));
    if (self) assert.ok(tried(""), `latchkey ${name}`);
    for (const command of commands) assert.ok(tried(` ${command.name}`), `latchkey ${name} ${command.name}`);
  }
}

/** Builds the command before the tests of a file, and removes it after them. */
export function useBuiltCli(): { readonly cli: BuiltCli } {
  let cli: BuiltCli | undefined;
  before(async () => {
    const directory = await mkdtemp(join(tmpdir(), "latchkey-cli-"));
    const file = await buildCli(join(directory, "package"));
    await mkdir(join(directory, "bin"));
    await symlink(file, join(directory, "bin", "latchkey"));
    cli = new BuiltCli(directory, file);
  });
  after(async () => {
    if (cli) await rm(cli.directory, { recursive: true, force: true });
  });
  return {
    get cli() {
      if (!cli) throw new Error("the command is built before the tests, and not before that");
      return cli;
    },
  };
}

/** Runs a program to its end, with exactly this environment. */
export async function runProcess(
  program: string,
  args: readonly string[],
  { env, input, cwd }: RunOptions & { env: Readonly<Record<string, string>> },
): Promise<Ran> {
  const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "pipe"], ...(cwd === undefined ? {} : { cwd }) });
  // A program that ends before it has read its input is not an error of the test.
  child.stdin.on("error", () => {});
  child.stdin.end(input ?? "");
  const text = async (stream: NodeJS.ReadableStream) => {
    let read = "";
    for await (const chunk of stream) read += chunk;
    return read;
  };
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, stderr, code: code as number | null };
}
