import { DriverError } from "../../compute/driver.ts";
import { newUuid } from "../../ids.ts";
import { describeError } from "../../log.ts";
import { BackOff } from "../back-off.ts";
import type { ReconcilerDeps } from "../deps.ts";
import { publicErrorOf } from "../public-errors.ts";
import { recordFailedStartForJob } from "../store.ts";
import { markEndpointIdleForJob, noteEndpointFailureForJob } from "./store.ts";

/** A compute that is not started now, for the client that has come for it. Without a time to wait it never will be. */
export class NotStarted extends Error {
  constructor(reason: string, wait_ms?: number, options?: ErrorOptions) {
    const next = wait_ms ? `; next try in ${Math.ceil(wait_ms / 1000)} s` : "; try again";
    super(`cannot start the compute: ${reason}${wait_ms === undefined ? "" : next}`, options);
    this.name = "NotStarted";
  }
}

/** Since it was last started. */
interface Failure {
  readonly reason: string;
  /** Under which its failed starts are recorded; absent where those that were asked for tell of it. */
  readonly operation_id?: string;
}

/**
 * What goes wrong with computes: it is told in their rows and in the operations, and slows down whoever starts them
 * unasked, be it the job or a client that connects.
 */
export class ComputeFailures {
  readonly #deps: ReconcilerDeps;
  readonly #back_off: BackOff;
  readonly #failures = new Map<string, Failure>();

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps;
    this.#back_off = new BackOff(deps.clock);
  }

  isDue(endpoint_id: string): boolean {
    return this.#back_off.isDue(endpoint_id);
  }

  async isRunning(endpoint_id: string): Promise<boolean> {
    return (await this.#deps.compute.status(endpoint_id))?.state === "running";
  }

  /** Throws `NotStarted` for a compute that is down and has failed so lately that it is not tried again yet. */
  async refuseTooSoon(endpoint_id: string): Promise<void> {
    if (this.isDue(endpoint_id) || (await this.isRunning(endpoint_id))) return;
    const reason = this.#failures.get(endpoint_id)?.reason ?? "it has failed before";
    throw new NotStarted(reason, this.#back_off.waitFor_ms(endpoint_id));
  }

  /** A compute has ended without having been asked to. */
  async died(endpoint_id: string, how: string): Promise<void> {
    await this.#note(endpoint_id, `PostgreSQL has ended by itself (${how})`, newUuid());
  }

  /** A start that was asked for, and is recorded, has failed. */
  async recordedStartFailed(endpoint_id: string, cause: unknown): Promise<void> {
    await this.#note(endpoint_id, publicErrorOf(cause));
  }

  /** A compute that ought to run was to be started and did not come up. Returns what a client that waits for it is told. */
  async notStarted(endpoint_id: string, cause: unknown, took_ms: number): Promise<NotStarted> {
    const reason = publicErrorOf(cause);
    const id = this.#failures.get(endpoint_id)?.operation_id ?? newUuid();
    const { failures, wait_ms } = await this.#note(endpoint_id, reason, id);
    this.#deps.log.event("compute.start_failed", { endpoint_id, failures, error: describeError(cause) });
    await recordFailedStartForJob(this.#deps.db, { id, endpoint_id, error: reason, took_ms });
    return new NotStarted(reason, wait_ms, { cause });
  }

  /** It runs: what goes wrong from now on is told as something new. Returns whether it is back after a failure of its own. */
  started(endpoint_id: string): boolean {
    const failure = this.#failures.get(endpoint_id);
    this.#failures.delete(endpoint_id);
    return failure?.operation_id !== undefined;
  }

  async #note(endpoint_id: string, reason: string, operation_id = this.#failures.get(endpoint_id)?.operation_id) {
    const { db } = this.#deps;
    const failures = this.#back_off.failed(endpoint_id);
    const wait_ms = this.#back_off.waitFor_ms(endpoint_id);
    for (const id of this.#failures.keys()) if (!this.#back_off.remembers(id)) this.#failures.delete(id);
    this.#failures.set(endpoint_id, operation_id === undefined ? { reason } : { reason, operation_id });
    // Somebody may have been faster than the news of a death.
    const running = await this.isRunning(endpoint_id);
    await db.transaction().execute(async (tx) => {
      if (!running) await markEndpointIdleForJob(tx, endpoint_id);
      await noteEndpointFailureForJob(tx, endpoint_id, { reason, failures_count: failures, retry_in_ms: wait_ms });
    });
    return { failures, wait_ms };
  }
}

/** Whether a start was refused because of this process and not because of the compute. */
export function isOurOwnRefusal(error: unknown): boolean {
  return error instanceof DriverError && (error.code === "shut_down" || error.code === "fenced");
}
