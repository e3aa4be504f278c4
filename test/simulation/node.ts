import type pg from "pg";
import type { Clock } from "../../server/clock.ts";
import type { Db, Tx } from "../../server/db/pool.ts";
import type { KeysDeps, openKeys } from "../../server/keys/open-keys.ts";
import { createLog, type Log } from "../../server/log.ts";
import type { AccessChange } from "../../server/nodes/change.ts";
import { type Reach, SimulatedOwnConnection, SimulatedPool, type Wire } from "./connections.ts";
import { type RowChange, type SimulatedDatabase, statements } from "./database.ts";
import type { World } from "./world.ts";

export type OpenKeys = typeof openKeys;

/** `ANSWER_WITHIN_MS` of `server/nodes/store.ts` and `server/keys/store.ts`. */
const LOOK_WITHIN_MS = 1_000;
const LOOK_UP_WITHIN_MS = 2_000;

/** A second after it has left a node has no connection of its own any more. */
const LEFT_AFTER_MS = 1_000;

const { metrics } = createLog("silent");

/** One way between a node and the database, and its moods. */
export class Link {
  readonly #world: World;
  /** Till then messages are lost or held back. */
  cut_until_ms = 0;
  slow_until_ms = 0;
  slow_ms = 0;
  /** Of a message, at any time. */
  loss = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** How long the next message takes; undefined: for ever. */
  delay(): number | undefined {
    const { random, now_ms, is_quiet } = this.#world;
    if (is_quiet) return random.between(0.1, 1);
    if (random.chance(this.loss)) return undefined;
    const usual_ms = random.chance(0.85) ? random.between(0.1, 2) : random.between(1, 60);
    if (now_ms < this.cut_until_ms)
      return random.chance(0.5) ? undefined : this.cut_until_ms - now_ms + random.between(0, 200);
    return now_ms < this.slow_until_ms ? usual_ms + random.between(0, this.slow_ms) : usual_ms;
  }
}

/** The clocks of one machine. They go at their own speed; the wall clock may be set, the other may stand still while the machine sleeps. */
class MachineClock implements Clock {
  readonly #node: SimulatedNode;
  readonly rate: number;
  wall_ahead_ms = 1_700_000_000_000;
  slept_ms = 0;

  constructor(node: SimulatedNode, rate: number) {
    this.#node = node;
    this.rate = rate;
  }

  now_ms(): number {
    return this.#node.world.now_ms * this.rate + this.wall_ahead_ms;
  }

  monotonic_ms(): number {
    return (this.#node.world.now_ms - this.slept_ms) * this.rate;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      signal?.addEventListener("abort", () => resolve(), { once: true });
      this.#node.timer(ms, resolve);
    });
  }
}

/** A machine with one server process on it: the real classes, wired by the real `openKeys`. */
export class SimulatedNode {
  readonly name: string;
  readonly world: World;
  readonly database: SimulatedDatabase;
  readonly link: Link;
  readonly clock: MachineClock;
  readonly wires = new Set<Wire>();
  readonly #open_keys: OpenKeys;
  #keys: ReturnType<OpenKeys> | undefined;
  #pool: SimulatedPool;
  /** Another with each process: what is on its way to one that has gone arrives nowhere. */
  #process = 0;
  #frozen_until_ms = 0;
  #at_thaw: { run: () => void; is_timer: boolean }[] = [];
  is_stopping = false;
  /** How often it has been frozen. */
  pauses = 0;

  constructor(name: string, world: World, database: SimulatedDatabase, open_keys: OpenKeys) {
    this.name = name;
    this.world = world;
    this.database = database;
    this.link = new Link(world);
    // Ten parts apart at most, the extremes more often than not.
    const { random } = world;
    this.clock = new MachineClock(this, random.pick([1, 1.1, random.between(1, 1.1)]) ?? 1);
    this.#open_keys = open_keys;
    this.#pool = new SimulatedPool(this);
  }

  get is_up(): boolean {
    return this.#keys !== undefined;
  }

  get is_frozen(): boolean {
    return this.world.now_ms < this.#frozen_until_ms;
  }

  get keys(): ReturnType<OpenKeys> {
    if (!this.#keys) throw new Error(`${this.name} is down`);
    return this.#keys;
  }

  start(listens: boolean): void {
    this.world.trace(() => `${this.name} starts`);
    this.#process++;
    this.is_stopping = false;
    this.#pool = new SimulatedPool(this);
    this.#keys = this.#open_keys({
      config: { key_cache_bytes: 4_096, listen: listens ? "database" : "off" } as unknown as KeysDeps["config"],
      connection: { url: "simulated" },
      db: this.#pool as unknown as Db,
      pool: this.#pool as unknown as pg.Pool,
      description: { data_node_id: this.name, address: "", pid: this.#process, version: "" },
      clock: this.clock,
      log: this.#log(),
      database: this.#statements(),
    });
    void this.#keys.start();
  }

