import pg from "pg";
import { type Connection, poolConfig } from "../db/pool.ts";

const CONNECT_WITHIN_MS = 1_000;

/**
 * One connection of our own, opened when it is first needed and again after a failure. The lease must not
 * wait for a place in the pool: a node that is busy with look-ups would lose it and have to look up more.
 */
export class OwnConnection {
  readonly #config: pg.ClientConfig;
  #client: pg.Client | undefined;

  /** A statement that takes longer than `answer_within_ms` fails, and the connection with it. */
  constructor(connection: Connection, name: string, answer_within_ms?: number) {
    const { max: _, idleTimeoutMillis: __, ...config } = poolConfig(connection, 1);
    this.#config = {
      ...config,
      application_name: `latchkey ${name}`,
      connectionTimeoutMillis: CONNECT_WITHIN_MS,
      ...(answer_within_ms === undefined ? {} : { query_timeout: answer_within_ms }),
    };
  }

  /** The open connection. `onLost` is called once if it is lost later; each user of it hands in the same. */
  async open(onLost: () => void = () => {}): Promise<pg.Client> {
    if (this.#client) return this.#client;
    const client = new pg.Client(this.#config);
    client.on("error", () => {
      // Told by the statement that fails, or by the end that follows.
    });
    client.once("end", () => {
      if (this.#client === client) this.#client = undefined;
      onLost();
    });
    await client.connect();
    this.#client = client;
    return client;
  }

  /** Closes it, whatever state it is in; the next `open` makes a new one. */
  close(): void {
    const client = this.#client;
    this.#client = undefined;
    // Where the other side is silent this never resolves: the socket is destroyed all the same.
    client?.end().catch(() => {});
  }
}
