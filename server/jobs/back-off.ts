import type { Clock } from "../clock.ts";

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;
/** Longer than it takes to find out that a compute does not start, which is no time of running well. */
const QUIET_MS = 120_000;

/** How long to wait after so many failures in a row: 1 s, then twice as long each time, at most a minute. */
export function backOffDelay_ms(failures: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
}

interface Streak {
  failures: number;
  not_before_ms: number;
}

/**
 * Back-off by key, in memory: a new process begins without patience lost. The first failure is followed by
 * a try at once, later ones after 1 s to a minute; a success is believed only after two quiet minutes, so that
 * what starts and dies over and over is slowed down too.
 */
export class BackOff {
  readonly #clock: Clock;
  readonly #streaks = new Map<string, Streak>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isDue(key: string): boolean {
    return this.waitFor_ms(key) === 0;
  }

  /** Whether it has failed lately. */
  remembers(key: string): boolean {
    return this.#streaks.has(key);
  }

  /** How long it is until the next try; 0: it is due. */
  waitFor_ms(key: string): number {
    return Math.max(0, (this.#streaks.get(key)?.not_before_ms ?? 0) - this.#clock.monotonic_ms());
  }

  /** Returns the number of failures in a row, this one included. */
  failed(key: string): number {
    const now = this.#clock.monotonic_ms();
    for (const [of, { not_before_ms }] of this.#streaks) if (now > not_before_ms + QUIET_MS) this.#streaks.delete(of);
    const failures = (this.#streaks.get(key)?.failures ?? 0) + 1;
    this.#streaks.set(key, { failures, not_before_ms: failures === 1 ? now : now + backOffDelay_ms(failures - 1) });
    return failures;
  }

  /** Forgets all but these keys. */
  retain(keys: ReadonlySet<string>): void {
    for (const key of this.#streaks.keys()) if (!keys.has(key)) this.#streaks.delete(key);
  }
}
