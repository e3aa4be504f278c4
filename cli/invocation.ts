import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, apiUrl, type Client, createClient } from "@latchkey/sdk";
import { findContextFile, type LinkedContext, readContextFile } from "./context-file.ts";
import { chooseTarget, type Target } from "./credentials/choose.ts";
import { configDir, Profiles } from "./credentials/profiles.ts";
import { CliError } from "./exit.ts";
import { fetchOverHttp } from "./fetch-over-http.ts";
import { type Format, type Part, render } from "./output.ts";
import { ask, confirm } from "./terminal/prompt.ts";
import { note, readTerminal, type Terminal, withSpinner } from "./terminal/terminal.ts";
import type { GlobalOptions } from "./topics.ts";
import { VERSION } from "./version.ts";

/** For an operation of somebody else to end, which mostly takes a second. */
const LOCK_PATIENCE_MS = 30_000;
const LOCK_POLL_MS = 500;

/** One run of a command: its global options, who is at the terminal, and the server it talks to. */
export class Invocation {
  readonly global: GlobalOptions;
  readonly terminal: Terminal;
  readonly profiles: Profiles;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  #target: Promise<Target> | undefined;
  #client: Promise<Client> | undefined;

  constructor(global: GlobalOptions, environment: NodeJS.ProcessEnv, signal: AbortSignal) {
    this.global = global;
    this.environment = environment;
    this.signal = signal;
    this.terminal = readTerminal(environment, global.color);
    this.profiles = new Profiles(configDir(environment, global["config-dir"]), environment);
  }

  get format(): Format {
    return this.global.output ?? (this.terminal.shows_results ? "table" : "json");
  }

  target(): Promise<Target> {
    this.#target ??= this.#chooseTarget();
    return this.#target;
  }

