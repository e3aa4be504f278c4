import type pg from "pg";
import { type Clock, type Instant, instantOf } from "../clock.ts";
import type { Connection } from "../db/pool.ts";
import { newUuid } from "../ids.ts";
import { describeError, type Log } from "../log.ts";
import type { Memory } from "./change.ts";
import type { NodesDatabase } from "./database.ts";
import type { Peers } from "./peers.ts";
import type { NodeDescription, ReadPosition } from "./store.ts";

/** After so long without a renewal of its row the others hold a node's lease for lapsed. */
export const LEASE_MS = 2_000;
/**
 * So long the node itself holds it, counted from before it sent the renewal. The difference is the drift
 * between two monotonic clocks that is tolerated over a lease: one part in ten. Kernels allow 0.05 %.
 */
export const HELD_MS = 1_800;
const RENEW_EVERY_MS = 500;
const ANSWER_WITHIN_MS = 1_000;
/** More changes than this at once are not worth walking through: the memory starts afresh. */
const CHANGES_AT_ONCE = 1_000;
const CLEAR_EVERY_MS = 60_000;

export interface NodeLeaseDeps {
  readonly connection: Connection;
  readonly database: NodesDatabase;
  readonly description: NodeDescription;
  readonly memory: Memory;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * This process's lease: the right to answer from memory. It is renewed several times within its time; each
 * renewal first extends the row, then reads the changes that have been committed, drops what they name, and
 * only then counts. Whoever asks `isHeld` and is told yes may be sure that no revocation that this node has
 * not heard of has been answered yet.
 */
export class NodeLease {
  /** New with each start: what an earlier process acknowledged says nothing of this one's memory. */
  readonly id = newUuid();
  readonly #deps: NodeLeaseDeps;
  readonly #connection: ReturnType<NodesDatabase["connect"]>;
  readonly #stopping = new AbortController();
  #held_until_ms = Number.NEGATIVE_INFINITY;
  #held_until_wall_ms = Number.NEGATIVE_INFINITY;
  #applied: ReadPosition | undefined;
  #renewals = 0;
  #poked = false;
  #waiting: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();
  #was_held = false;
  #renew_at_ms = Number.NEGATIVE_INFINITY;
  #cleared_ms = Number.NEGATIVE_INFINITY;

  constructor(deps: NodeLeaseDeps) {
    this.#deps = deps;
    this.#connection = deps.database.connect(deps.connection, "lease", ANSWER_WITHIN_MS);
    deps.log.metrics.lease_held.collect_from(() => (this.isHeld() ? 1 : 0));
  }

  /**
   * Whether memory may be believed at this moment; asked at each request, never remembered. Two clocks must
   * agree: the monotonic one stands still while a machine sleeps, the wall clock may be set. A moment of the caller's own
   * must be later than the request's arrival.
   */
  isHeld(at: Instant = instantOf(this.#deps.clock)): boolean {
    return at.monotonic_ms < this.#held_until_ms && at.now_ms < this.#held_until_wall_ms;
  }

  /** The last change that this node has applied; -1 before the first renewal. */
  get applied_revision(): number {
    return this.#applied?.revision ?? -1;
  }

  /** Begins, and waits for the first renewal; where that fails the node starts all the same, without a memory. */
  async start(): Promise<void> {
    const first = this.#turn();
    // Whoever stops it meanwhile waits for that as well.
    this.#running = first.then(() => this.#loop());
    await first;
  }

  /** Says that there is a change to be read. */
  poke(): void {
    this.#poked = true;
    this.#waiting?.abort();
  }

  /** Gives the lease up, then tells the others, so that nothing waits for a node that has gone. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#waiting?.abort();
    this.#drop();
    await this.#running;
    this.#drop();
    try {
      await this.#deps.database.deleteNode(await this.#connection.open(), this.id);
    } catch {
      // It lapses by itself.
    }
    this.#connection.close();
  }

  #drop(): void {
    this.#held_until_ms = Number.NEGATIVE_INFINITY;
  }

  async #loop(): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const rest_ms = this.#renew_at_ms - clock.monotonic_ms();
      if (!this.#poked && rest_ms > 0) {
        this.#waiting = new AbortController();
        await clock.sleep(rest_ms, this.#waiting.signal);
        this.#waiting = undefined;
      }
      if (!signal.aborted) await this.#turn();
    }
  }

  /** A renewal, or between two of them a look at what has changed. Failing, the next makes the connection anew. */
  async #turn(): Promise<void> {
    const { clock, log } = this.#deps;
    try {
      const client = await this.#connection.open();
      const isDue = clock.monotonic_ms() >= this.#renew_at_ms;
      if (isDue || !this.isHeld()) await this.#renew(client);
      else await this.#hear(client);
    } catch (error) {
      this.#connection.close();
      // What could not be read is still there at the next renewal; trying at once would be a storm.
      this.#poked = false;
      this.#renew_at_ms = clock.monotonic_ms() + RENEW_EVERY_MS;
      if (this.#was_held && !this.isHeld()) {
        this.#was_held = false;
        log.event("node.lease_lost", { node_id: this.id, error: describeError(error) });
      }
    }
  }

