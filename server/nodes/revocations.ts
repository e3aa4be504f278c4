import type { Clock } from "../clock.ts";
import type { Db, Tx } from "../db/pool.ts";
import { describeError, type Log } from "../log.ts";
import type { AccessChange } from "./change.ts";
import type { NodesDatabase } from "./database.ts";
import type { Peers } from "./peers.ts";

/** The promise holds by then, and whoever waits for it shall not wait for its note on a connection that has gone silent. */
const WRITTEN_WITHIN_MS = 1_000;

export interface RevocationsDeps {
  readonly db: Db;
  readonly database: NodesDatabase;
  readonly peers: Peers;
  /** Whether to wake the other nodes by a notification; not every engine has them. */
  readonly notify: boolean;
  /** Makes this node read the change at once. */
  readonly pokeOwnNode: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** The two halves of every narrowing change: in its transaction, and between its commit and its answer. */
export class Revocations {
  readonly #deps: RevocationsDeps;

  constructor(deps: RevocationsDeps) {
    this.#deps = deps;
  }

  /** Appends changes as the last statement of their transaction, and returns their revision. */
  async append(tx: Tx, changes: readonly AccessChange[]): Promise<number> {
    return await this.#deps.database.appendAccessChanges(tx, changes, this.#deps.notify);
  }

  /**
   * Waits until no node accepts any more what the change has ended, and completes its audit row. A process
   * that dies in here has answered nobody, so nothing was promised; its audit row says so by its gap.
   */
  async confirm(revision: number, audit_id: number | undefined): Promise<void> {
    const { db, database, peers, pokeOwnNode, clock, log } = this.#deps;
    pokeOwnNode();
    const confirmation = await peers.confirm(revision);
    if (audit_id === undefined) return;
    const written = database
      .writeConfirmation(db, audit_id, confirmation)
      .catch((error) => log.event("database.error", { error: `audit row ${audit_id}: ${describeError(error)}` }));
    const over = new AbortController();
    await Promise.race([written, clock.sleep(WRITTEN_WITHIN_MS, over.signal)]);
    over.abort();
  }
}
