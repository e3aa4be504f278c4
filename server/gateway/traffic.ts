import type { Clock } from "../clock.ts";
import type { Relay } from "./relay.ts";

/** Who uses an endpoint at this moment, for those who decide about its sleep. */
export interface Traffic {
  /** Clients that have proved their password and wait for the compute. */
  readonly opening: number;
  /** Clients that are connected, idle ones included. */
  readonly open: number;
  /** Those among them that have a command or a transaction under way. */
  readonly busy: number;
  /**
   * When a client last came, began or ended something, or went: monotonic milliseconds of this process. Undefined: never
   * since this process started.
   */
  readonly last_activity_ms: number | undefined;
  /** Goes up whenever a client has ended a command or a transaction, or has gone: something may have changed. */
  readonly settled: number;
  /** How much clients have been sent, in all. */
  readonly sent_bytes: number;
}

const NOTHING: Traffic = { opening: 0, open: 0, busy: 0, last_activity_ms: undefined, settled: 0, sent_bytes: 0 };

/** Counts the sessions of one endpoint. */
class EndpointTraffic {
  opening = 0;
  last_activity_ms: number | undefined;
  settled = 0;
  /** To those who have gone. */
  sent_bytes = 0;
  readonly sessions = new Set<Relay>();
}

/** The sessions of all endpoints. */
export class TrafficBook {
  readonly #clock: Pick<Clock, "monotonic_ms">;
  readonly #endpoints = new Map<string, EndpointTraffic>();

  constructor(clock: Pick<Clock, "monotonic_ms">) {
    this.#clock = clock;
  }

  of(endpoint_id: string): Traffic {
    const found = this.#endpoints.get(endpoint_id);
    if (found === undefined) return NOTHING;
    const { opening, sessions, last_activity_ms, settled } = found;
    let { sent_bytes } = found;
    let busy = 0;
    for (const relay of sessions) {
      if (!relay.idle) busy++;
      sent_bytes += relay.carried_bytes;
    }
    return { opening, open: sessions.size, busy, last_activity_ms, settled, sent_bytes };
  }

  /** Counts a client in, unless there are so many already. */
  beginOpening(endpoint_id: string, max_connections: number): boolean {
    const endpoint = this.#endpoint(endpoint_id);
    if (endpoint.opening + endpoint.sessions.size >= max_connections) return false;
    endpoint.opening++;
    this.touch(endpoint_id);
    return true;
  }

  endOpening(endpoint_id: string): void {
    this.#endpoint(endpoint_id).opening--;
  }

  add(endpoint_id: string, relay: Relay): void {
    this.#endpoint(endpoint_id).sessions.add(relay);
  }

  remove(endpoint_id: string, relay: Relay): void {
    const endpoint = this.#endpoint(endpoint_id);
    if (endpoint.sessions.delete(relay)) endpoint.sent_bytes += relay.carried_bytes;
    this.settle(endpoint_id);
  }

  touch(endpoint_id: string): void {
    this.#endpoint(endpoint_id).last_activity_ms = this.#clock.monotonic_ms();
  }

  settle(endpoint_id: string): void {
    this.#endpoint(endpoint_id).settled++;
    this.touch(endpoint_id);
  }

  *sessions(): Iterable<Relay> {
    for (const { sessions } of this.#endpoints.values()) yield* sessions;
  }

  sessionsOf(endpoint_id: string): Iterable<Relay> {
    return this.#endpoints.get(endpoint_id)?.sessions ?? [];
  }

  get open(): number {
    let open = 0;
    for (const { sessions, opening } of this.#endpoints.values()) open += sessions.size + opening;
    return open;
  }

  /** Of endpoints that have been deleted: what nobody will ask for again. */
  forget(endpoint_id: string): void {
    const found = this.#endpoints.get(endpoint_id);
    if (found && found.opening === 0 && found.sessions.size === 0) this.#endpoints.delete(endpoint_id);
  }

  #endpoint(endpoint_id: string): EndpointTraffic {
    let found = this.#endpoints.get(endpoint_id);
    if (found === undefined) {
      found = new EndpointTraffic();
      this.#endpoints.set(endpoint_id, found);
    }
    return found;
  }
}
