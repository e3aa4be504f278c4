import { spawn } from "node:child_process";
import { basename } from "node:path";
import type { Account } from "./account.ts";
import { PostgresError } from "./errors.ts";

/**
 * The whole environment of every child process. Ours is not passed on: it holds the control plane's
 * secrets, and variables such as PGOPTIONS or LC_ALL would change what PostgreSQL does.
 */
export const CHILD_ENV: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin",
  LC_ALL: "C",
  TZ: "UTC",
};

/** Options of `spawn` that make a child run as the account, from a directory that it can surely enter. */
export function asAccount(account: Account): { uid?: number; gid?: number; cwd: string; env: Record<string, string> } {
  const identity = account.is_self ? {} : { uid: account.uid, gid: account.gid };
  return { ...identity, cwd: "/", env: { ...CHILD_ENV } };
}

const OUTPUT_LIMIT = 64 * 1024;

export interface CommandOptions {
  /** Absent: runs as this process's own account. */
  readonly account?: Account;
  /** Given on standard input, which is where secrets may travel; arguments are visible to the whole machine. */
  readonly input?: string;
  /** Ends the child; the command then fails. */
  readonly signal?: AbortSignal;
  /** How many of the last lines of its standard error a failure tells; 5 when absent. */
  readonly error_lines?: number;
}

/**
 * Runs a program to its end and returns what it printed. Throws `command_failed` with the last lines of its
 * standard error, so only programs that do not repeat their input there may be given secrets.
 */
export function runCommand(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const place = options.account === undefined ? { cwd: "/", env: { ...CHILD_ENV } } : asAccount(options.account);
    const child = spawn(program, args, {
      ...place,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      stdio: ["pipe", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8");
      child[stream].on("data", (text: string) => {
        output[stream] = (output[stream] + text).slice(-OUTPUT_LIMIT);
      });
    }
    const fail = (why: string, cause?: unknown) =>
      reject(new PostgresError("command_failed", `${basename(program)} failed: ${why}`, { cause }));
    child.on("error", (error) => fail(error.message, error));
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(output.stdout);
      fail(
        output.stderr
          .trim()
          .split("\n")
          .slice(-(options.error_lines ?? 5))
          .join("\n") || `${signal ?? `exit code ${code}`}`,
      );
    });
    // A child that ends before it has read everything is judged by its exit code, not by our broken pipe.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}
