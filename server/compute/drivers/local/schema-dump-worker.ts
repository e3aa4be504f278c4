import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { pgDump } from "@electric-sql/pglite-tools/pg_dump";
import type { Dumped, DumpWork } from "./schema-dump.ts";

/**
 * The thread in which `pg_dump` runs. The library was made for PGlite, a database in the same process, and asks
 * it for the answer to each message at once; here that answer comes from a real server, so this thread waits,
 * which WebAssembly could not do for itself.
 */
const { port, arrived, args } = workerData as DumpWork;

let started = false;
let unsent: Buffer = Buffer.alloc(0);
let unread: Buffer = Buffer.alloc(0);

/** The next bytes of the server; null when it has closed the connection. */
function nextChunk(): Uint8Array | null {
  for (;;) {
    const seen = Atomics.load(arrived, 0);
    const received = receiveMessageOnPort(port);
    if (received !== undefined) return received.message as Uint8Array | null;
    Atomics.wait(arrived, 0, seen);
  }
}

/** The length of the message at the start of the bytes, or undefined while it is not all there. */
function lengthOf(bytes: Buffer, typed: boolean): number | undefined {
  const head = typed ? 1 : 0;
  if (bytes.length < head + 4) return undefined;
  const length = head + bytes.readInt32BE(head);
  return bytes.length < length ? undefined : length;
}

/** Takes what the program wants to send, and returns the type of the last whole message in it. */
function send(bytes: Uint8Array): string | undefined {
  unsent = Buffer.concat([unsent, bytes]);
  let end = 0;
  let type: string | undefined;
  for (;;) {
    // Only the first message of a connection has no type.
    const length = lengthOf(unsent.subarray(end), started);
    if (length === undefined) break;
    type = started ? String.fromCharCode(unsent[end] ?? 0) : "startup";
    started = true;
    end += length;
  }
  if (end > 0) port.postMessage(Uint8Array.from(unsent.subarray(0, end)));
  unsent = unsent.subarray(end);
  return type;
}

/** The requests for authentication that a client answers: SASL and what comes of it. After the others it waits. */
const QUESTIONS: ReadonlySet<number> = new Set([10, 11]);

/** Whether the server waits for the program with the last message that has come: `ReadyForQuery`, or a question for its password. */
function isAnswered(chunk: Uint8Array): boolean {
  unread = Buffer.concat([unread, chunk]);
  let answered = false;
  for (;;) {
    const length = lengthOf(unread, true);
    if (length === undefined) return answered;
    const type = String.fromCharCode(unread[0] ?? 0);
    answered = type === "Z" || (type === "R" && QUESTIONS.has(unread.readInt32BE(5)));
    unread = unread.subarray(length);
  }
}

const database = {
  /** The library looks after PGlite's only session. Ours ends with the program, and is nobody else's. */
  query: async () => ({ rows: [{ search_path: "" }] }),
  exec: async () => [],
  execProtocolRawStream(bytes: Uint8Array, { onRawData }: { onRawData: (chunk: Uint8Array) => void }): void {
    const type = send(bytes);
    // `X` is the end; without a whole message there is nothing to wait for.
    if (type === undefined || type === "X") return;
    for (let chunk = nextChunk(); chunk !== null; chunk = nextChunk()) {
      onRawData(Uint8Array.from(chunk));
      if (isAnswered(chunk)) return;
    }
  },
};

async function dump(): Promise<Dumped> {
  try {
    const file = await pgDump({ pg: database as never, args: [...args] });
    return { sql: await file.text() };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : "unknown" };
  }
}

parentPort?.postMessage(await dump());
