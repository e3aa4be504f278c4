import type pg from "pg";
import { type RowChange, Session, type SimulatedDatabase, type Statement } from "./database.ts";
import type { SimulatedNode } from "./node.ts";

/** As `server/nodes/connection.ts` and `server/db/pool.ts` have it. */
const CONNECT_WITHIN_MS = 1_000;
const POOL_CONNECTS_WITHIN_MS = 5_000;
const SILENT_MS = 60_000;

/**
 * A connection between a node and the database. Messages keep their order, take as long as the network likes,
 * and when one is lost nothing arrives after it, in either direction, and nobody is told: so TCP looks from
 * above when packets vanish. What was sent before a close still arrives.
 */
export class Wire {
  readonly #node: SimulatedNode;
  readonly #database: SimulatedDatabase;
  readonly #session: Session;
  readonly #onEnd: () => void;
  readonly #waiting = new Set<(error: Error) => void>();
  #onNotification = () => {};
  #is_mute = false;
  #is_open = true;
  #reaches_database_ms = 0;
  #reaches_node_ms = 0;

  /** Kept by the lease or the listener, not by the pool. */
  readonly is_own: boolean;

  constructor(node: SimulatedNode, is_own: boolean, onEnd: () => void = () => {}) {
    this.is_own = is_own;
    this.#node = node;
    this.#database = node.database;
    this.#onEnd = onEnd;
    this.#session = new Session(
      () => this.#toNode(() => this.#onNotification()),
      () => this.#toNode(() => this.#end("Connection terminated unexpectedly")),
    );
    node.wires.add(this);
  }

  get is_open(): boolean {
    return this.#is_open;
  }

  get is_mute(): boolean {
    return this.#is_mute;
  }

  on(_notification: string, listener: () => void): void {
    this.#onNotification = listener;
  }

  connect(within_ms: number): Promise<void> {
    return this.#call("connect", within_ms, (answer) => {
      if (this.#database.open(this.#session)) answer();
      else this.#toNode(() => this.#end("connect ECONNREFUSED"));
    });
  }

  ask<Result>(statement: Statement<Result>, within_ms: number | undefined): Promise<Result> {
    return this.#call<Result>(statement.name, within_ms, (answer) =>
      this.#database.execute(this.#session, statement, answer),
    );
  }

  change(rows: RowChange): Promise<void> {
    return this.#call("change rows", SILENT_MS, (answer) => this.#database.change(this.#session, rows, answer));
  }

  append(changes: Parameters<SimulatedDatabase["append"]>[1], notifies: boolean): Promise<number> {
    const what = changes.map(({ kind, subject }) => `${kind} ${subject.slice(0, 8)}`).join();
    return this.#call<number>(`append ${what}`, SILENT_MS, (answer) =>
      this.#database.append(this.#session, changes, notifies, answer),
    );
  }

  commit(): Promise<void> {
    return this.#call("commit", SILENT_MS, (answer) => this.#database.commit(this.#session, answer));
  }

  listen(): Promise<void> {
    return this.#call("listen", undefined, (answer) => this.#database.listen(this.#session, answer));
  }

  /** Closed by the node. */
  close(): void {
    if (!this.#is_open) return;
    this.#end("Connection terminated");
    this.#toDatabase(() => this.#database.close(this.#session, false));
  }

  /** The node's process has gone: its sockets are closed for it, and nobody there is told. */
  abandon(): void {
    this.#is_open = false;
    this.#toDatabase(() => this.#database.close(this.#session, false));
  }

  /** The database ends it, as by `pg_terminate_backend`. */
  kill(): void {
    this.#database.close(this.#session, true);
  }

  #call<Result>(what: string, within_ms: number | undefined, send: (answer: (result: Result) => void) => void) {
    const { world, name } = this.#node;
    return new Promise<Result>((resolve, reject) => {
      if (!this.#is_open) return reject(new Error("Client was closed and is not queryable"));
      this.#waiting.add(reject);
      if (within_ms !== undefined) {
        this.#node.timer(within_ms, () => {
          if (this.#waiting.delete(reject)) reject(new Error("Query read timeout"));
        });
      }
      this.#toDatabase(() => {
        world.trace(() => `${name}: ${what}, begins`);
        send((result) => {
          world.trace(() => `${name}: ${what}, done: ${JSON.stringify(result)}`);
          this.#toNode(() => {
            this.#waiting.delete(reject);
            resolve(result);
          });
        });
      });
    });
  }

  #end(why: string): void {
    if (!this.#is_open) return;
    this.#is_open = false;
    this.#node.wires.delete(this);
    for (const reject of this.#waiting) reject(new Error(why));
    this.#waiting.clear();
    this.#onEnd();
  }

  #toDatabase(run: () => void): void {
    const delay_ms = this.#delay();
    if (delay_ms === undefined) return;
    const { world } = this.#node;
    this.#reaches_database_ms = Math.max(this.#reaches_database_ms, world.now_ms + delay_ms);
    world.after(this.#reaches_database_ms - world.now_ms, run);
  }

  #toNode(run: () => void): void {
    const delay_ms = this.#delay();
    if (delay_ms === undefined) return;
    const { world } = this.#node;
    this.#reaches_node_ms = Math.max(this.#reaches_node_ms, world.now_ms + delay_ms);
    world.after(this.#reaches_node_ms - world.now_ms, () => this.#node.arrive(() => this.#is_open && run()));
  }

  #delay(): number | undefined {
    if (this.#is_mute) return undefined;
    const delay_ms = this.#node.link.delay();
    this.#is_mute = delay_ms === undefined;
    return delay_ms;
  }
}

