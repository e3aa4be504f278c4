import type pg from "pg";
import type { Clock } from "../clock.ts";
import { describeError, type Log } from "../log.ts";
import { NotedUses } from "./noted-uses.ts";
import { type KeyUses, type UseOrigin, writeKeyUses } from "./store.ts";

const FLUSH_EVERY_MS = 1_000;
/** Keys in one statement: a twentieth of a second's work for a database. */
const MOST_AT_ONCE = 5_000;
/** A header is as long as its sender likes; this is what a list can show. */
const USER_AGENT_LENGTH = 256;
/** Addresses whose latest origin is kept, so that uses from there share one object. */
const MOST_ORIGINS = 10_000;

const NOTHING: KeyUses = { key_ids: [], at_ms: [], origins: [] };

/**
 * Records when, from where and by what each key was last used: in memory per request, in the database by
 * one statement about once a second and at shutdown. A request never waits for it and never writes. A crash
 * loses at most the unwritten second; a failed write is kept and tried again with the next.
 *
 * Of more than 5,000 different keys in a second the rest waits; what is used meanwhile comes after what waits.
 */
export class LastUsedRecorder {
  readonly #pool: pg.Pool;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #write_uses: typeof writeKeyUses;
  #noted = new NotedUses();
  /** What was noted before and is being written, by and by. */
  #leaving = new NotedUses();
  /** What is in a statement, or comes into the next because the last one failed. */
  #batch = NOTHING;
  readonly #origins = new Map<string, UseOrigin>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  /** `write_uses` for what is used like a key and kept elsewhere. */
  constructor(pool: pg.Pool, clock: Clock, log: Log, write_uses = writeKeyUses) {
    this.#pool = pool;
    this.#clock = clock;
    this.#log = log;
    this.#write_uses = write_uses;
  }

  /** Keys whose last use is not written yet. */
  get waiting(): number {
    return this.#noted.count + this.#leaving.count + this.#batch.key_ids.length;
  }

  /** Keeps the latest use of a key. Constant time, no I/O. */
  record(key_id: number, address: string, user_agent: string): void {
    this.#noted.note(key_id, this.#clock.now_ms(), this.#originOf(address, user_agent));
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_EVERY_MS);
  }

  #originOf(address: string, user_agent: string): UseOrigin {
    const agent = user_agent.length > USER_AGENT_LENGTH ? user_agent.slice(0, USER_AGENT_LENGTH) : user_agent;
    const known = this.#origins.get(address);
    if (known?.user_agent === agent) return known;
    if (this.#origins.size >= MOST_ORIGINS) this.#origins.clear();
    const origin = { address, user_agent: agent };
    this.#origins.set(address, origin);
    return origin;
  }

  /** Writes what waits, as much as one statement takes. Never rejects; calls do not overlap. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    await this.#writing;
    if (this.waiting > 0) this.#timer ??= setTimeout(() => void this.flush(), FLUSH_EVERY_MS);
  }

  async #write(): Promise<void> {
    if (this.#batch.key_ids.length === 0) {
      if (this.#leaving.count === 0) {
        this.#leaving = this.#noted;
        this.#noted = new NotedUses();
      }
      this.#batch = this.#leaving.take(MOST_AT_ONCE);
    }
    const keys = this.#batch.key_ids.length;
    if (keys === 0) return;
    const started = this.#clock.monotonic_ms();
    try {
      await this.#write_uses(this.#pool, this.#batch);
      this.#batch = NOTHING;
      this.#log.event("key.uses_written", { keys, duration_ms: this.#clock.monotonic_ms() - started });
    } catch (error) {
      this.#log.event("key.uses_delayed", { keys: this.waiting, error: describeError(error) });
    }
  }

  /** Writes the rest and stops the timer; to be called once no request is running any more. */
  async stop(): Promise<void> {
    for (let before = Number.POSITIVE_INFINITY; this.waiting > 0 && this.waiting < before; ) {
      before = this.waiting;
      await this.flush();
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
