import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { waitFor } from "../harness/server.ts";
import type { BuiltCli } from "./built-cli.ts";

/** Whether this machine can give a program a terminal: `script` of util-linux. */
export const has_terminals = spawnSync("script", ["--version"], { stdio: "ignore" }).status === 0;

/**
 * A program at a terminal, with a person who reads and types. stdout and stderr are both the terminal, as
 * they are for a person; redirect one in the line to tell them apart.
 */
export class Terminal {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  /** Everything that was written to the terminal, echo included. */
  screen = "";

  constructor(cli: BuiltCli, line: string, env: Readonly<Record<string, string>> = {}) {
    const { PATH = "", HOME = "" } = process.env;
    this.#child = spawn("script", ["--quiet", "--return", "--command", line, "/dev/null"], {
      cwd: cli.directory,
      env: {
        PATH: `${cli.bin}:${PATH}`,
        HOME,
        TERM: "xterm",
        SHELL: "/bin/sh",
        LATCHKEY_CONFIG_DIR: `${cli.directory}/config`,
        LATCHKEY_KEYRING: "off",
        ...cli.env,
        ...env,
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#closed = once(this.#child, "close");
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.screen += text;
    });
  }

  async shows(text: string | RegExp): Promise<void> {
    await waitFor(`${text} on the terminal, which shows: ${this.screen}`, () =>
      typeof text === "string" ? this.screen.includes(text) : text.test(this.screen),
    );
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** Takes the terminal away from whatever still runs at it. */
  close(): void {
    this.#child.kill("SIGKILL");
  }

  /** Waits for the end, when `screen` is whole; returns the program's exit code. */
  async ended(): Promise<number | null> {
    await this.#closed;
    return this.#child.exitCode;
  }
}
