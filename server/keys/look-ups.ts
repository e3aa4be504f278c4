import { setImmediate as nextTurn } from "node:timers/promises";
import { ApiError } from "../errors.ts";
import type { Metrics } from "../log.ts";
import { digestFromBytes } from "./digest.ts";
import type { KeyMemory } from "./key-memory.ts";
import type { LiveKey } from "./store.ts";

/** Queries at a time. They leave most of the pool to other work, however many unknown tokens arrive. */
const AT_A_TIME = 2;
export const MOST_IN_ONE = 256;
/** Beyond it whoever comes is told to come again: what a database does not answer by then it would answer too late. */
export const MOST_WAITING = 16 * MOST_IN_ONE;

/** Asks the database for what some digests open; answers in their order. */
export type FindAll<Found> = (digests: readonly Buffer[]) => Promise<readonly (Found | undefined)[]>;

interface Asked<Found> {
  readonly digest: Buffer;
  readonly answer: Promise<Found | undefined>;
  readonly resolve: (found: Found | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Looks credentials up in the database: one query at once where nothing is under way, and while queries are under
 * way what comes meanwhile is gathered into the next. A request only ever joins a query that has not been
 * sent yet: what an earlier one has read may be older than a revocation that was answered since.
 */
export class LookUps<Found> {
  readonly #findAll: FindAll<Found>;
  readonly #refused: { inc(): void };
  #waiting = new Map<string, Asked<Found>>();
  #running = 0;
  #closed = false;

  constructor(findAll: FindAll<Found>, { look_ups_refused }: Pick<Metrics, "look_ups_refused">) {
    this.#findAll = findAll;
    this.#refused = look_ups_refused;
  }

  /** What a digest opens, as the database has it at a moment after this call. */
  async find(digest: Buffer): Promise<Found | undefined> {
    const name = digest.toString("latin1");
    const asked = this.#waiting.get(name);
    if (asked) return await asked.answer;
    if (this.#closed) throw overloaded("the server is stopping, try again");
    if (this.#waiting.size >= MOST_WAITING) {
      this.#refused.inc();
      throw overloaded();
    }
    const { promise, resolve, reject } = Promise.withResolvers<Found | undefined>();
    this.#waiting.set(name, { digest, answer: promise, resolve, reject });
    if (this.#running < AT_A_TIME) void this.#run();
    return await promise;
  }

  /** Answers nobody any more: a request that waited for its turn while its client left may come after the last query. */
  close(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.values()) reject(overloaded("the server is stopping, try again"));
    this.#waiting.clear();
  }

  async #run(): Promise<void> {
    this.#running++;
    // Those that come in the same turn of the event loop, over however many connections, come into the same query.
    for (await nextTurn(); this.#waiting.size > 0; await nextTurn()) await this.#send(this.#take());
    this.#running--;
  }

  #take(): Asked<Found>[] {
    if (this.#waiting.size <= MOST_IN_ONE) {
      const all = [...this.#waiting.values()];
      this.#waiting = new Map();
      return all;
    }
    const some: Asked<Found>[] = [];
    for (const [name, asked] of this.#waiting) {
      if (some.length === MOST_IN_ONE) break;
      some.push(asked);
      this.#waiting.delete(name);
    }
    return some;
  }

  async #send(batch: readonly Asked<Found>[]): Promise<void> {
    try {
      const found = await this.#findAll(batch.map(({ digest }) => digest));
      batch.forEach(({ resolve }, i) => {
        resolve(found[i]);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

function overloaded(message?: string): ApiError {
  return new ApiError("overloaded", message, { headers: { "retry-after": "1" } });
}

/** Counts what is asked, and remembers what was found. */
export function remembering(
  memory: Pick<KeyMemory, "fence" | "fill">,
  { key_lookups, key_lookup_queries }: Pick<Metrics, "key_lookups" | "key_lookup_queries">,
  findAll: FindAll<LiveKey>,
): FindAll<LiveKey> {
  return async (digests) => {
    // Read before the query is sent: whatever is dropped from here on, its answer may not bring back.
    const { fence } = memory;
    key_lookups.inc(digests.length);
    key_lookup_queries.inc();
    const found = await findAll(digests);
    digests.forEach((digest, i) => {
      memory.fill(digestFromBytes(digest), found[i], fence);
    });
    return found;
  };
}