  /** Ends the process without a word. */
  crash(): void {
    this.world.trace(() => `${this.name} crashes`);
    this.#end();
  }

  /** Ends it as a signal does; its requests go on to the end, as they do in a server that drains. */
  async stop(): Promise<void> {
    this.world.trace(() => `${this.name} stops`);
    this.is_stopping = true;
    const process = this.#process;
    await this.#keys?.stop();
    if (process !== this.#process) return;
    // Time for whatever was being opened.
    await this.world.sleep(LEFT_AFTER_MS);
    if (process !== this.#process) return;
    if ([...this.wires].some(({ is_own }) => is_own))
      this.world.violation(`${this.name} has left with a connection open`);
    this.world.trace(() => `${this.name} has stopped`);
    this.#pool.close();
    this.#end();
  }

  #end(): void {
    this.#process++;
    this.#keys = undefined;
    this.#frozen_until_ms = 0;
    this.#at_thaw = [];
    for (const wire of this.wires) wire.abandon();
    this.wires.clear();
  }

  /** Stops it between two steps. `sleeps`: with its monotonic clock, as a machine that sleeps. */
  freeze(ms: number, sleeps: boolean): void {
    this.world.trace(() => `${this.name} ${sleeps ? "sleeps" : "is frozen"} for ${ms.toFixed(0)} ms`);
    this.#frozen_until_ms = this.world.now_ms + ms;
    this.pauses++;
    const process = this.#process;
    this.world.after(ms, () => {
      if (sleeps) this.clock.slept_ms += ms;
      if (process === this.#process) this.#thaw();
    });
  }

  #thaw(): void {
    this.world.trace(() => `${this.name} thaws`);
    let at_thaw = this.#at_thaw;
    this.#at_thaw = [];
    if (this.world.random.chance(0.5)) {
      at_thaw = [...at_thaw.filter(({ is_timer }) => is_timer), ...at_thaw.filter(({ is_timer }) => !is_timer)];
    }
    // In this order, one by one; what arrives from now on comes after them.
    for (const { run, is_timer } of at_thaw) this.world.after(0, () => this.arrive(run, is_timer));
  }

  /** Something happens in the process, when it runs next. */
  arrive(run: () => void, is_timer = false): void {
    if (this.is_frozen) this.#at_thaw.push({ run, is_timer });
    else run();
  }

  timer(ms: number, run: () => void): void {
    const process = this.#process;
    this.world.after(ms / this.clock.rate, () => {
      if (process === this.#process) this.arrive(run, true);
    });
  }

  /** As the pipeline makes a change that narrows access: its rows and the append in one transaction, then the wait. */
  async change(rows: RowChange, changes: readonly AccessChange[], onCommitted: () => void): Promise<void> {
    const { revocations } = this.keys;
    const revision = await this.#pool.use(async (wire) => {
      await wire.change(rows);
      const appended = await revocations.append(wire as unknown as Tx, changes);
      await wire.commit();
      return appended;
    });
    onCommitted();
    await revocations.confirm(revision, 1);
  }

  /** A change that narrows nothing. */
  async add(rows: RowChange): Promise<void> {
    await this.#pool.use(async (wire) => {
      await wire.change(rows);
      await wire.commit();
    });
  }

  #log(): Log {
    const event: Log["event"] = (name, fields) =>
      this.world.trace(() => `${this.name}: ${name} ${JSON.stringify(fields)}`);
    return { event, requestsOf: () => () => {}, metrics };
  }

  #statements(): NonNullable<KeysDeps["database"]> {
    const reach = (client: unknown) => client as Reach;
    return {
      connect: (_connection, _name, answer_within_ms) => new SimulatedOwnConnection(this, answer_within_ms),
      extendLease: (client, id, renewal, applied) => reach(client).ask(statements.extendLease(id, renewal, applied)),
      acknowledge: (client, id, applied) => reach(client).ask(statements.acknowledge(id, applied)),
      readHead: (client) => reach(client).ask(statements.readHead()),
      readChangesFrom: (client, revision, limit) => reach(client).ask(statements.readChangesFrom(revision, limit)),
      readNodes: (client) => reach(client).ask(statements.readNodes(), LOOK_WITHIN_MS),
      deleteNodeAsSeen: (client, row) => reach(client).ask(statements.deleteNodeAsSeen(row)),
      deleteNode: (client, id) => reach(client).ask(statements.deleteNode(id)),
      deleteOldChanges: (client) => reach(client).ask(statements.deleteOldChanges()),
      startListening: (client) => reach(client).listen(),
      appendAccessChanges: (tx, changes, notify) => (tx as unknown as Wire).append(changes, notify),
      writeConfirmation: (db) => reach(db).ask(statements.nothing("complete the audit row")),
      findLiveKeys: (pool, digests) =>
        reach(pool).ask(statements.findLiveKeys(digests.map((digest) => digest.toString("hex"))), LOOK_UP_WITHIN_MS),
    };
  }
}