/** `OwnConnection`: opened when it is needed, given up when a statement is not answered in time. */
export class SimulatedOwnConnection {
  readonly #node: SimulatedNode;
  readonly #answer_within_ms: number | undefined;
  #wire: Wire | undefined;

  constructor(node: SimulatedNode, answer_within_ms: number | undefined) {
    this.#node = node;
    this.#answer_within_ms = answer_within_ms;
  }

  async open(onLost: () => void = () => {}): Promise<pg.Client> {
    if (this.#wire) return this.#asClient(this.#wire);
    const wire = new Wire(this.#node, true, () => {
      if (this.#wire === wire) this.#wire = undefined;
      onLost();
    });
    try {
      await wire.connect(CONNECT_WITHIN_MS);
    } catch (error) {
      wire.close();
      throw error;
    }
    this.#wire = wire;
    return this.#asClient(wire);
  }

  close(): void {
    const wire = this.#wire;
    this.#wire = undefined;
    wire?.close();
  }

  /** The stand-in's statements take what `open` gives them, and nothing else looks into it. */
  #asClient(wire: Wire): pg.Client {
    const reach: Reach = {
      ask: (statement) => wire.ask(statement, this.#answer_within_ms),
      listen: () => wire.listen(),
      on: (name, listener) => wire.on(name, listener),
    };
    return reach as unknown as pg.Client;
  }
}

/** What stands behind a `pg.Client` or a `pg.Pool` here. */
export interface Reach {
  ask<Result>(statement: Statement<Result>, within_ms?: number): Promise<Result>;
  listen(): Promise<void>;
  on(notification: string, listener: () => void): void;
}

/** The pool: a connection for each statement, kept for the next unless something went wrong on it. */
export class SimulatedPool implements Reach {
  readonly #node: SimulatedNode;
  #idle: Wire[] = [];

  constructor(node: SimulatedNode) {
    this.#node = node;
  }

  async ask<Result>(statement: Statement<Result>, within_ms = SILENT_MS): Promise<Result> {
    return await this.use((wire) => wire.ask(statement, within_ms));
  }

  async use<Result>(work: (wire: Wire) => Promise<Result>): Promise<Result> {
    const wire = await this.#take();
    try {
      const result = await work(wire);
      this.#idle.push(wire);
      return result;
    } catch (error) {
      wire.close();
      throw error;
    }
  }

  async #take(): Promise<Wire> {
    // An idle connection that has gone mute is found out by keep-alives, in time.
    const { is_quiet } = this.#node.world;
    this.#idle = this.#idle.filter(({ is_open, is_mute }) => is_open && !(is_quiet && is_mute));
    const idle = this.#idle.shift();
    if (idle) return idle;
    const wire = new Wire(this.#node, false);
    try {
      await wire.connect(POOL_CONNECTS_WITHIN_MS);
    } catch (error) {
      wire.close();
      throw error;
    }
    return wire;
  }

  close(): void {
    for (const wire of this.#idle) wire.close();
    this.#idle = [];
  }

  listen(): Promise<void> {
    throw new Error("nobody listens through the pool");
  }

  on(): void {
    throw new Error("nobody listens through the pool");
  }
}
