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

/** Where uses wait that were noted elsewhere, beside what was used. */
export interface WaitingUses {
  readonly uses_waiting: number;
  takeUses(most: number): KeyUses;
}

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
  readonly #elsewhere: WaitingUses | undefined;
  #noted = new NotedUses();
  /** What was noted before and is being written, by and by. */
  #leaving = new NotedUses();
  /** What is in a statement, or comes into the next because the last one failed. */
  #batch = NOTHING;
  readonly #origins = new Map<string, UseOrigin>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  /** `write_uses` for what is used like a key and kept elsewhere. */
  constructor(pool: pg.Pool, clock: Clock, log: Log, write_uses = writeKeyUses, elsewhere?: WaitingUses) {
    this.#pool = pool;
    this.#clock = clock;
    this.#log = log;
    this.#write_uses = write_uses;
    this.#elsewhere = elsewhere;
  }

  /** Keys whose last use is not written yet. */
  get waiting(): number {
    const elsewhere = this.#elsewhere?.uses_waiting ?? 0;
    return this.#noted.count + this.#leaving.count + this.#batch.key_ids.length + elsewhere;
  }

  /** Keeps the latest use of a key. Constant time, no I/O. */
  record(key_id: number, address: string, user_agent: string): void {
    this.note(key_id, this.#clock.now_ms(), this.originOf(address, user_agent));
  }

  note(key_id: number, at_ms: number, origin: UseOrigin): void {
    this.#noted.note(key_id, at_ms, origin);
    this.expectUses();
  }

  /** Says that there are uses to be written, here or elsewhere. */
  expectUses(): void {
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_EVERY_MS);
  }

  /** From where and by what, as one object for all uses that have it in common. */
  originOf(address: string, user_agent: string): UseOrigin {
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
    if (this.waiting > 0) this.expectUses();
  }

  async #write(): Promise<void> {
    if (this.#batch.key_ids.length === 0) this.#batch = this.#nextBatch();
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

  #nextBatch(): KeyUses {
    if (this.#leaving.count === 0) {
      this.#leaving = this.#noted;
      this.#noted = new NotedUses();
    }
    // Where both have many, each has half.
    const elsewhere = Math.min(this.#elsewhere?.uses_waiting ?? 0, MOST_AT_ONCE / 2);
    const noted = this.#leaving.take(MOST_AT_ONCE - elsewhere);
    return joined(noted, this.#elsewhere?.takeUses(MOST_AT_ONCE - noted.key_ids.length) ?? NOTHING);
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

/** One batch of two, with the later use of a key that is in both: a statement takes each row once. */
function joined(one: KeyUses, other: KeyUses): KeyUses {
  if (one.key_ids.length === 0) return other;
  if (other.key_ids.length === 0) return one;
  const latest = new Map<number, { at_ms: number; origin: UseOrigin }>();
  for (const { key_ids, at_ms, origins } of [one, other]) {
    key_ids.forEach((key_id, i) => {
      const use = { at_ms: at_ms[i] as number, origin: origins[i] as UseOrigin };
      if (use.at_ms >= (latest.get(key_id)?.at_ms ?? Number.NEGATIVE_INFINITY)) latest.set(key_id, use);
    });
  }
  const uses = [...latest.values()];
  return { key_ids: [...latest.keys()], at_ms: uses.map((use) => use.at_ms), origins: uses.map((use) => use.origin) };
}
