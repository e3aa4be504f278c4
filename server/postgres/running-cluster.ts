import { setTimeout as delay } from "node:timers/promises";
import { PostgresError } from "./errors.ts";
import type { EventLog } from "./events.ts";
import { isAlive, type ProcessIdentity, signalProcess } from "./process.ts";
import { removeSocketDirectory } from "./socket-directory.ts";

/** How a server came to its end; `asked` when `stop` was called for it. */
export interface ClusterEnd {
  readonly asked: boolean;
  /** For people: exit code or signal, where known. */
  readonly reason: string;
}

/** How long each signal may take before the next, harder one is sent. */
export interface Patience {
  /** SIGINT: end sessions, write a checkpoint. */
  readonly fast_ms: number;
  /** SIGQUIT: leave at once; the next start recovers. */
  readonly immediate_ms: number;
  /** SIGKILL: what is left for the kernel to do. */
  readonly kill_ms: number;
}

const PATIENCE: Patience = { fast_ms: 20_000, immediate_ms: 5_000, kill_ms: 5_000 };

const WATCH_INTERVAL_MS = 250;

interface Parts {
  readonly identity: ProcessIdentity;
  readonly port: number;
  readonly socketDirectory: string;
  readonly log: EventLog;
  /** Resolves with the reason when our child ends. Absent for an adopted server, which is no child of ours. */
  readonly ended?: Promise<string>;
}

/** A server that runs and that this process answers for. */
export class RunningCluster {
  readonly identity: ProcessIdentity;
  readonly socketDirectory: string;
  /** Resolves when the process has gone. */
  readonly end: Promise<ClusterEnd>;
  /** TCP port, and the number in the socket's name. */
  readonly port: number;
  /** Whether the process has gone. */
  ended = false;
  readonly #log: EventLog;
  /** Settled by a stop that has seen the process go: whoever waits for the end need not wait for the watch. */
  readonly #gone = Promise.withResolvers<string>();
  #asked = false;
  #stopping: Promise<void> | undefined;

  constructor({ identity, port, socketDirectory, log, ended }: Parts) {
    this.identity = { pid: identity.pid, started: identity.started };
    this.port = port;
    this.socketDirectory = socketDirectory;
    this.#log = log;
    this.end = (ended ?? Promise.race([this.#watch(), this.#gone.promise])).then((reason) => {
      this.ended = true;
      return { asked: this.#asked, reason };
    });
  }

  get pid(): number {
    return this.identity.pid;
  }

  /**
   * Stops the server and resolves when its process has gone and its socket is removed. Signals grow harder
   * by deadlines. `immediate` starts with the second one: no checkpoint is written, nothing committed is lost.
   * Do not call it for a server that has died while a new one is started on the same cluster.
   */
  stop(mode: "fast" | "immediate" = "fast", patience: Patience = PATIENCE): Promise<void> {
    this.#stopping ??= this.#stop(mode, patience).finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  async #stop(mode: "fast" | "immediate", patience: Patience): Promise<void> {
    if (this.ended) return removeSocketDirectory(this.socketDirectory);
    this.#asked = true;
    const began = performance.now();
    const ladder: [signal: NodeJS.Signals, patience_ms: number][] = [
      ["SIGINT", patience.fast_ms],
      ["SIGQUIT", patience.immediate_ms],
      ["SIGKILL", patience.kill_ms],
    ];
    for (const [signal, patience_ms] of mode === "fast" ? ladder : ladder.slice(1)) {
      signalProcess(this.identity, signal);
      if (await this.#goneWithin(patience_ms)) {
        this.#gone.resolve("gone");
        await removeSocketDirectory(this.socketDirectory);
        this.#log.info("postgres.stopped", { pid: this.pid, signal, took_ms: Math.round(performance.now() - began) });
        return;
      }
      this.#log.warn("postgres.stop_overdue", { pid: this.pid, signal, patience_ms });
    }
    throw new PostgresError("stop_failed", `process ${this.pid} cannot be stopped`);
  }

  async #goneWithin(patience_ms: number): Promise<boolean> {
    const deadline = performance.now() + patience_ms;
    while (!this.ended && isAlive(this.identity)) {
      if (performance.now() > deadline) return false;
      await delay(2);
    }
    return true;
  }

  /** The kernel tells the death of children only. The timer does not keep our own process alive. */
  #watch(): Promise<string> {
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        if (isAlive(this.identity)) return;
        clearInterval(timer);
        resolve("gone");
      }, WATCH_INTERVAL_MS);
      timer.unref();
    });
  }
}
