import type { Clock } from "../clock.ts";
import type { Relay } from "./relay.ts";

/** Whether a client has a session of its own, or one of the pooler's. Each kind has its own limit. */
export type SessionKind = "direct" | "pooled";

/** Who uses an endpoint at this moment, for those who decide about its sleep. */
export interface Traffic {
  /** Clients that have proved their password and wait for the compute. */
  readonly opening: number;
  /** Clients that are connected, idle ones included. */
  readonly open: number;
  /** Those among them that have a command or a transaction under way. */
  readonly busy: number;
  /**
   * Goes up as long as those send, or are sent, anything. One that does nothing is not always at work: after a COPY that has failed
   * PostgreSQL reads the rest of its data, and answers nothing to it.
   */
  readonly busy_chunks: number;
  /**
   * When a client last came, began or ended something, or went: monotonic milliseconds of this process. Undefined: never
   * since this process started.
   */
  readonly last_activity_ms: number | undefined;
  /** Goes up whenever a client has ended a command or a transaction, or has gone: something may have changed. Never goes down. */
  readonly settled: number;
  /** How much clients have been sent, in all. */
  readonly sent_bytes: number;
}

const NOTHING = { opening: 0, open: 0, busy: 0, busy_chunks: 0, last_activity_ms: undefined, sent_bytes: 0 };

/** Counts the sessions of one endpoint. */
class EndpointTraffic {
  readonly opening = { direct: 0, pooled: 0 };
  last_activity_ms: number | undefined;
  settled: number;
  /** To those who have gone. */
  sent_bytes = 0;
  readonly sessions = { direct: new Set<Relay>(), pooled: new Set<Relay>() };

  constructor(settled: number) {
    this.settled = settled;
  }

  *all(): Iterable<Relay> {
    yield* this.sessions.direct;
    yield* this.sessions.pooled;
  }

  get open(): number {
    return this.sessions.direct.size + this.sessions.pooled.size;
  }

  get waiting(): number {
    return this.opening.direct + this.opening.pooled;
  }
}

/** The sessions of all endpoints. */
export class TrafficBook {
  readonly #clock: Pick<Clock, "monotonic_ms">;
  readonly #endpoints = new Map<string, EndpointTraffic>();
  /** Numbers for all endpoints: those of one that was forgotten and has come back are above those it had. */
  #settled = 0;
  /** As of when one was forgotten last, and with it what those that are not here may have had. */
  #forgotten = 0;

  constructor(clock: Pick<Clock, "monotonic_ms">) {
    this.#clock = clock;
  }

  of(endpoint_id: string): Traffic {
    const found = this.#endpoints.get(endpoint_id);
    if (found === undefined) return { ...NOTHING, settled: this.#forgotten };
    const { waiting: opening, open, last_activity_ms, settled } = found;
    let { sent_bytes } = found;
    let [busy, busy_chunks] = [0, 0];
    for (const relay of found.all()) {
      if (!relay.idle) {
        busy++;
        busy_chunks += relay.chunks;
      }
      sent_bytes += relay.carried_bytes;
    }
    return { opening, open, busy, busy_chunks, last_activity_ms, settled, sent_bytes };
  }

  /** Counts a client in, unless there are so many already. */
  beginOpening(endpoint_id: string, kind: SessionKind, max_connections: number): boolean {
    const { opening, sessions } = this.#endpoint(endpoint_id);
    if (opening[kind] + sessions[kind].size >= max_connections) return false;
    opening[kind]++;
    this.touch(endpoint_id);
    return true;
  }

  endOpening(endpoint_id: string, kind: SessionKind): void {
    this.#endpoint(endpoint_id).opening[kind]--;
  }

  add(endpoint_id: string, kind: SessionKind, relay: Relay): void {
    this.#endpoint(endpoint_id).sessions[kind].add(relay);
  }

  remove(endpoint_id: string, kind: SessionKind, relay: Relay): void {
    const endpoint = this.#endpoint(endpoint_id);
    if (endpoint.sessions[kind].delete(relay)) endpoint.sent_bytes += relay.carried_bytes;
    this.settle(endpoint_id);
  }

  touch(endpoint_id: string): void {
    this.#endpoint(endpoint_id).last_activity_ms = this.#clock.monotonic_ms();
  }

  settle(endpoint_id: string): void {
    this.#endpoint(endpoint_id).settled = ++this.#settled;
    this.touch(endpoint_id);
  }

  *sessions(): Iterable<Relay> {
    for (const endpoint of this.#endpoints.values()) yield* endpoint.all();
  }

  sessionsOf(endpoint_id: string): Iterable<Relay> {
    return this.#endpoints.get(endpoint_id)?.all() ?? [];
  }

  get open(): number {
    let open = 0;
    for (const endpoint of this.#endpoints.values()) open += endpoint.open + endpoint.waiting;
    return open;
  }

  /** Of endpoints that have been deleted: what nobody will ask for again. */
  forget(endpoint_id: string): void {
    const found = this.#endpoints.get(endpoint_id);
    if (!found || found.waiting > 0 || found.open > 0) return;
    this.#endpoints.delete(endpoint_id);
    this.#forgotten = ++this.#settled;
  }

  #endpoint(endpoint_id: string): EndpointTraffic {
    let found = this.#endpoints.get(endpoint_id);
    if (found === undefined) {
      found = new EndpointTraffic(this.#forgotten);
      this.#endpoints.set(endpoint_id, found);
    }
    return found;
  }
}
