import { spawn } from "node:child_process";
import { isCode } from "./credentials/file-lock.ts";
import { CliError } from "./exit.ts";

/** The URI without its password, and the password: whoever lists processes can read a program's arguments. */
export function splitPassword(uri: string): { readonly uri: string; readonly password: string } {
  const url = new URL(uri);
  const password = decodeURIComponent(url.password);
  url.password = "";
  return { uri: url.href, password };
}

/** Runs the machine's psql in place of this command, which ends as it ends. */
export async function runPsql(connection_uri: string, args: readonly string[]): Promise<void> {
  const { uri, password } = splitPassword(connection_uri);
  const code = await new Promise<number>((resolve, reject) => {
    const child = spawn("psql", [uri, ...args], { stdio: "inherit", env: { ...process.env, PGPASSWORD: password } });
    // Ctrl-C in psql cancels a query; it must not end us and leave psql alone at the terminal.
    process.removeAllListeners("SIGINT");
    process.on("SIGINT", () => {});
    child.once("error", reject);
    child.once("exit", (status, signal) => resolve(status ?? (signal === null ? 1 : 130)));
  }).catch((error: unknown) => {
    if (!isCode(error, "ENOENT")) throw error;
    throw new CliError(
      "failed",
      "psql is not installed",
      "install PostgreSQL's client, or use `latchkey connection-string` with another",
    );
  });
  if (code !== 0) process.exit(code);
}
