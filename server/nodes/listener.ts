import type { Clock } from "../clock.ts";
import type { Connection } from "../db/pool.ts";
import type { NodesDatabase } from "./database.ts";

const RETRY_AFTER_MS = 1_000;

/**
 * Hears that something has changed a little before the next renewal would. Nothing depends on it: when
 * the connection is lost or notifications are, revocations take longer and are no less safe.
 */
export class ChangeListener {
  readonly #database: NodesDatabase;
  readonly #connection: ReturnType<NodesDatabase["connect"]>;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #stopping = new AbortController();

  /** The connection must be a direct one: through a pooler in transaction mode nothing would ever be heard. */
  constructor(connection: Connection, database: NodesDatabase, clock: Clock, onChange: () => void) {
    this.#database = database;
    this.#connection = database.connect(connection, "listen");
    this.#clock = clock;
    this.#onChange = onChange;
  }

  start(): void {
    void this.#listen();
  }

  stop(): void {
    this.#stopping.abort();
    this.#connection.close();
  }

  async #listen(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let lost = () => {};
      const ended = new Promise<void>((resolve) => {
        lost = resolve;
      });
      try {
        const client = await this.#connection.open(lost);
        // Stopped while it was being opened: then there was nothing to close yet.
        if (signal.aborted) break;
        client.on("notification", this.#onChange);
        await this.#database.startListening(client);
        // What was missed before is caught up with at once.
        this.#onChange();
        await ended;
      } catch {
        this.#connection.close();
      }
      await this.#clock.sleep(RETRY_AFTER_MS, signal);
    }
    this.#connection.close();
  }
}
