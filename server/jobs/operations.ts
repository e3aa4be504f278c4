import { DriverError, type DriverErrorCode } from "../compute/driver.ts";
import type { Tx } from "../db/pool.ts";
import { unreachable } from "../errors.ts";
import { describeError } from "../log.ts";
import { backOffDelay_ms } from "./back-off.ts";
import { deleteTimeline } from "./branches/remove-branch.ts";
import { cancelResetForJob } from "./branches/resets/store.ts";
import { abandonBranchForJob, getBranchForJob } from "./branches/store.ts";
import { createTimeline } from "./branches/timelines.ts";
import { applyRecorded, startRecorded, suspendRecorded } from "./computes/operations.ts";
import { findChangeForJob, revertSettingsForJob } from "./computes/store.ts";
import { type JobDeps, StoppedAtStep } from "./deps.ts";
import { lookOn } from "./look-on.ts";
import { publicErrorOf } from "./public-errors.ts";
import type { Job } from "./runner.ts";
import * as store from "./store.ts";

const EVERY_MS = 1_000;
/** Of all but copies. One more than copies are, each of which may hold up the work on the branch that it is made from. */
const BRANCHES_AT_ONCE = 4;
/** Beside them: of much data a copy takes minutes, and nobody else is to wait for it. */
const COPIES_AT_ONCE = 3;
/** Those of one parent take turns at it: while one has its turn, the other is made durable. */
const COPIES_OF_A_PROJECT = 2;
/** How soon a new branch is noticed while another one's work is still going on. */
const LOOK_AGAIN_MS = 100;
const MOST_FAILURES = 10;
/** Of a compute that recovers, each of which takes a minute. */
const MOST_WAITS = 120;
/** Of a compute that never ran and has settings of its own, which may be why. */
const MOST_FIRST_FAILURES = 3;

/** Trying again cannot help. */
const HOPELESS: ReadonlySet<DriverErrorCode> = new Set([
  "setting_refused",
  "name_refused",
  "id_refused",
  "schema_refused",
  "no_room",
]);

/** Carries out recorded operations: in order within a branch, a few branches at a time, copies beside all else. */
export function operationsJob(deps: JobDeps): Job {
  return {
    name: "operations",
    every_ms: EVERY_MS,
    async run(signal) {
      const in_flight = new Map<string, { operation: store.ClaimedOperation; work: Promise<void> }>();
      const cancelling = new Map<string, AbortController>();
      const failures: unknown[] = [];
      const works = () => [...in_flight.values()].map(({ work }) => work);
      const begin = (operation: store.ClaimedOperation) => {
        const cancel = new AbortController();
        cancelling.set(operation.id, cancel);
        if (operation.is_cancelled) cancel.abort();
        const work = carryOut(deps, operation, { stop: signal, cancel: cancel.signal })
          .catch((error) => void failures.push(error))
          .finally(() => {
            in_flight.delete(operation.id);
            cancelling.delete(operation.id);
          });
        in_flight.set(operation.id, { operation, work });
      };
      const look = async (): Promise<boolean> => {
        const busy_with = [...in_flight.values()].map(({ operation }) => operation);
        const copies = busy_with.filter(({ is_copy }) => is_copy).length;
        const limit = BRANCHES_AT_ONCE - (busy_with.length - copies);
        const copies_limit = COPIES_AT_ONCE - copies;
        const limits = { limit, copies_limit, copies_of_a_project: COPIES_OF_A_PROJECT };
        const claim = { node_id: deps.node_id, in_flight: busy_with, ...limits };
        if (limit > 0 || copies_limit > 0) (await store.claimOperationsForJob(deps.db, claim)).forEach(begin);
        // Work that ended while we asked may have a successor, which could not be claimed before.
        if (in_flight.size === 0) return busy_with.length > 0;
        for (const id of await store.listCancelledForJob(deps.db, [...in_flight.keys()])) cancelling.get(id)?.abort();
        // Not until all are done: one compute that takes its time must not hold up a new branch.
        await Promise.race([...works(), deps.clock.sleep(LOOK_AGAIN_MS, signal)]);
        return true;
      };
      await lookOn(deps, { job: "operations", pause_ms: EVERY_MS, look, underWay: works, failures }, signal);
    },
  };
}

interface Ending {
  /** The server stops: a copy is given up, and begun anew after the restart. All else comes to its end. */
  readonly stop: AbortSignal;
  /** Somebody wants it given up. */
  readonly cancel: AbortSignal;
}

