import { randomBytes, randomInt, timingSafeEqual } from "node:crypto";
import type { CancelKey } from "./wire.ts";

/**
 * The keys that clients cancel with, and what they stand for. Ours and not the computes': process ids of two computes
 * may be equal, and a compute's own secret has 32 bits that its clients would share with the gateway.
 */
export class CancelKeys<T> {
  readonly #entries = new Map<number, { readonly secret: Buffer; readonly value: T }>();

  /** Makes a key: of 4 bytes in protocol 3.0, which fixes that, else of 32. */
  add(minor: number, value: T): CancelKey {
    let pid: number;
    do pid = randomInt(1, 2 ** 31);
    while (this.#entries.has(pid));
    const secret = randomBytes(minor >= 2 ? 32 : 4);
    this.#entries.set(pid, { secret, value });
    return { pid, secret };
  }

  find({ pid, secret }: CancelKey): T | undefined {
    const entry = this.#entries.get(pid);
    if (entry === undefined || entry.secret.length !== secret.length) return undefined;
    return timingSafeEqual(entry.secret, secret) ? entry.value : undefined;
  }

  remove({ pid }: CancelKey): void {
    this.#entries.delete(pid);
  }
}
