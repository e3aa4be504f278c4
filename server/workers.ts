import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { AggregatorRegistry, type Registry } from "prom-client";
import type { Clock } from "./clock.ts";
import type { StorageCapabilities } from "./compute/driver.ts";
import type { Capacity } from "./compute/size.ts";
import type { Connection } from "./db/pool.ts";
import { ApiError } from "./errors.ts";
import { describeError, type Log } from "./log.ts";

/**
 * Workers: several processes that serve requests on one port, so that one machine's cores are used. The
 * primary keeps what there must be one of: the data directory, the embedded database, computes and jobs. Each
 * worker is a node with a lease of its own; nothing is shared between them but the database.
 */
export interface Assignment {
  /** By message and not by environment, where every process of the account could read the password. */
  readonly connection: Connection;
  readonly node_id: string;
  /** What the drivers, which only the primary has, can do. */
  readonly storage: StorageCapabilities;
  readonly settings: readonly string[];
  readonly capacity: Capacity;
  readonly pools_connections: boolean;
}

/** One process's figures, as the library passes them on. */
type Figures = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;
type Told<What> = { readonly what: What } | { readonly failure: string };

type ToPrimary =
  | { readonly ask: "assignment" }
  | { readonly ask: "poke" }
  | { readonly ask: "metrics"; readonly number: number }
  | { readonly figures: Told<Figures>; readonly number: number }
  | { readonly serving: true };
type ToWorker =
  | { readonly assignment: Assignment }
  | { readonly ask: "figures"; readonly number: number }
  | { readonly metrics: Told<string>; readonly number: number };

const AGAIN_AFTER_MS = 500;
/** A worker that stands still must not be waited for by who reads the figures: Prometheus gives up after 10 s. */
const FIGURES_WITHIN_MS = 4_000;
/** The primary answers when the workers have, or have not. */
const METRICS_WITHIN_MS = 2 * FIGURES_WITHIN_MS;

/** A worker that could not start has told the reason by itself. */
export class WorkerFailed extends Error {}

/**
 * Starts the workers; resolves when all serve, and from then on others take the place of those that end. Rejects where
 * one ends before it serves: what keeps it from that would keep its successors too.
 */
export async function startWorkers(
  count: number,
  assignment: Assignment,
  { poke, clock, log }: { poke: () => void; clock: Clock; log: Log },
): Promise<{ stop(): Promise<void> }> {
  const figures = new Questions<Told<Figures>>(clock);
  const stopping = new AbortController();
  const workers = new Set<Worker>();
  const serving = new Set<Worker>();

  const readFigures = async (worker: Worker): Promise<Figures> => {
    const told = await figures.ask((number) => tell(worker, { ask: "figures", number }), FIGURES_WITHIN_MS);
    if (told && "what" in told) return told.what;
    // One that has ended meanwhile has no figures any more.
    if (!serving.has(worker)) return [];
    throw new Error(`worker ${worker.process.pid}: ${told?.failure ?? "no answer"}`);
  };
  // Of all or of none: a counter that falls by one worker's share and is back with the next look would be taken for growth.
  const readMetrics = async (): Promise<string> =>
    await AggregatorRegistry.aggregate(await Promise.all([...serving].map(readFigures))).metrics();

  const fork = (is_first: boolean) =>
    new Promise<void>((resolve, reject) => {
      const worker = cluster.fork();
      workers.add(worker);
      worker.on("message", (message: ToPrimary) => {
        if ("serving" in message) {
          serving.add(worker);
          resolve();
        } else if ("figures" in message) figures.answer(message.number, message.figures);
        else if (message.ask === "assignment") tell(worker, { assignment });
        else if (message.ask === "poke") poke();
        else {
          const { number } = message;
          void orFailure(readMetrics()).then((metrics) => tell(worker, { metrics, number }));
        }
      });
      worker.once("exit", (code, signal) => {
        workers.delete(worker);
        const has_served = serving.delete(worker);
        const reason = signal ?? `exit code ${code}`;
        if (!stopping.signal.aborted) log.event("worker.ended", { pid: worker.process.pid ?? 0, reason });
        if (is_first && !has_served) {
          reject(new WorkerFailed("a worker ended before it served; what it said stands above"));
          return;
        }
        resolve();
        void clock.sleep(AGAIN_AFTER_MS, stopping.signal).then(() => {
          if (!stopping.signal.aborted) void fork(false);
        });
      });
    });

  const stop = async () => {
    stopping.abort();
    await Promise.all(
      [...workers].map(async (worker) => {
        const ended = once(worker, "exit");
        worker.process.kill("SIGTERM");
        await ended;
      }),
    );
  };
  try {
    await Promise.all(Array.from({ length: count }, () => fork(true)));
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

/** What does not reach a worker is not missed: its end is told by another event. Without a callback it would be an error of ours. */
function tell(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => {});
}

function orFailure<What>(reading: Promise<What>): Promise<Told<What>> {
  return reading.then(
    (what) => ({ what }),
    (error) => ({ failure: describeError(error) }),
  );
}

/** Questions to another process that it has not answered yet, by number. */
class Questions<Answer> {
  readonly #clock: Clock;
  readonly #open = new Map<number, (answer: Answer) => void>();
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The answer, or undefined where none comes in time. */
  async ask(send: (number: number) => void, within_ms: number): Promise<Answer | undefined> {
    const number = ++this.#last;
    const settled = new AbortController();
    const answer = new Promise<Answer>((resolve) => this.#open.set(number, resolve));
    try {
      send(number);
      return await Promise.race([answer, this.#clock.sleep(within_ms, settled.signal).then(() => undefined)]);
    } finally {
      settled.abort();
      this.#open.delete(number);
    }
  }

  /** One that comes too late is nobody's. */
  answer(number: number, answer: Answer): void {
    this.#open.get(number)?.(answer);
  }
}

/** A worker's side of it. */
export class Primary {
  readonly #metrics: Questions<Told<string>>;

  private constructor(clock: Clock) {
    this.#metrics = new Questions(clock);
  }

  /** Asks for what this worker needs. Where the primary is gone the worker is to end: `onLost`. */
  static async join(clock: Clock, log: Log, onLost: () => void): Promise<{ primary: Primary; assignment: Assignment }> {
    process.once("disconnect", onLost);
    const primary = new Primary(clock);
    const assignment = await new Promise<Assignment>((resolve) => {
      process.on("message", (message: ToWorker) => {
        if ("assignment" in message) resolve(message.assignment);
        else if ("metrics" in message) primary.#metrics.answer(message.number, message.metrics);
        else {
          const { number } = message;
          const reading = orFailure(log.metrics.registry.getMetricsAsJSON());
          void reading.then((figures) => primary.#send({ figures, number }));
        }
      });
      primary.#send({ ask: "assignment" });
    });
    return { primary, assignment };
  }

  #send(message: ToPrimary): void {
    if (process.connected) process.send?.(message);
  }

  /** There may be work for the jobs. */
  poke(): void {
    this.#send({ ask: "poke" });
  }

  serving(): void {
    this.#send({ serving: true });
  }

  /** The figures of all workers. Where one of them does not tell its own there are none, and whoever asks may come again. */
  async readMetrics(): Promise<string> {
    const metrics = await this.#metrics.ask((number) => this.#send({ ask: "metrics", number }), METRICS_WITHIN_MS);
    if (metrics && "what" in metrics) return metrics.what;
    throw new ApiError("unavailable", "a worker of this server does not tell its figures, try again", {
      cause: new Error(metrics?.failure ?? "the primary does not answer"),
      headers: { "retry-after": "1" },
    });
  }
}
