import { createConnection, type Socket } from "node:net";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { SUPERUSER } from "../../../postgres/data-directory.ts";
import { DriverError } from "../../driver.ts";
import { MAINTENANCE_DATABASE, SPARE_DATABASE } from "../../names.ts";
import { type AdminAddress, asAdmin, unhurried } from "./admin.ts";
import { SCHEMA_AS_JSON } from "./schema-as-json.ts";

/** The newest PostgreSQL that our `pg_dump` reads; it is a build of that release for WebAssembly. */
export const PG_DUMP_MAJOR = 18;

const DEADLINE_MS = 45_000;
/** How long it waits for a table that somebody holds with an exclusive lock. */
const LOCK_WAIT_MS = 5_000;
/** Of what the server answers: a schema that is larger would take our memory. */
const MOST_BYTES = 128 * 1024 * 1024;

/** What the worker is started with. */
export interface DumpWork {
  readonly port: MessagePort;
  /** Goes up with each message, so that the worker can wait for one without a turn of its event loop. */
  readonly arrived: Int32Array;
  readonly args: readonly string[];
}

/** What the worker sends when it is done. */
export type Dumped = { readonly sql: string } | { readonly problem: string };

/** The schema of a database in either form. Throws `database_missing` and `dump_failed`. */
export async function readSchema(address: AdminAddress, database: string, format: "sql" | "json"): Promise<string> {
  await checkDatabase(address, database);
  if (format === "sql") return await dump(address, database);
  const { rows } = await asAdmin(address, database, (session) => session.query<{ schema: string }>(SCHEMA_AS_JSON));
  return rows[0]?.schema ?? "";
}

/**
 * What `pg_dump --schema-only` prints for a database: PostgreSQL's own program, built for WebAssembly, since
 * the binaries come without it. It runs in a thread of its own, which cannot open a connection, so this carries
 * the bytes between it and the compute's unix socket. It reads as superuser, and like every `pg_dump` of a
 * stranger's database with an empty search path.
 */
async function dump(address: AdminAddress, database: string): Promise<string> {
  const { port1, port2 } = new MessageChannel();
  const arrived = new Int32Array(new SharedArrayBuffer(4));
  const work: DumpWork = { port: port2, arrived, args: argumentsFor(address, database) };
  const worker = new Worker(new URL("./schema-dump-worker.ts", import.meta.url), {
    workerData: work,
    transferList: [port2],
    // Not ours: it would print what it was told of our own start.
    execArgv: [],
    env: {},
  });
  const socket = createConnection(`${address.socket_directory}/.s.PGSQL.${address.port}`);
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<string>((resolve, reject) => {
      const fail = (why: string, cause?: unknown) =>
        reject(new DriverError("dump_failed", `the schema could not be read: ${why}`, { cause }));
      carry(socket, port1, arrived, () => fail("it is too large"));
      worker.once("message", (dumped: Dumped) => ("sql" in dumped ? resolve(dumped.sql) : fail(dumped.problem)));
      worker.once("error", (error) => fail("the program that reads it failed", error));
      worker.once("exit", (code) => fail(`the program that reads it ended with ${code}`));
      timer = setTimeout(() => fail("it takes too long"), DEADLINE_MS);
    });
  } finally {
    clearTimeout(timer);
    socket.destroy();
    port1.close();
    await worker.terminate();
  }
}

/** Asked beforehand: what `pg_dump` says is for people. The databases that are ours are nobody's to read. */
async function checkDatabase(address: AdminAddress, database: string): Promise<void> {
  const ours = [MAINTENANCE_DATABASE, SPARE_DATABASE];
  const { rows } = await asAdmin(address, MAINTENANCE_DATABASE, (session) =>
    session.query(
      "SELECT FROM pg_database WHERE datname = $1 AND datallowconn AND NOT datistemplate AND datname <> ALL ($2::text[])",
      [database, ours],
    ),
  );
  if (rows.length === 0) throw new DriverError("database_missing", "there is no such database");
}

function argumentsFor({ password, major }: AdminAddress, database: string): string[] {
  // The last word about the name of the user, too, for which the library has one of its own.
  const own = "-c role=none -c log_statement=none -c log_min_duration_statement=-1 -c default_transaction_read_only=on";
  const options = [own, ...unhurried(major)].join(" ");
  const connection = { dbname: database, user: SUPERUSER, password, application_name: "latchkey", options };
  const text = Object.entries(connection)
    .map(([name, value]) => `${name}='${value.replaceAll(/[\\']/g, "\\$&")}'`)
    .join(" ");
  return ["--schema-only", `--lock-wait-timeout=${LOCK_WAIT_MS}`, "--no-password", "-d", text];
}

function carry(socket: Socket, port: MessagePort, arrived: Int32Array, onTooMuch: () => void): void {
  let bytes = 0;
  const tell = (message: Uint8Array | null) => {
    port.postMessage(message);
    Atomics.add(arrived, 0, 1);
    Atomics.notify(arrived, 0);
  };
  socket.on("data", (chunk) => {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) onTooMuch();
    else tell(chunk);
  });
  // Refused, or closed by the server: to the worker both are the end of the connection.
  socket.on("error", () => {});
  socket.on("close", () => tell(null));
  port.on("message", (chunk: Uint8Array) => {
    if (!socket.destroyed) socket.write(chunk);
  });
}
