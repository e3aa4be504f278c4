import { isIPv6 } from "node:net";
import type { Clock } from "../clock.ts";
import { ApiError } from "../errors.ts";

const WINDOW_MS = 5 * 60 * 1000;
/** Guesses at one account from one address; enough for a person who tries all their old passwords. */
const PER_ACCOUNT = 10;
/** Guesses from one address at any accounts; an office behind one address makes a few. */
const PER_ADDRESS = 100;
/** Beyond this many remembered, the oldest are forgotten: memory is bounded, however many addresses come. */
const REMEMBERED = 10_000;

interface Count {
  failures: number;
  readonly since_ms: number;
}

/** One attempt to sign in; exactly one of these is called unless it failed. */
export interface Attempt {
  /** The password was right: what was forgotten before is forgiven. */
  succeeded(): void;
  /** It came to no judgement, the database being away: it counts for nothing. */
  undecided(): void;
}

/**
 * Slows down guessing of passwords. Counted by address and account together, so that a stranger's guesses
 * do not lock out the owner elsewhere. In memory: a restart forgets, and each node counts for itself.
 */
export class FailedSignIns {
  readonly #clock: Clock;
  readonly #counts = new Map<string, Count>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Counts an attempt before it is made, as if it failed: a hundred guesses sent at once must not all slip
   * through before the first is judged. Throws 429.
   */
  begin(address: string, email: string): Attempt {
    const network = networkOf(address);
    const account = `${network} ${email.toLowerCase()}`;
    for (const [key, most] of [[network, PER_ADDRESS] as const, [account, PER_ACCOUNT] as const]) {
      const count = this.#current(key);
      if (count && count.failures >= most) throw this.#refusal(count);
    }
    this.#add(network, 1);
    this.#add(account, 1);
    return {
      succeeded: () => {
        this.#add(network, -1);
        this.#counts.delete(account);
      },
      undecided: () => {
        this.#add(network, -1);
        this.#add(account, -1);
      },
    };
  }

  #current(key: string): Count | undefined {
    const count = this.#counts.get(key);
    if (count && this.#clock.monotonic_ms() - count.since_ms < WINDOW_MS) return count;
    this.#counts.delete(key);
    return undefined;
  }

  #add(key: string, failures: 1 | -1): void {
    const count = this.#current(key);
    if (count) {
      count.failures += failures;
      return;
    }
    if (failures < 0) return;
    // A Map keeps the order of insertion, and counts start when they are inserted: the first is the oldest.
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size < REMEMBERED) break;
      this.#counts.delete(oldest);
    }
    this.#counts.set(key, { failures, since_ms: this.#clock.monotonic_ms() });
  }

  #refusal({ since_ms }: Count): ApiError {
    const wait_s = Math.ceil((since_ms + WINDOW_MS - this.#clock.monotonic_ms()) / 1000);
    return new ApiError("rate_limited", "too many failed sign-ins, wait a few minutes", {
      headers: { "retry-after": String(Math.max(1, wait_s)) },
    });
  }
}

/** One customer of a provider has a whole IPv6 /64, and could use a new address for each guess. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes(".")) return address;
  const [head = "", tail] = address.split("::");
  const first = head.split(":");
  const last = tail === undefined ? [] : tail.split(":");
  const zeros = Array<string>(Math.max(0, 8 - first.length - last.length)).fill("0");
  return [...first, ...(tail === undefined ? [] : zeros), ...last].slice(0, 4).join(":");
}
