import type { Clock } from "../clock.ts";
import type { Connection } from "../db/pool.ts";
import { newUuid } from "../ids.ts";
import { describeError, type Log } from "../log.ts";
import { OwnConnection } from "../nodes/connection.ts";
import { hasEnded, thisProcess } from "./machine.ts";
import {
  clearAwayNodes,
  findHeldNode,
  giveUpNode,
  type HeldNode,
  type NodeFacts,
  renewNode,
  type Taking,
  takeNode,
} from "./store.ts";

/**
 * Placement: on which node a project's data lie. A node is a data directory, named for life by a file in it; all
 * branches of a project are on one, for they share blocks. This folder owns who may work on a node, which node a new
 * project gets, and what is told of nodes that are lost. Jobs of a node touch its branches alone. Why at most one
 * process starts computes of a node is decision 0047.
 */

/** So long a node must have been silent before a process that cannot see its holder's end takes its place. */
export const SILENT_MS = 5_000;
/** So long the holder itself believes a renewal, counted from before it was sent: a tenth less, for drifting clocks. */
const HELD_MS = 4_500;
const RENEW_EVERY_MS = 1_000;
const ANSWER_WITHIN_MS = 1_000;
const LOOK_EVERY_MS = 250;
const CLEAR_EVERY_MS = 10_000;

/** Raised when another process works on the node; the message is for a person at a terminal. */
export class NodeTaken extends Error {
  override readonly name = "NodeTaken";
}

export interface NodeHoldDeps {
  readonly connection: Connection;
  readonly node_id: string;
  /** The database is in the data directory itself, whose lock this process has: nobody has to be waited for. */
  readonly alone: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Another process has taken the node: what is running must be stopped. Called at most once. */
  readonly onTaken: () => void;
}

/** This process's right to start computes on its node. */
export class NodeHold {
  readonly #deps: NodeHoldDeps;
  readonly #connection: OwnConnection;
  readonly #taking: Taking;
  readonly #stopping = new AbortController();
  #facts: NodeFacts | undefined;
  #held_until_ms = Number.NEGATIVE_INFINITY;
  #held_until_wall_ms = Number.NEGATIVE_INFINITY;
  #running: Promise<void> = Promise.resolve();
  #renewing: Promise<boolean> | undefined;
  #was_held = false;
  #cleared_ms = Number.NEGATIVE_INFINITY;
  #lost_nodes = 0;

  private constructor(deps: NodeHoldDeps) {
    this.#deps = deps;
    this.#connection = new OwnConnection(deps.connection, "placement", ANSWER_WITHIN_MS);
    this.#taking = { id: deps.node_id, holder: newUuid(), holder_process: thisProcess() };
    deps.log.metrics.data_node_held.collect_from(() => (this.isHeld() ? 1 : 0));
    deps.log.metrics.data_nodes_lost.collect_from(() => this.#lost_nodes);
  }

  /**
   * Takes the node: at once where its last holder gave it up or has ended on this machine, else when it has been silent
   * for long enough. Throws `NodeTaken` when it turns out to live.
   */
  static async take(deps: NodeHoldDeps): Promise<NodeHold> {
    const hold = new NodeHold(deps);
    try {
      await hold.#take();
      if (!(await hold.#renew())) throw taken(deps.node_id);
    } catch (error) {
      hold.#connection.close();
      throw error;
    }
    hold.#running = hold.#loop();
    return hold;
  }

  /**
   * Whether a compute may be started at this moment; asked each time, never remembered. A process that was frozen, or cut
   * off from the database, renews first, and learns by that whether the node is still its own.
   */
  async mayStart(): Promise<boolean> {
    if (!this.isHeld() && !this.#stopping.signal.aborted) await this.#renew().catch(() => false);
    return this.isHeld();
  }

  isHeld(): boolean {
    const { clock } = this.#deps;
    return clock.monotonic_ms() < this.#held_until_ms && clock.now_ms() < this.#held_until_wall_ms;
  }

  /** Tells the others what they need to choose this node and to reach it, from now on with each renewal. */
  async announce(facts: NodeFacts): Promise<void> {
    this.#facts = facts;
    await renewNode(await this.#connection.open(), this.#taking, facts);
  }

  /** Gives the node up. To be called when nothing of it runs any more. */
  async release(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#drop();
    try {
      await giveUpNode(await this.#connection.open(), this.#taking);
    } catch {
      // Whoever comes next sees that this process has ended, or waits.
    }
    this.#connection.close();
  }

  #drop(): void {
    this.#held_until_ms = Number.NEGATIVE_INFINITY;
  }

  async #take(): Promise<void> {
    const { node_id, alone, clock } = this.#deps;
    const client = await this.#connection.open();
    let watched: { readonly node: HeldNode; readonly since_ms: number } | undefined;
    for (;;) {
      const node = await findHeldNode(client, node_id);
      const now_ms = clock.monotonic_ms();
      if (!alone && node !== undefined && node.holder !== null && !hasEnded(node.holder_process)) {
        watched ??= { node, since_ms: now_ms };
        if (node.renewals !== watched.node.renewals) throw taken(node_id);
        if (now_ms - watched.since_ms < SILENT_MS) {
          await clock.sleep(LOOK_EVERY_MS);
          continue;
        }
      }
      if (await takeNode(client, this.#taking, node)) return;
    }
  }

  async #loop(): Promise<void> {
    const { node_id, clock, log, onTaken } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await clock.sleep(RENEW_EVERY_MS, signal);
      if (signal.aborted) return;
      try {
        if (await this.#renew()) continue;
        log.event("placement.taken", { node_id });
        onTaken();
        return;
      } catch (error) {
        this.#connection.close();
        if (this.#was_held && !this.isHeld()) {
          this.#was_held = false;
          log.event("placement.lost", { node_id, error: describeError(error) });
        }
      }
    }
  }

  /** False when another process has the node. Asked twice at once, it is done once. */
  async #renew(): Promise<boolean> {
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewing = undefined;
    });
    return await this.#renewing;
  }

  async #renewOnce(): Promise<boolean> {
    const { node_id, clock, log } = this.#deps;
    const client = await this.#connection.open();
    const sent_ms = clock.monotonic_ms();
    const sent_wall_ms = clock.now_ms();
    if (!(await renewNode(client, this.#taking, this.#facts))) {
      this.#drop();
      return false;
    }
    this.#held_until_ms = sent_ms + HELD_MS;
    this.#held_until_wall_ms = sent_wall_ms + HELD_MS;
    if (!this.#was_held && this.isHeld()) {
      this.#was_held = true;
      log.event("placement.held", { node_id });
    }
    if (sent_ms - this.#cleared_ms >= CLEAR_EVERY_MS) {
      this.#cleared_ms = sent_ms;
      this.#lost_nodes = await clearAwayNodes(client);
    }
    return true;
  }
}

const taken = (node_id: string) =>
  new NodeTaken(
    `another server works as node ${node_id}, whose name is in this data directory. If this directory is a copy of ` +
      "that one's, give this server a LATCHKEY_DATA_DIR of its own; if it was moved here, stop the server there first",
  );
