import type pg from "pg";
import type { Clock } from "../clock.ts";
import { describeError, type Log } from "../log.ts";
import { type KeyUse, writeKeyUses } from "./store.ts";

const FLUSH_EVERY_MS = 1_000;
/** A header is as long as its sender likes; this is what a list can show. */
const USER_AGENT_LENGTH = 256;

/**
 * Records when, from where and by what each key was last used: in memory per request, in the database by
 * one statement about once a second and at shutdown. A request never waits for it and never writes. A crash
 * loses at most the unwritten second; a failed write is kept and tried again with the next.
 */
export class LastUsedRecorder {
  readonly #pool: pg.Pool;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #write_uses: typeof writeKeyUses;
  #pending = new Map<number, { -readonly [F in keyof KeyUse]: KeyUse[F] }>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** `write_uses` for what is used like a key and kept elsewhere. */
  constructor(pool: pg.Pool, clock: Clock, log: Log, write_uses = writeKeyUses) {
    this.#pool = pool;
    this.#clock = clock;
    this.#log = log;
    this.#write_uses = write_uses;
  }

  /** Keeps the latest use of a key. Constant time, no I/O. */
  record(key_id: number, address: string, user_agent: string): void {
    const known = this.#pending.get(key_id);
    const agent = user_agent.length > USER_AGENT_LENGTH ? user_agent.slice(0, USER_AGENT_LENGTH) : user_agent;
    if (known) {
      known.at_ms = this.#clock.now_ms();
      known.address = address;
      known.user_agent = agent;
    } else {
      this.#pending.set(key_id, { at_ms: this.#clock.now_ms(), address, user_agent: agent });
    }
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_EVERY_MS);
  }

  /** Writes what is pending. Never rejects; calls do not overlap. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    const batch = this.#pending;
    if (batch.size === 0) return;
    this.#pending = new Map();
    const started = this.#clock.monotonic_ms();
    try {
      await this.#write_uses(this.#pool, batch);
      this.#log.event("key.uses_written", { keys: batch.size, duration_ms: this.#clock.monotonic_ms() - started });
    } catch (error) {
      // Uses that came in meanwhile are newer and stay; the others go back for the next round.
      for (const [id, use] of batch) if (!this.#pending.has(id)) this.#pending.set(id, use);
      this.#timer ??= setTimeout(() => void this.flush(), FLUSH_EVERY_MS);
      this.#log.event("key.uses_delayed", { keys: batch.size, error: describeError(error) });
    }
  }

  /** Writes the rest and stops the timer; to be called once no request is running any more. */
  async stop(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
