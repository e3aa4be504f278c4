import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { AggregatorRegistry } from "prom-client";
import type { Clock } from "./clock.ts";
import type { StorageCapabilities } from "./compute/driver.ts";
import type { Connection } from "./db/pool.ts";
import type { Log } from "./log.ts";

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
  readonly pools_connections: boolean;
}

type ToPrimary =
  | { readonly ask: "assignment" | "metrics" | "poke"; readonly number?: number }
  | { readonly serving: true };
type ToWorker = { readonly assignment: Assignment } | { readonly metrics: string; readonly number: number };

const AGAIN_AFTER_MS = 500;

/** Starts the workers, and others in their place when they end; resolves when all serve. */
export async function startWorkers(
  count: number,
  assignment: Assignment,
  { poke, clock, log }: { poke: () => void; clock: Clock; log: Log },
): Promise<{ stop(): Promise<void> }> {
  const aggregator = new AggregatorRegistry();
  const stopping = new AbortController();
  const workers = new Set<Worker>();

  const fork = () =>
    new Promise<void>((resolve) => {
      const worker = cluster.fork();
      workers.add(worker);
      const tell = (message: ToWorker) => {
        if (worker.isConnected()) worker.send(message);
      };
      worker.on("message", (message: ToPrimary) => {
        if ("serving" in message) resolve();
        else if (message.ask === "assignment") tell({ assignment });
        else if (message.ask === "poke") poke();
        else if (message.ask === "metrics") {
          const { number = 0 } = message;
          void aggregator.clusterMetrics().then((metrics) => tell({ metrics, number }));
        }
      });
      worker.once("exit", (code, signal) => {
        workers.delete(worker);
        resolve();
        if (stopping.signal.aborted) return;
        log.event("worker.ended", { pid: worker.process.pid ?? 0, reason: signal ?? `exit code ${code}` });
        void clock.sleep(AGAIN_AFTER_MS, stopping.signal).then(() => {
          if (!stopping.signal.aborted) void fork();
        });
      });
    });

  await Promise.all(Array.from({ length: count }, fork));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(
        [...workers].map(async (worker) => {
          const ended = once(worker, "exit");
          worker.process.kill("SIGTERM");
          await ended;
        }),
      );
    },
  };
}

/** A worker's side of it. */
export class Primary {
  readonly #waiting = new Map<number, (metrics: string) => void>();
  #last = 0;

  /** Asks for what this worker needs. Where the primary is gone the worker is to end: `onLost`. */
  static async join(log: Log, onLost: () => void): Promise<{ primary: Primary; assignment: Assignment }> {
    AggregatorRegistry.setRegistries([log.metrics.registry]);
    // Made for what it does: it answers the primary's questions for this worker's figures.
    new AggregatorRegistry();
    process.once("disconnect", onLost);
    const primary = new Primary();
    const assignment = await new Promise<Assignment>((resolve) => {
      process.on("message", (message: ToWorker) => {
        if ("assignment" in message) resolve(message.assignment);
        else if ("metrics" in message) primary.#waiting.get(message.number)?.(message.metrics);
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

  /** The figures of all workers. */
  async readMetrics(): Promise<string> {
    const number = ++this.#last;
    try {
      return await new Promise<string>((resolve) => {
        this.#waiting.set(number, resolve);
        this.#send({ ask: "metrics", number });
      });
    } finally {
      this.#waiting.delete(number);
    }
  }
}
