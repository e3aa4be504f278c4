import type { LiveKey } from "../../server/keys/store.ts";
import type { AccessChange } from "../../server/nodes/change.ts";
import type { NodeRow, Position, ReadPosition } from "../../server/nodes/store.ts";
import type { World } from "./world.ts";

/**
 * The stand-in for PostgreSQL: only what the protocol asks of it, and that faithfully. A statement sees what was
 * committed when it began; what it writes is written to the rows as they are when it commits; commits have an
 * order; a revision is given under a lock that is held until the commit. `database.test.ts` holds it against a
 * real PostgreSQL, statement by statement.
 */

export interface KeyRow extends LiveKey {
  readonly revoked: boolean;
}

export type StoredChange = Position & AccessChange & { readonly at_ms: number };

/** Everything that is committed, at one moment. Never changed: a commit makes another. */
export interface Version {
  readonly nodes: ReadonlyMap<string, NodeRow>;
  readonly revision: number;
  /** By revision. */
  readonly changes: readonly StoredChange[];
  /** By digest in hexadecimal. */
  readonly keys: ReadonlyMap<string, KeyRow>;
  readonly deleted_projects: ReadonlySet<string>;
}

/** What a statement sees. */
export interface Snapshot extends Version {
  /** Another one with each start of the server. */
  readonly server: string;
}

export const EMPTY: Version = {
  nodes: new Map(),
  revision: 0,
  changes: [{ revision: 0, nonce: "nonce 0", kind: "everything", subject: "", at_ms: 0 }],
  keys: new Map(),
  deleted_projects: new Set(),
};

/** One statement: what it answers, given what was committed as it began, and what it makes of what is committed as it ends. */
export interface Statement<Result> {
  readonly name: string;
  readonly run: (began: Snapshot, current: Version, now_ms: number) => { result: Result; next?: Version };
  /** Its commit does not wait for the disk. */
  readonly is_lazy?: boolean;
}

const HOUR_MS = 3_600_000;

export const statements = {
  extendLease: (id: string, renewals: number, applied: Position | undefined): Statement<void> => ({
    name: `extend ${renewals}, applied ${applied?.revision}`,
    run: (began, current) => {
      const acked = applied && isKnown(began, applied) ? applied.revision : -1;
      const acked_revision = Math.max(acked, current.nodes.get(id)?.acked_revision ?? -1);
      return { result: undefined, next: withNode(current, { id, acked_revision, renewals }) };
    },
  }),
  acknowledge: (id: string, applied: Position): Statement<void> => ({
    name: `acknowledge ${applied.revision}`,
    is_lazy: true,
    run: (began, current) => {
      const row = began.nodes.has(id) ? current.nodes.get(id) : undefined;
      if (!row || !isKnown(began, applied)) return { result: undefined };
      const acked_revision = Math.max(row.acked_revision, applied.revision);
      return { result: undefined, next: withNode(current, { ...row, acked_revision }) };
    },
  }),
  readHead: (): Statement<ReadPosition> => ({
    name: "read the head",
    run: ({ changes, server }) => {
      const { revision, nonce } = changes.at(-1) as StoredChange;
      return { result: { revision, nonce, server } };
    },
  }),
  readChangesFrom: (revision: number, limit: number): Statement<(ReadPosition & AccessChange)[]> => ({
    name: `read changes from ${revision}`,
    run: ({ changes, server }) => {
      const found = changes.filter((change) => change.revision >= revision).slice(0, limit);
      return { result: found.map(({ at_ms: _, ...change }) => ({ ...change, server })) };
    },
  }),
  readNodes: (): Statement<NodeRow[]> => ({
    name: "look at the nodes",
    run: ({ nodes }) => ({ result: [...nodes.values()] }),
  }),
  deleteNodeAsSeen: ({ id, renewals }: NodeRow): Statement<void> => ({
    name: `clear away ${id} as of ${renewals}`,
    run: (began, current) => {
      const isThere = began.nodes.has(id) && current.nodes.get(id)?.renewals === renewals;
      return isThere ? { result: undefined, next: withoutNode(current, id) } : { result: undefined };
    },
  }),
  deleteNode: (id: string): Statement<void> => ({
    name: "leave",
    run: (began, current) =>
      began.nodes.has(id) ? { result: undefined, next: withoutNode(current, id) } : { result: undefined },
  }),
  deleteOldChanges: (): Statement<void> => ({
    name: "delete old changes",
    run: (began, current, now_ms) => {
      const acked = [...began.nodes.values()].map(({ acked_revision }) => acked_revision);
      const limit = Math.min(began.revision, acked.length > 0 ? Math.min(...acked) : 0);
      const isOld = ({ at_ms, revision }: StoredChange) => at_ms < now_ms - HOUR_MS && revision < limit;
      const old = new Set(began.changes.filter(isOld).map(({ revision }) => revision));
      return { result: undefined, next: { ...current, changes: current.changes.filter((c) => !old.has(c.revision)) } };
    },
  }),
  findLiveKeys: (digests: readonly string[]): Statement<(LiveKey | undefined)[]> => ({
    name: "look up keys",
    run: (began) => ({
      result: digests.map((digest) => {
        const key = began.keys.get(digest);
        if (!key || key.revoked || (key.project_id && began.deleted_projects.has(key.project_id))) return undefined;
        const { revoked: _, ...live } = key;
        return live;
      }),
    }),
  }),
  nothing: (name: string): Statement<void> => ({ name, run: () => ({ result: undefined }) }),
};

