import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertLikeNeon } from "./neon-openapi.ts";

/**
 * The real server as a child process on a free port with a data directory of its own, as a person would
 * run it. Every answer that passes through here is held against Neon's document.
 */
const ROOT = join(import.meta.dirname, "../..");
/** Of a machine that is starved; a start takes a second and a half. */
const READY_DEADLINE_MS = 180_000;

/** Where to say what happens when a test or a suite ends: a test's context, or `{ after }` of a suite. */
export interface AtEnd {
  after(close: () => unknown): unknown;
}

export interface Answer<Body = unknown> {
  readonly status: number;
  readonly body: Body;
  readonly headers: Headers;
  readonly cookies: string[];
}

export interface CallOptions {
  readonly key?: string;
  readonly cookie?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

export interface SetupLine {
  readonly user_id: string;
  readonly org_id: string;
  readonly api_key: string;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Runs one of the server's programs to its end. */
export async function runProgram(file: string, args: string[], env: Record<string, string>, input?: string) {
  const child = spawn(process.execPath, [join(ROOT, file), ...args], {
    env: { ...baseEnvironment(), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.end(input ?? "");
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, stderr, code: code as number | null };
}

/** Nothing of the developer's own configuration reaches a test. */
export function baseEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(LATCHKEY_|NEON_|DATABASE_URL$|PG[A-Z]+$|NODE_TEST_CONTEXT$)/.test(name),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let out = "";
  for await (const chunk of stream) out += chunk;
  return out;
}

export class TestServer {
  readonly port: number;
  readonly data_dir: string;
  readonly env: Record<string, string>;
  #child: ChildProcess | undefined;
  /** Everything that any run of this server has written, stdout and stderr. */
  output = "";

  constructor(port: number, data_dir: string, env: Record<string, string>) {
    this.port = port;
    this.data_dir = data_dir;
    this.env = {
      LATCHKEY_PORT: String(port),
      // Ports of the computes' own are free ones; that which they share would be one for all tests.
      LATCHKEY_PG_PORT: "0",
      LATCHKEY_DATA_DIR: data_dir,
      LATCHKEY_LOG_LEVEL: "debug",
      ...env,
    };
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get api(): string {
    return `${this.url}/api/v2`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it and waits until it is ready; throws with its output when it ends before that. */
  async start(): Promise<this> {
    const child = spawn(process.execPath, [join(ROOT, "server/main.ts")], {
      env: { ...baseEnvironment(), ...this.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    const from = this.output.length;
    const collect = (chunk: Buffer) => {
      this.output += chunk;
    };
    child.stdout?.on("data", collect);
    child.stderr?.on("data", collect);
    const deadline = performance.now() + READY_DEADLINE_MS;
    while (performance.now() < deadline) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the server ended with ${child.exitCode ?? child.signalCode}:\n${this.output.slice(from)}`);
      }
      // Printed for people whatever the log's level.
      if (/^Latchkey \S+ is ready\.$/m.test(this.output.slice(from)) && (await this.#isReady())) return this;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // Left alone it would keep the test's process from ending.
    await this.stop("SIGKILL");
    throw new Error(`the server was not ready in time:\n${this.output.slice(from)}`);
  }

  async #isReady(): Promise<boolean> {
    return await fetch(`${this.url}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
  }

  /** Ends it as Ctrl-C or a service manager would, and returns its exit code. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const closed = once(child, "close");
    child.kill(signal);
    await closed;
    return child.exitCode ?? child.signalCode;
  }

  /** Resolves with its exit code when it ends by itself. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) await once(child, "close");
    return child?.exitCode ?? child?.signalCode ?? null;
  }

  /** `kill -9`: the computes and the embedded database are left behind, as after a crash. */
  async kill(): Promise<void> {
    await this.stop("SIGKILL");
  }

  /** Stops it and removes its data directory. */
  async close(): Promise<void> {
    await this.stop();
    await rm(this.data_dir, { recursive: true, force: true });
  }

  /** A person, an organization and a personal key, made as the README says. */
  async setup(email = "ada@example.com", name = "Ada", organization = "Acme"): Promise<SetupLine> {
    const run = await runProgram(
      "server/setup.ts",
      ["--email", email, "--name", name, "--org", organization],
      this.env,
    );
    if (run.code !== 0) throw new Error(`setup ended with ${run.code}: ${run.stderr}`);
    return JSON.parse(run.stdout) as SetupLine;
  }

  /** The token of a link for a new password, made on the server's machine as the README says. */
  async resetToken(email: string): Promise<string> {
    const run = await runProgram("server/setup.ts", ["--email", email, "--reset-link"], this.env);
    if (run.code !== 0) throw new Error(`setup ended with ${run.code}: ${run.stderr}`);
    const { reset_url } = JSON.parse(run.stdout) as { reset_url: string };
    return reset_url.split("#")[1] ?? "";
  }

  /** One request to the API; the answer is checked against Neon's document. */
  async call<Body = Record<string, unknown>>(
    method: string,
    path: string,
    options: CallOptions = {},
  ): Promise<Answer<Body>> {
    const response = await fetch(this.api + path, {
      method,
      headers: {
        ...(options.key === undefined ? {} : { authorization: `Bearer ${options.key}` }),
        ...(options.cookie === undefined ? {} : { cookie: options.cookie, origin: this.url }),
        ...(options.body === undefined ? {} : { "content-type": "application/json" }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    const raw = await response.text();
    if (!response.headers.get("content-type")?.startsWith("application/json")) {
      throw new Error(`${method} ${path}: ${response.status} is not JSON: ${raw.slice(0, 200)}`);
    }
    const body = JSON.parse(raw) as Body;
    assertLikeNeon(method, path.split("?")[0] ?? path, response.status, body);
    return { status: response.status, body, headers: response.headers, cookies: response.headers.getSetCookie() };
  }

  /** Like `call`, and throws unless the answer has the status that is expected. */
  async expect<Body = Record<string, unknown>>(
    status: number,
    method: string,
    path: string,
    options: CallOptions = {},
  ): Promise<Body> {
    const answer = await this.call<Body>(method, path, options);
    if (answer.status !== status) {
      throw new Error(`${method} ${path}: ${answer.status} instead of ${status}: ${JSON.stringify(answer.body)}`);
    }
    return answer.body;
  }

  /** Waits until every operation of a project is finished; throws when one fails. */
  async settle(project_id: string, key: string): Promise<void> {
    await waitFor(`operations of ${project_id}`, async () => {
      const { operations } = await this.expect<{ operations: { status: string; error?: string }[] }>(
        200,
        "GET",
        `/projects/${project_id}/operations?limit=1000`,
        { key },
      );
      const failed = operations.find(({ status }) => status === "failed");
      if (failed) throw new Error(`an operation failed: ${failed.error}`);
      return operations.every(({ status }) => status === "finished" || status === "skipped");
    });
  }
}

/** Polls until the condition holds; throws after the deadline, naming what was waited for. */
export async function waitFor(
  what: string,
  condition: () => Promise<boolean> | boolean,
  deadline_ms = 90_000,
): Promise<void> {
  const deadline = performance.now() + deadline_ms;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/**
 * A server with a new data directory, started. Given a test's context it closes itself when the test ends;
 * in a suite, call `close` in `after`.
 */
export async function startServer(t?: AtEnd, env: Record<string, string> = {}): Promise<TestServer> {
  const data_dir = await mkdtemp(join(tmpdir(), "latchkey-test-"));
  const server = new TestServer(await freePort(), data_dir, env);
  t?.after(() => server.close());
  return await server.start();
}
