/**
 * What issue 3 asks of verification, in the order of the parts that measure it. A figure is a ratio: to plain Fastify, to
 * Better Auth, or to the same server's own with nothing else going on.
 */
const TARGETS = {
  hot: { what: "1,000 keys from memory: requests, to plain Fastify", at_least: 0.9 },
  hot_p99: { what: "1,000 keys from memory: p99, to plain Fastify", at_most: 1.3 },
  strict: { what: "1,000 keys strictly by the database: requests, to plain Fastify", at_least: 0.35 },
  flood: { what: "beside a flood: p99, to what it is without", at_most: 2 },
  better_auth: { what: "requests, to Better Auth's defaults", at_least: 40 },
  better_auth_fastest: { what: "requests, to Better Auth's fastest documented storage", at_least: 12 },
  scale: { what: "a million keys from memory: requests, to plain Fastify", at_least: 0.85 },
  cold: { what: "cold look-up: p50 with the most keys, to that with a thousand", at_most: 1.5 },
} as const satisfies Record<string, { what: string; at_least: number } | { what: string; at_most: number }>;

export type TargetName = keyof typeof TARGETS;

/** Figures that were measured, beside what they should be. */
export class Verdicts {
  missed = 0;
  #lines: string[] = [];

  /** A figure that is not a number has not been measured, so it does not meet its target. */
  compare(name: TargetName, measured: number): void {
    const target = TARGETS[name];
    const [bound, met] =
      "at_least" in target
        ? [`≥ ${target.at_least}`, measured >= target.at_least]
        : [`≤ ${target.at_most}`, measured <= target.at_most];
    if (!met) this.missed++;
    this.#lines.push(
      `${target.what.padEnd(70)}${bound.padStart(8)}${measured.toFixed(2).padStart(10)}  ${met ? "met" : "MISSED"}`,
    );
  }

  /** What was compared since the last call, line by line. */
  take(): string[] {
    return this.#lines.splice(0);
  }
}