  /** The client of the chosen server with the chosen credential; throws when there is none. */
  client(): Promise<Client> {
    this.#client ??= this.target().then((target) => {
      if (target.api_key === undefined) throw notSignedIn(target);
      return this.clientOf(target.host, target.api_key);
    });
    return this.#client;
  }

  /** A client with another credential than the chosen one, or none. */
  clientOf(host: string, api_key: string | undefined): Client {
    return createClient({
      base_url: host,
      ...(api_key === undefined ? {} : { api_key }),
      fetch: fetchOverHttp,
      user_agent: `latchkey-cli/${VERSION}`,
      // Three tries in about a second: enough for a hiccup, and a server that is down is soon told of.
      retries: 2,
      onRetry: ({ delay_ms, error }) => {
        if (this.terminal.shows_notes && delay_ms > 1_000) {
          this.note(`${error.message}; trying again in ${Math.round(delay_ms / 1000)} s`);
        }
      },
    });
  }

  get context_file(): string {
    return findContextFile(this.global["context-file"]);
  }

  async context(): Promise<LinkedContext> {
    return await readContextFile(this.context_file);
  }

  /** Runs work against the server, with a spinner for whoever waits at the terminal. */
  async working<T>(label: string, work: (client: Client, relabel: (label: string) => void) => Promise<T>): Promise<T> {
    const client = await this.client();
    return await withSpinner(this.terminal, label, (relabel) => work(client, relabel));
  }

  /** Makes a change. Where another one is under way it waits for that to end, as Neon's CLI does, unless told not to. */
  async changing<T>(label: string, work: (client: Client) => Promise<T>): Promise<T> {
    const deadline = performance.now() + LOCK_PATIENCE_MS;
    return await this.working(label, async (client, relabel) => {
      for (;;) {
        try {
          return await work(client);
        } catch (error) {
          const is_locked = error instanceof ApiError && error.status === 423;
          if (!is_locked || !this.global.wait || performance.now() > deadline) throw error;
          relabel(`${label} (another change is under way)`);
          await sleep(LOCK_POLL_MS, undefined, { signal: this.signal });
        }
      }
    });
  }

  /** Prints the result. */
  async print(...parts: readonly Part[]): Promise<void> {
    await this.write(await render(parts, this.format, this.terminal.colors.stdout));
  }

  /** Writes to stdout and waits until it is taken: a pipe may be slower than we are. */
  async write(text: string): Promise<void> {
    await new Promise<void>((resolve, reject) =>
      process.stdout.write(text, (error) => (error ? reject(error) : resolve())),
    );
  }

  /**
   * Writes what is shown once. Elsewhere a reader that has gone is no failure; here what was made would be lost: `orElse`
   * says what is to be told then.
   */
  async deliver(text: string, orElse: (reason: string) => Promise<Error>): Promise<void> {
    const { stdout } = process;
    const listeners = stdout.listeners("error") as (() => void)[];
    // That the write has failed is told by the write; whoever listens would end the process.
    stdout.removeAllListeners("error").on("error", () => {});
    try {
      await this.write(text);
    } catch (error) {
      throw await orElse(error instanceof Error && "code" in error ? String(error.code) : String(error));
    }
    stdout.removeAllListeners("error");
    for (const listener of listeners) stdout.on("error", listener);
  }

  /** Tells the person something that is not part of the result. */
  note(message: string): void {
    note(message);
  }

  /** Whether a program wants the whole result and not a secret alone. */
  get wants_whole(): boolean {
    return this.global.output === "json" || this.global.output === "yaml";
  }

  /** A secret, alone on stdout, so that a pipe hands it on; all of `data` where JSON or YAML is asked for. */
  async printSecret(secret: string, data: object, orElse: (reason: string) => Promise<Error>): Promise<void> {
    const text = this.wants_whole ? await render([{ data, fields: [] }], this.format, false) : `${secret}\n`;
    await this.deliver(text, orElse);
  }

  /** Before something is destroyed: the person types its name, or `--yes` was given. */
  async confirmByName(what: string, name: string): Promise<void> {
    if (this.global.yes) return;
    if (!this.terminal.has_person) {
      throw new CliError("usage", `${what} is asked about first, and nobody is here to answer`, "confirm with --yes");
    }
    const answer = await ask(`${what}. Type ${name} to confirm:`);
    if (answer !== name) throw new CliError("interrupted", "that is not the name; nothing was done");
  }

  /** A question that is answered no where nobody is there to ask. */
  async confirm(question: string): Promise<boolean> {
    if (this.global.yes) return true;
    return this.terminal.has_person && (await confirm(question));
  }

  /** Waits for the operations of an answer, unless told not to. */
  async settle(
    operations: readonly { id: string; project_id: string; action: string; status: string }[],
    label: string,
  ): Promise<void> {
    if (!this.global.wait || operations.length === 0) return;
    await this.working(label, async (client, relabel) => {
      await client.waitForOperations(operations, {
        signal: this.signal,
        onChange: ({ action, status }) => relabel(`${label} (${action.replaceAll("_", " ")}: ${status})`),
      });
    });
  }

  /** Said once a command uses a key that stands on its command line. */
  warnOfHistory(): void {
    const given = this.global["api-key"];
    if (given === undefined || given === "-" || !this.terminal.shows_notes) return;
    this.note(
      "Warning: a key on the command line stays in the shell's history; in NEON_API_KEY or a profile it does not.",
    );
  }

  async #chooseTarget(): Promise<Target> {
    this.warnOfHistory();
    const target = await chooseTarget(this.global, this.environment, this.profiles, (host) => apiUrl(host).href);
    const { protocol, hostname } = new URL(target.host);
    if (target.api_key && protocol === "http:" && !isLoopback(hostname) && this.terminal.shows_notes) {
      this.note(`Warning: ${target.host} is not encrypted; anybody on the way can read the key.`);
    }
    return target;
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || /^127\./.test(hostname);
}

function notSignedIn({ host, profile }: Target): CliError {
  const as = profile === "DEFAULT" ? "" : ` --profile ${profile}`;
  return new CliError(
    "not_signed_in",
    `not signed in to ${host}`,
    `sign in with \`latchkey auth${as}\`, or put a key into NEON_API_KEY; another server is named with --host`,
  );
}
