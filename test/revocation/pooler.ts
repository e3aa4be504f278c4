import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { freePort, waitFor } from "../harness/server.ts";
import { ensureProgram } from "../harness/system-packages.ts";

export interface Pooler {
  readonly port: number;
  /** Ends it as a crash would, and starts it again. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** PgBouncer in transaction mode before a database, as a package of the system. */
export async function startPooler(database_port: number): Promise<Pooler> {
  const program = await ensureProgram(["pgbouncer"], "pgbouncer");
  const directory = await mkdtemp(join(tmpdir(), "latchkey-pooler-"));
  await chmod(directory, 0o755);
  const port = await freePort();
  const config = join(directory, "pgbouncer.ini");
  const users = join(directory, "users.txt");
  await writeFile(users, '"latchkey" ""\n');
  await writeFile(
    config,
    `[databases]
latchkey = host=127.0.0.1 port=${database_port} dbname=latchkey
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
max_client_conn = 500
default_pool_size = 15
ignore_startup_parameters = extra_float_digits
`,
  );
  const isRoot = process.getuid?.() === 0;
  const start = () => spawn(program, ["--quiet", ...(isRoot ? ["--user", "nobody"] : []), config], { stdio: "ignore" });
  let child = start();
  const close = async () => {
    await end(child);
    await rm(directory, { recursive: true, force: true });
  };
  const restart = async () => {
    await end(child);
    child = start();
    await waitFor("the pooler", () => answers(port));
  };
  try {
    await waitFor("the pooler", () => answers(port));
  } catch (error) {
    await close();
    throw error;
  }
  return { port, restart, close };
}

async function answers(port: number): Promise<boolean> {
  const client = new pg.Client({ host: "127.0.0.1", port, user: "latchkey", database: "latchkey" });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, "close");
  child.kill("SIGKILL");
  await closed;
}
