import { networkOf } from "../access/failure-limit.ts";
import type { Clock } from "../clock.ts";

const REMEMBERED = 10_000;

/**
 * Counts what comes from one network, or from whatever else has a name, in windows of fixed length. In memory:
 * a restart forgets, and each node counts for itself.
 */
export class PerNetwork {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #window_ms: number;
  readonly #counts = new Map<string, { count: number; readonly since_ms: number }>();

  constructor(clock: Clock, { most, window_ms }: { readonly most: number; readonly window_ms: number }) {
    this.#clock = clock;
    this.#most = most;
    this.#window_ms = window_ms;
  }

  /** Seconds until the next one is taken; 0: now. */
  wait_s(address: string): number {
    const found = this.#counts.get(networkOf(address));
    if (!found || found.count < this.#most) return 0;
    const left_ms = found.since_ms + this.#window_ms - this.#clock.monotonic_ms();
    return Math.max(0, Math.ceil(left_ms / 1000));
  }

  count(address: string): void {
    const name = networkOf(address);
    const now = this.#clock.monotonic_ms();
    const found = this.#counts.get(name);
    if (found && now - found.since_ms < this.#window_ms) {
      found.count += 1;
      return;
    }
    this.#counts.delete(name);
    // A Map keeps the order of insertion: the first began longest ago.
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size < REMEMBERED) break;
      this.#counts.delete(oldest);
    }
    this.#counts.set(name, { count: 1, since_ms: now });
  }
}
