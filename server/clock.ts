/**
 * The time. Everything that asks what time it is, or waits, takes a `Clock`, so that tests move it.
 * Instants that are stored come from the database's own clock instead: nodes may disagree, it does not.
 */
export interface Clock {
  /** Wall time in milliseconds since 1970, for people and logs; it may jump. */
  now_ms(): number;
  /** Milliseconds that never jump, for durations and deadlines; the origin means nothing. */
  monotonic_ms(): number;
  /** Resolves after the given time, or at once when the signal is aborted; it never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** One moment by both clocks, for work so short that to read a clock is a part of it. */
export interface Instant {
  readonly now_ms: number;
  readonly monotonic_ms: number;
}

export function instantOf(clock: Clock): Instant {
  return { now_ms: clock.now_ms(), monotonic_ms: clock.monotonic_ms() };
}

export const systemClock: Clock = {
  now_ms: () => Date.now(),
  monotonic_ms: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener("abort", done, { once: true });
    }),
};
