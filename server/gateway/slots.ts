/**
 * How many questions strangers can make us ask the database at a time. The pool is shared with the API, which a flood
 * at the gateway must not stop.
 */
const LOOKUPS_AT_ONCE = 4;

/**
 * Slots for those questions, one for each and for nothing else: whoever held one while a compute or another node does not
 * answer would keep everybody out.
 */
export const openLookups = () => new Slots(LOOKUPS_AT_ONCE);

/** Runs so many pieces of work at a time; the others wait in the order of asking. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The slot goes from hand to hand: nobody can come in between.
      if (next) next();
      else this.#free++;
    }
  }
}

/** As `Slots`, so many for each key. */
export class KeyedSlots {
  readonly #count: number;
  readonly #present = new Map<string, { readonly slots: Slots; users: number }>();

  constructor(count: number) {
    this.#count = count;
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#present.get(key) ?? { slots: new Slots(this.#count), users: 0 };
    this.#present.set(key, entry);
    entry.users++;
    try {
      return await entry.slots.run(work);
    } finally {
      if (--entry.users === 0) this.#present.delete(key);
    }
  }
}