function isKnown({ changes }: Version, { revision, nonce }: Position): boolean {
  return changes.some((change) => change.revision === revision && change.nonce === nonce);
}

function withNode(version: Version, row: NodeRow): Version {
  return { ...version, nodes: new Map(version.nodes).set(row.id, row) };
}

function withoutNode(version: Version, id: string): Version {
  const nodes = new Map(version.nodes);
  nodes.delete(id);
  return { ...version, nodes };
}

/** What a transaction does to rows other than those of the protocol; seen by others with its commit. */
export type RowChange = (version: Version) => Version;

interface Transaction {
  readonly rows: RowChange[];
  changes: readonly AccessChange[];
  notifies: boolean;
}

/** A transaction that holds the lock and says nothing is ended after so long: `COMMIT_WITHIN_MS` of the store. */
const COMMIT_WITHIN_MS = 2_000;

/** The database's end of a connection. */
export class Session {
  is_open = true;
  is_listening = false;
  transaction: Transaction | undefined;
  /** Counts statements, so that a timer knows whether its own is still the last. */
  statements = 0;
  readonly onNotified: () => void;
  readonly onClosed: () => void;

  constructor(onNotified: () => void, onClosed: () => void) {
    this.onNotified = onNotified;
    this.onClosed = onClosed;
  }
}

export class SimulatedDatabase {
  current: Version = EMPTY;
  is_up = true;
  /** How far its own clock has been set forward. */
  clock_ahead_ms = 0;
  readonly #world: World;
  /** What a crash leaves: everything up to the last commit that waited for the disk. */
  #on_disk: Version = EMPTY;
  readonly #sessions = new Set<Session>();
  #lock: Session | undefined;
  #waiting: { session: Session; take: () => void }[] = [];
  #nonces = 0;
  #starts = 0;

  constructor(world: World) {
    this.#world = world;
  }

  open(session: Session): boolean {
    if (this.is_up) this.#sessions.add(session);
    else session.is_open = false;
    return this.is_up;
  }

  get open_sessions(): number {
    return this.#sessions.size;
  }

  /** Ends a session: what it has not committed did not happen. `tells`: whether its client hears of it. */
  close(session: Session, tells: boolean): void {
    if (!session.is_open) return;
    session.is_open = false;
    this.#sessions.delete(session);
    this.#rollBack(session);
    if (tells) session.onClosed();
  }

