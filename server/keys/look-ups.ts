import type pg from "pg";
import type { Metrics } from "../log.ts";
import { digestToBytes } from "./digest.ts";
import type { KeyMemory } from "./key-memory.ts";
import { findLiveKeys, type LiveKey } from "./store.ts";

/** Queries at a time. They leave most of the pool to other work, however many unknown tokens arrive. */
const AT_A_TIME = 2;
const MOST_IN_ONE = 256;

interface Asked {
  readonly digest: Buffer;
  readonly words: Uint32Array;
  readonly answer: Promise<LiveKey | undefined>;
  readonly resolve: (key: LiveKey | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Looks keys up in the database: one query at once where nothing is under way, and while queries are under
 * way what comes meanwhile is gathered into the next. A request only ever joins a query that has not been
 * sent yet: what an earlier one has read may be older than a revocation that was answered since.
 */
export class LookUps {
  readonly #pool: pg.Pool;
  readonly #memory: KeyMemory;
  readonly #metrics: Metrics;
  readonly #find_live_keys: typeof findLiveKeys;
  #waiting = new Map<string, Asked>();
  #running = 0;

  constructor(pool: pg.Pool, memory: KeyMemory, metrics: Metrics, find_live_keys = findLiveKeys) {
    this.#pool = pool;
    this.#memory = memory;
    this.#metrics = metrics;
    this.#find_live_keys = find_live_keys;
  }

  /** The key of a digest as the database has it at a moment after this call. */
  find(words: Uint32Array): Promise<LiveKey | undefined> {
    const digest = digestToBytes(words);
    const name = digest.toString("latin1");
    const asked = this.#waiting.get(name);
    if (asked) return asked.answer;
    const { promise, resolve, reject } = Promise.withResolvers<LiveKey | undefined>();
    this.#waiting.set(name, { digest, words: words.slice(), answer: promise, resolve, reject });
    if (this.#running < AT_A_TIME) void this.#run();
    return promise;
  }

  async #run(): Promise<void> {
    this.#running++;
    while (this.#waiting.size > 0) await this.#send(this.#take());
    this.#running--;
  }

  #take(): Asked[] {
    if (this.#waiting.size <= MOST_IN_ONE) {
      const all = [...this.#waiting.values()];
      this.#waiting = new Map();
      return all;
    }
    const some: Asked[] = [];
    for (const [name, asked] of this.#waiting) {
      if (some.length === MOST_IN_ONE) break;
      some.push(asked);
      this.#waiting.delete(name);
    }
    return some;
  }

  async #send(batch: readonly Asked[]): Promise<void> {
    // Read before the query is sent: whatever is dropped from here on, its answer may not bring back.
    const { fence } = this.#memory;
    this.#metrics.key_lookups.inc(batch.length);
    try {
      const found = await this.#find_live_keys(
        this.#pool,
        batch.map(({ digest }) => digest),
      );
      batch.forEach((asked, i) => {
        this.#memory.fill(asked.words, found[i], fence);
        asked.resolve(found[i]);
      });
    } catch (error) {
      for (const asked of batch) asked.reject(error);
    }
  }
}