  async #hear(client: pg.ClientBase): Promise<void> {
    this.#poked = false;
    const isNew = await this.#applyChanges(client);
    if (isNew && this.#applied) await this.#deps.database.acknowledge(client, this.id, this.#applied);
  }

  async #renew(client: pg.ClientBase): Promise<void> {
    const { clock, database, description, peers, log } = this.#deps;
    const sent_ms = clock.monotonic_ms();
    const sent_wall_ms = clock.now_ms();
    this.#renew_at_ms = sent_ms + RENEW_EVERY_MS;
    await database.extendLease(client, this.id, ++this.#renewals, this.#applied, description);
    // Only now, with the extension committed: a revocation that commits from here on sees the row and waits;
    // one that has committed before is read here.
    await this.#hear(client);
    if (this.#stopping.signal.aborted) return;
    this.#held_until_ms = sent_ms + HELD_MS;
    this.#held_until_wall_ms = sent_wall_ms + HELD_MS;
    if (!this.#was_held && this.isHeld()) {
      this.#was_held = true;
      log.event("node.lease_held", { node_id: this.id, revision: this.applied_revision });
    }
    await peers.look(client);
    await this.#clearAway(client);
  }

  /** Reads and applies what is new; true when there was something, which is then to be acknowledged. */
  async #applyChanges(client: pg.ClientBase): Promise<boolean> {
    const { memory, database } = this.#deps;
    const from = this.#applied;
    if (from === undefined) return await this.#startAfresh(client, "started");
    const [present, ...changes] = await database.readChangesFrom(client, from.revision, CHANGES_AT_ONCE + 2);
    if (present?.revision !== from.revision || present.nonce !== from.nonce) {
      // A backup was restored, a standby promoted, or this node slept for longer than changes are kept.
      return await this.#startAfresh(client, "history");
    }
    // It may have lost keys that were made, and revocations, without any change that we have applied.
    if (present.server !== from.server) return await this.#startAfresh(client, "server");
    if (changes.length > CHANGES_AT_ONCE) return await this.#startAfresh(client, "many_changes");
    for (const change of changes) {
      memory.drop(change);
      const { revision, nonce, server } = change;
      this.#applied = { revision, nonce, server };
    }
    return changes.length > 0;
  }

  /**
   * Forgets everything and goes on from the latest change. First the place, then the forgetting: what a
   * look-up brings in between could be older than the place.
   */
  async #startAfresh(
    client: pg.ClientBase,
    reason: "started" | "history" | "server" | "many_changes",
  ): Promise<boolean> {
    const { memory, database, log } = this.#deps;
    this.#drop();
    this.#renew_at_ms = Number.NEGATIVE_INFINITY;
    const head = await database.readHead(client);
    memory.dropEverything();
    this.#applied = head;
    if (reason !== "started") log.event("node.memory_dropped", { node_id: this.id, reason, revision: head.revision });
    return true;
  }

  async #clearAway(client: pg.ClientBase): Promise<void> {
    const { clock, database, peers } = this.#deps;
    const now = clock.monotonic_ms();
    if (now - this.#cleared_ms < CLEAR_EVERY_MS) return;
    this.#cleared_ms = now;
    await peers.clearAway(client);
    await database.deleteOldChanges(client);
  }
}