  /** Begins a statement now; it is answered and, if it writes, committed a little later. */
  execute<Result>(session: Session, statement: Statement<Result>, answer: (result: Result) => void): void {
    if (!session.is_open) return;
    session.statements++;
    const began = { ...this.current, server: `server ${this.#starts}` };
    this.#world.after(this.#duration(), () => {
      if (!session.is_open) return;
      const { result, next } = statement.run(began, this.current, this.#now());
      if (next) this.#commit(next, statement.is_lazy ?? false);
      answer(result);
    });
  }

  /** A statement in a transaction, which it begins if there is none. */
  change(session: Session, rows: RowChange, answer: () => void): void {
    if (!session.is_open) return;
    session.statements++;
    session.transaction ??= { rows: [], changes: [], notifies: false };
    session.transaction.rows.push(rows);
    this.#world.after(this.#duration(), () => session.is_open && answer());
  }

  /** Takes the lock on the revision, then answers with the revision that it gives; see `appendAccessChanges`. */
  append(session: Session, changes: readonly AccessChange[], notifies: boolean, answer: (revision: number) => void) {
    if (!session.is_open) return;
    session.statements++;
    session.transaction ??= { rows: [], changes: [], notifies };
    session.transaction.notifies = notifies;
    const take = () => {
      this.#lock = session;
      const revision = this.current.revision + changes.length;
      if (session.transaction) session.transaction.changes = changes;
      this.#world.after(this.#duration(), () => {
        if (!session.is_open) return;
        answer(revision);
        const number = session.statements;
        this.#world.after(COMMIT_WITHIN_MS, () => {
          if (session.is_open && session.statements === number) this.close(session, true);
        });
      });
    };
    if (this.#lock) this.#waiting.push({ session, take });
    else take();
  }

  commit(session: Session, answer: () => void): void {
    if (!session.is_open) return;
    session.statements++;
    this.#world.after(this.#duration(), () => {
      if (!session.is_open) return;
      const { transaction } = session;
      if (transaction) {
        let next = transaction.rows.reduce((version, rows) => rows(version), this.current);
        for (const change of transaction.changes) {
          const revision = next.revision + 1;
          const nonce = `nonce ${++this.#nonces}`;
          next = { ...next, revision, changes: [...next.changes, { ...change, revision, nonce, at_ms: this.#now() }] };
        }
        this.#commit(next, false);
        if (transaction.notifies) for (const other of this.#sessions) if (other.is_listening) other.onNotified();
      }
      this.#rollBack(session);
      answer();
    });
  }

  listen(session: Session, answer: () => void): void {
    if (!session.is_open) return;
    session.is_listening = true;
    this.#world.after(this.#duration(), () => session.is_open && answer());
  }

  /** As by `kill -9` of all its processes; what had not reached the disk is lost. */
  crash(): void {
    this.is_up = false;
    for (const session of [...this.#sessions]) this.close(session, true);
    this.current = this.#on_disk;
  }

  start(version = this.current, isOtherServer = true): void {
    this.is_up = true;
    if (isOtherServer) this.#starts++;
    this.current = version;
    this.#on_disk = version;
  }

  #commit(next: Version, is_lazy: boolean): void {
    this.current = next;
    if (!is_lazy) this.#on_disk = next;
  }

  #rollBack(session: Session): void {
    session.transaction = undefined;
    this.#waiting = this.#waiting.filter((waiting) => waiting.session !== session);
    if (this.#lock !== session) return;
    this.#lock = undefined;
    this.#waiting.shift()?.take();
  }

  #now(): number {
    return this.#world.now_ms + this.clock_ahead_ms;
  }

  #duration(): number {
    const { random, is_quiet } = this.#world;
    return !is_quiet && random.chance(0.02) ? random.between(1, 200) : random.between(0.05, 0.5);
  }
}
