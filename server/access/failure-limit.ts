import type { Clock } from "../clock.ts";

/** So many refused credentials at once, and so many a second in the long run, from one address. */
const BURST = 100;
const PER_SECOND = 10;
/** Addresses remembered; when there are more, those that failed first are forgotten. */
const MOST_ADDRESSES = 10_000;
/** So long the answer to an address at its limit is held back at least, twice as long at most; so many at a time. */
const HOLD_MS = 250;
const MOST_HELD = 1_000;
/** So often, and so many at a time, credentials that memory does not know are looked up although their address is at its limit. */
const TURN_EVERY_MS = 250;
const MOST_IN_A_TURN = 256;

interface Bucket {
  left: number;
  at_ms: number;
  /** Whether it was told that this address is at its limit; it is told again after a pause. */
  told: boolean;
}

/**
 * How often an address may present credentials that are refused. Always on. Beyond it a good credential is still
 * served: behind one address there may be many, and one of them must not shut out the others. One that memory knows is
 * served at once; the rest wait for their turn, and one query is for all of a turn.
 */
export class FailureLimit {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();
  #held = 0;
  #turn: Promise<void> | undefined;
  #in_turn = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the address has failed too often lately. */
  isExhausted(address: string): boolean {
    const bucket = this.#buckets.get(networkOf(address));
    return bucket !== undefined && this.#refilled(bucket) < 1;
  }

  /** Counts a failure: `allowed`, `last` of those allowed before a flood is refused, or `exceeded`. */
  fail(address: string): "allowed" | "last" | "exceeded" {
    const network = networkOf(address);
    let bucket = this.#buckets.get(network);
    if (!bucket) {
      if (this.#buckets.size >= MOST_ADDRESSES) this.#forgetOldest();
      bucket = { left: BURST, at_ms: this.#clock.monotonic_ms(), told: false };
      this.#buckets.set(network, bucket);
    }
    const left = this.#refilled(bucket);
    if (left < 1) return "exceeded";
    bucket.left = left - 1;
    bucket.at_ms = this.#clock.monotonic_ms();
    if (left >= BURST / 2) bucket.told = false;
    if (left >= 2 || bucket.told) return "allowed";
    bucket.told = true;
    return "last";
  }

  /**
   * Resolves when a credential from an address at its limit may be looked up, together with all others that wait for
   * that; with false where too many do.
   */
  async waitForTurn(): Promise<boolean> {
    if (this.#in_turn >= MOST_IN_A_TURN) return false;
    this.#in_turn++;
    this.#turn ??= this.#clock.sleep(TURN_EVERY_MS).then(() => {
      this.#turn = undefined;
      this.#in_turn = 0;
    });
    await this.#turn;
    return true;
  }

  /**
   * Resolves when an address at its limit is to be answered: a sender who waits for each answer, as they all do, is
   * slowed to a few a second on each connection instead of taking turns with everybody else. Unevenly, or all of a
   * flood's connections would come back in the same moment.
   */
  async hold(): Promise<void> {
    if (this.#held >= MOST_HELD) return;
    this.#held++;
    await this.#clock.sleep(HOLD_MS * (1 + Math.random()));
    this.#held--;
  }

  #refilled({ left, at_ms }: Bucket): number {
    return Math.min(BURST, left + ((this.#clock.monotonic_ms() - at_ms) / 1000) * PER_SECOND);
  }

  #forgetOldest(): void {
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}

/** An IPv4 address by itself; of IPv6 the /64, for whoever has one address of it has them all. */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  if (address.startsWith("::ffff:") && address.includes(".")) return address.slice(7);
  const [left = "", right = ""] = address.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === "" ? [] : right.split(":");
  const gap = address.includes("::") ? new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0") : [];
  return `${[...head, ...gap, ...tail].slice(0, 4).join(":")}::/64`;
}
