import type { Clock } from "../clock.ts";
import { describeError, type Log } from "../log.ts";

/**
 * Jobs: what the server does without being asked. This folder owns the runner and the reconcilers, which
 * make the world agree with the rows that routes have written; it does not own the rows' meaning.
 */
export interface Job {
  readonly name: string;
  /** Pause between the end of one run and the start of the next, unless it is poked. */
  readonly every_ms: number;
  /** Runs at its own pace alone: a change in the data is no work for it. */
  readonly unpokable?: true;
  /**
   * Does all the work there is and returns; it takes no arguments, so it finds out from the database what
   * that is, and running it twice does no harm. When the signal is aborted it begins nothing new.
   */
  run(signal: AbortSignal): Promise<void>;
  /** Lets the job poke itself when the outside world moves; returns the way to stop listening. */
  listen?(poke: () => void): () => void;
}

interface Entry {
  readonly job: Job;
  poked: boolean;
  /** Present while it waits for its next run. */
  waiting: AbortController | undefined;
}

/**
 * Runs jobs: each at once when the runner starts, then when poked and from time to time; never twice at a
 * time, and once more when it was poked meanwhile. A job that fails is logged and tried again.
 */
export class JobRunner {
  readonly #entries: readonly Entry[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #running: Promise<void>[] = [];
  #unlisten: (() => void)[] = [];

  constructor(jobs: readonly Job[], { clock, log }: { clock: Clock; log: Log }) {
    this.#entries = jobs.map((job) => ({ job, poked: false, waiting: undefined }));
    this.#clock = clock;
    this.#log = log;
  }

  /** To be called once. */
  start(): void {
    for (const entry of this.#entries) {
      const stop = entry.job.listen?.(() => wake(entry));
      if (stop) this.#unlisten.push(stop);
      this.#running.push(this.#loop(entry));
    }
  }

  /** Says that there may be work. Costs nothing, and does nothing before the start and after the stop. */
  poke(): void {
    for (const entry of this.#entries) if (!entry.job.unpokable) wake(entry);
  }

  /** Lets the jobs that run come to an end, and begins no other. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const unlisten of this.#unlisten.splice(0)) unlisten();
    for (const { waiting } of this.#entries) waiting?.abort();
    await Promise.all(this.#running);
  }

  async #loop(entry: Entry): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      entry.poked = false;
      await this.#runOnce(entry.job, signal);
      if (signal.aborted || entry.poked) continue;
      entry.waiting = new AbortController();
      await this.#clock.sleep(entry.job.every_ms, entry.waiting.signal);
      entry.waiting = undefined;
    }
  }

  async #runOnce(job: Job, signal: AbortSignal): Promise<void> {
    const started = this.#clock.monotonic_ms();
    try {
      await job.run(signal);
      this.#log.event("job.done", { job: job.name, duration_ms: this.#clock.monotonic_ms() - started });
    } catch (error) {
      this.#log.event("job.failed", { job: job.name, error: describeError(error) });
    }
  }
}

function wake(entry: Entry): void {
  entry.poked = true;
  entry.waiting?.abort();
}