async function carryOut(deps: JobDeps, operation: store.ClaimedOperation, { stop, cancel }: Ending): Promise<void> {
  const { id: operation_id, action, project_id } = operation;
  const started = deps.clock.monotonic_ms();
  try {
    await deps.branches.run(operation.branch_id, () => perform(deps, operation, AbortSignal.any([stop, cancel])));
    const duration_ms = deps.clock.monotonic_ms() - started;
    deps.log.event("operation.finished", { operation_id, action, project_id, duration_ms });
  } catch (error) {
    if (error instanceof StoppedAtStep) throw error;
    if (error instanceof store.RecordedFailure) {
      const { failures_count: failures, message } = error;
      deps.log.event("operation.failed", { operation_id, action, project_id, failures, error: message });
      return;
    }
    if (cancel.aborted) return await recordCancellation(deps, operation);
    const shutting_down = stop.aborted || (error instanceof DriverError && error.code === "shut_down");
    if (shutting_down) await store.releaseOperationForJob(deps.db, operation_id, deps.node_id);
    else await recordFailure(deps, operation, error);
  }
}

async function perform(deps: JobDeps, operation: store.ClaimedOperation, signal: AbortSignal): Promise<void> {
  switch (operation.action) {
    case "create_timeline":
      return await createTimeline(deps, operation, signal);
    case "delete_timeline":
      return await deleteTimeline(deps, operation);
    case "start_compute":
      return await startRecorded(deps, operation);
    case "suspend_compute":
      return await suspendRecorded(deps, operation);
    case "apply_config":
      return await applyRecorded(deps, operation);
    default:
      return unreachable(`operation ${operation.action satisfies never}`);
  }
}

async function recordFailure(deps: JobDeps, operation: store.ClaimedOperation, error: unknown): Promise<void> {
  const { id: operation_id, action, project_id } = operation;
  const code = error instanceof DriverError ? error.code : undefined;
  const failures_count = operation.failures_count + 1;
  const most_failures = await mostFailures(deps, operation, code);
  const changed = code === "start_failed" && most_failures < MOST_FAILURES ? " with what was changed" : "";
  const failure = { error: publicErrorOf(error) + changed, failures_count };
  const event = { operation_id, action, project_id, failures: failures_count, error: describeError(error) };
  if (failures_count >= most_failures) {
    await deps.db.transaction().execute(async (tx) => {
      await store.failOperationForJob(tx, operation, deps.node_id, failure);
      await putBack(tx, operation, code);
    });
    deps.log.event("operation.failed", event);
  } else {
    const delay_ms = backOffDelay_ms(failures_count);
    await store.retryOperationForJob(deps.db, operation_id, deps.node_id, { ...failure, delay_ms });
    deps.log.event("operation.retried", event);
  }
}

/** A change that keeps a compute from starting is given up at once: while it is tried, nobody can correct it. */
async function mostFailures(
  deps: JobDeps,
  { endpoint_id }: store.ClaimedOperation,
  code: DriverErrorCode | undefined,
): Promise<number> {
  if (code !== undefined && HOPELESS.has(code)) return 1;
  if (code === "still_starting") return MOST_WAITS;
  if (code !== "start_failed" || endpoint_id === null) return MOST_FAILURES;
  const change = await findChangeForJob(deps.db, endpoint_id);
  if (change === undefined) return MOST_FAILURES;
  return change === "first" ? MOST_FIRST_FAILURES : 1;
}

async function recordCancellation(deps: JobDeps, operation: store.ClaimedOperation): Promise<void> {
  const { id: operation_id, action, project_id, branch_id } = operation;
  await deps.db.transaction().execute(async (tx) => {
    await store.cancelOperationForJob(tx, operation, deps.node_id);
    await giveUp(tx, branch_id);
  });
  deps.log.event("operation.cancelled", { operation_id, action, project_id });
}

/** What was wished and cannot be had must not stand in the way of what was there before. */
async function putBack(tx: Tx, operation: store.ClaimedOperation, code: DriverErrorCode | undefined): Promise<void> {
  if (operation.action === "create_timeline") await giveUp(tx, operation.branch_id);
  const refused = code === "setting_refused" || code === "start_failed";
  if (refused && operation.endpoint_id !== null) await revertSettingsForJob(tx, operation.endpoint_id);
}

/** Gives up the making of data: a new branch goes, all others stay what they were. So does the root of a project, to be deleted with it. */
async function giveUp(tx: Tx, branch_id: string): Promise<void> {
  const { reset, parent_id, schema_of } = await getBranchForJob(tx, branch_id);
  if (reset !== null) await cancelResetForJob(tx, branch_id, reset);
  else if (parent_id !== null || schema_of !== null) await abandonBranchForJob(tx, branch_id);
}
