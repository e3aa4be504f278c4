import type pg from "pg";
import type { Clock } from "../clock.ts";
import { ApiError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Confirmation } from "./change.ts";
import type { NodesDatabase } from "./database.ts";
import { LEASE_MS } from "./lease.ts";
import type { NodeRow } from "./store.ts";

/** Looks follow one another at first after 2 ms, then ever more slowly. */
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;
/** A lease, and then some for a database that restarts meanwhile. */
const GIVE_UP_AFTER_MS = LEASE_MS + 8_000;
/** A row that lapsed so long ago is cleared away. */
const CLEAR_AFTER_MS = 60_000;

interface Sighting {
  readonly row: NodeRow;
  /** On our monotonic clock, after the first look that showed this renewal had been answered. */
  readonly since_ms: number;
}

interface Look {
  readonly rows: readonly NodeRow[];
  readonly at_ms: number;
}

/**
 * What this node knows of all of them, itself included. Whether a lease has lapsed is told by our own
 * monotonic clock alone: its row has not been renewed for a whole lease since we first saw it so. No wall
 * clock takes part, so none that is set, here or at the database, can make a revocation return too early.
 */
export class Peers {
  readonly #pool: pg.Pool;
  readonly #database: NodesDatabase;
  readonly #clock: Clock;
  readonly #log: Log;
  #sightings = new Map<string, Sighting>();
  #looking: Promise<Look> | undefined;
  #next: Promise<Look> | undefined;

  constructor(pool: pg.Pool, database: NodesDatabase, clock: Clock, log: Log) {
    this.#pool = pool;
    this.#database = database;
    this.#clock = clock;
    this.#log = log;
    log.metrics.nodes_live.collect_from(() => this.#countLive());
  }

  /** Looks at the rows. */
  async look(client: pg.ClientBase | pg.Pool): Promise<Look> {
    const rows = await this.#database.readNodes(client);
    const at_ms = this.#clock.monotonic_ms();
    const sightings = new Map<string, Sighting>();
    for (const row of rows) {
      const known = this.#sightings.get(row.id);
      const unchanged = known?.row.renewals === row.renewals;
      sightings.set(row.id, { row, since_ms: unchanged ? known.since_ms : at_ms });
    }
    this.#sightings = sightings;
    return { rows, at_ms };
  }

  /**
   * Resolves when every node has applied the change or has let its lease lapse; to be called after the
   * change has been committed. Throws when that could not be learnt: the change stands, the promise is not given.
   */
  async confirm(revision: number): Promise<Confirmation> {
    const began_ms = this.#clock.monotonic_ms();
    let pause_ms = FIRST_PAUSE_MS;
    let cause: unknown;
    while (this.#clock.monotonic_ms() - began_ms < GIVE_UP_AFTER_MS) {
      try {
        const open = this.#judge(await this.#lookAfterNow(), revision);
        if (open.waiting === 0) {
          const waited_ms = Math.round(this.#clock.monotonic_ms() - began_ms);
          const { acknowledged, lapsed } = open;
          this.#log.event("access.confirmed", {
            revision,
            acknowledged: acknowledged.length,
            lapsed: lapsed.length,
            waited_ms,
          });
          return { revision, acknowledged, lapsed, waited_ms };
        }
      } catch (error) {
        cause = error;
      }
      await this.#clock.sleep(pause_ms);
      pause_ms = Math.min(pause_ms * 1.5, LONGEST_PAUSE_MS);
    }
    throw new ApiError(
      "unconfirmed",
      "the change has been made, but whether every node has heard of it could not be learnt in time; " +
        "it holds everywhere within seconds",
      { cause },
    );
  }

  #judge({ rows, at_ms }: Look, revision: number) {
    const acknowledged: string[] = [];
    const lapsed: string[] = [];
    for (const { id, acked_revision } of rows) {
      if (acked_revision >= revision) acknowledged.push(id);
      else if (this.#hasLapsed(id, at_ms)) lapsed.push(id);
    }
    return { acknowledged, lapsed, waiting: rows.length - acknowledged.length - lapsed.length };
  }

  #hasLapsed(id: string, at_ms: number): boolean {
    const sighting = this.#sightings.get(id);
    return sighting !== undefined && at_ms - sighting.since_ms >= LEASE_MS;
  }

  /** A look that is sent from now on; all who ask while one is under way share the one after it. */
  #lookAfterNow(): Promise<Look> {
    if (!this.#looking) {
      this.#looking = this.look(this.#pool).finally(() => {
        this.#looking = undefined;
      });
      return this.#looking;
    }
    this.#next ??= this.#looking
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#lookAfterNow();
      });
    return this.#next;
  }

  /** Deletes the rows of nodes that have been gone for long. */
  async clearAway(client: pg.ClientBase): Promise<void> {
    const now = this.#clock.monotonic_ms();
    for (const { row, since_ms } of this.#sightings.values()) {
      if (now - since_ms > CLEAR_AFTER_MS) await this.#database.deleteNodeAsSeen(client, row);
    }
  }

  /** Ids of the nodes that have renewed their lease lately, as far as this one knows. */
  isLive(id: string): boolean {
    return this.#sightings.has(id) && !this.#hasLapsed(id, this.#clock.monotonic_ms());
  }

  #countLive(): number {
    return [...this.#sightings.keys()].filter((id) => this.isLive(id)).length;
  }
}
