import type { KeyUses, UseOrigin } from "./store.ts";
import { UseOrigins } from "./use-origins.ts";

// One slot is the key's id (0: empty), when it was used, and the number of the origin.
const SLOT_NUMBERS = 3;
const SMALLEST_SLOTS = 2_048;
/** Keys made one after the other lie together here as in the database, so that a batch of them touches few of its pages. */
const NEIGHBOURS = 16;

/**
 * The latest use of each of many keys: an open-addressing table in one array. Of very many keys nearly each use misses
 * the processor's cache, here once and in a map of objects several times.
 */
export class NotedUses {
  #slots: number;
  #numbers: Float64Array;
  #origins = new UseOrigins();
  #count = 0;
  /** Slots before this one were taken. */
  #taken_to = 0;

  constructor(slots = SMALLEST_SLOTS) {
    this.#slots = slots;
    this.#numbers = new Float64Array(slots * SLOT_NUMBERS);
  }

  /** Keys noted and not taken. */
  get count(): number {
    return this.#count;
  }

  /** Origins kept: those of its keys, and for a while some that were replaced. */
  get origin_count(): number {
    return this.#origins.count;
  }

  note(key_id: number, at_ms: number, origin: UseOrigin): void {
    const numbers = this.#numbers;
    const number = this.#origins.numberOf(origin);
    const mask = this.#slots - 1;
    const block = Math.imul(Math.floor(key_id / NEIGHBOURS), 0x9e3779b1) >>> 8;
    for (let slot = (block * NEIGHBOURS + (key_id % NEIGHBOURS)) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * SLOT_NUMBERS;
      if (numbers[at] !== key_id) {
        if (numbers[at] !== 0) continue;
        numbers[at] = key_id;
        this.#count++;
      }
      numbers[at + 1] = at_ms;
      numbers[at + 2] = number;
      break;
    }
    // Half full its chains are short; and of the origins some are those of no key any more.
    if (this.#count * 2 > this.#slots) this.#rebuild(this.#slots * 2);
    else if (this.#origins.count > this.#slots) this.#rebuild(this.#slots);
  }

  /** Takes up to so many uses out. Once one is taken, none may be noted until all are. */
  take(most: number): KeyUses {
    const [key_ids, at_ms, origins]: [number[], number[], UseOrigin[]] = [[], [], []];
    for (; key_ids.length < most && this.#taken_to < this.#slots; this.#taken_to++) {
      const at = this.#taken_to * SLOT_NUMBERS;
      if (this.#numbers[at] === 0) continue;
      key_ids.push(this.#numbers[at] as number);
      at_ms.push(this.#numbers[at + 1] as number);
      origins.push(this.#origins.get(this.#numbers[at + 2] as number));
    }
    this.#count -= key_ids.length;
    return { key_ids, at_ms, origins };
  }

  #rebuild(slots: number): void {
    const [numbers, origins] = [this.#numbers, this.#origins];
    this.#slots = slots;
    this.#numbers = new Float64Array(slots * SLOT_NUMBERS);
    this.#origins = new UseOrigins();
    this.#count = 0;
    for (let at = 0; at < numbers.length; at += SLOT_NUMBERS) {
      const key_id = numbers[at] as number;
      if (key_id !== 0) this.note(key_id, numbers[at + 1] as number, origins.get(numbers[at + 2] as number));
    }
  }
}
