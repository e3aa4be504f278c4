import { unreachable } from "../../errors.ts";
import { type JobDeps, reach, type Step, StoppedAtStep } from "../deps.ts";
import { countCompute } from "../meters/count.ts";
import { type ClaimedOperation, failOperationForJob, finishOperationForJob, RecordedFailure } from "../store.ts";
import { applyContent } from "./content/apply-content.ts";
import { isOurOwnRefusal } from "./failures.ts";
import { startCompute } from "./start-compute.ts";
import {
  type ComputeRow,
  deleteEndpointForJob,
  findComputeForJob,
  markEndpointIdleForJob,
  markEndpointStartedForJob,
} from "./store.ts";
import { suspendCompute } from "./suspend.ts";

/** Starts a compute that ought to run; where that is no longer wished there is nothing to do. */
export async function startRecorded(deps: JobDeps, operation: ClaimedOperation): Promise<void> {
  await reach(deps, "start_compute:claimed");
  const compute = await findOf(deps, operation);
  const may = compute && !compute.disabled && compute.quota_exceeded === null;
  if (!may || compute.desired_state !== "running") return await skip(deps, operation);
  await bringUp(deps, compute, "start_compute");
  await deps.db.transaction().execute(async (tx) => {
    await finishOperationForJob(tx, operation.id, deps.node_id);
    await markEndpointStartedForJob(tx, compute);
  });
  await reach(deps, "start_compute:finished");
}

/**
 * Tells a compute of changed roles, databases or settings. One that rests is started for it and put to rest
 * again, so that finished means that it has them; one that is disabled, or not there, gets them at its start.
 */
export async function applyRecorded(deps: JobDeps, operation: ClaimedOperation): Promise<void> {
  await reach(deps, "apply_config:claimed");
  const compute = operation.endpoint_id === null ? undefined : await findOf(deps, operation);
  if (!compute || compute.disabled || compute.quota_exceeded !== null) return await skip(deps, operation);
  const rests = compute.desired_state === "suspended";
  const conflicts = await bringUp(deps, compute, "apply_config").catch(async (error) => {
    // By its row it rests: nobody else would put it to rest, or count it.
    const stays = !rests || error instanceof StoppedAtStep || isOurOwnRefusal(error);
    if (!stays) await suspendCompute(deps, compute.id, compute.branch_id).catch(() => {});
    throw error;
  });
  if (rests) await suspendCompute(deps, compute.id, compute.branch_id);
  const failure = { error: conflicts.join("; "), failures_count: operation.failures_count + 1 };
  await deps.db.transaction().execute(async (tx) => {
    if (conflicts.length === 0) await finishOperationForJob(tx, operation.id, deps.node_id);
    else await failOperationForJob(tx, operation, deps.node_id, failure);
    await markEndpointStartedForJob(tx, compute);
    if (rests) await markEndpointIdleForJob(tx, compute.id);
  });
  await reach(deps, "apply_config:finished");
  if (conflicts.length > 0) throw new RecordedFailure(failure);
}

/** Stops a compute, for good when its endpoint is deleted. */
export async function suspendRecorded(deps: JobDeps, operation: ClaimedOperation): Promise<void> {
  await reach(deps, "suspend_compute:claimed");
  const compute = await findOf(deps, operation);
  if (!compute) return await skip(deps, operation);
  if (compute.current_state === "active") await countCompute(deps, compute);
  if (compute.deleted_at === null) await suspendCompute(deps, compute.id, compute.branch_id);
  else await deps.compute.remove(compute.id);
  await reach(deps, "suspend_compute:compute_suspended");
  await deps.db.transaction().execute(async (tx) => {
    await finishOperationForJob(tx, operation.id, deps.node_id);
    await markEndpointIdleForJob(tx, compute.id);
    await deleteEndpointForJob(tx, compute.id);
  });
  await reach(deps, "suspend_compute:finished");
}

/** Returns what the compute could not be told. */
async function bringUp(deps: JobDeps, compute: ComputeRow, action: "start_compute" | "apply_config") {
  try {
    await startCompute(deps, compute);
  } catch (error) {
    if (!isOurOwnRefusal(error)) await deps.failures.recordedStartFailed(compute.id, error);
    throw error;
  }
  deps.failures.started(compute.id);
  await reach(deps, `${action}:compute_running` satisfies Step);
  const same = compute.applied_revision === compute.content_revision;
  const conflicts = same ? [] : await applyContent(deps, compute.id, compute.branch_id);
  // From here on what is written to the branch is its people's.
  await countCompute(deps, compute);
  await reach(deps, `${action}:content_applied` satisfies Step);
  return conflicts;
}

async function findOf(deps: JobDeps, operation: ClaimedOperation): Promise<ComputeRow | undefined> {
  return await findComputeForJob(
    deps.db,
    operation.endpoint_id ?? unreachable(`${operation.action} without an endpoint`),
  );
}

async function skip(deps: JobDeps, operation: ClaimedOperation): Promise<void> {
  await finishOperationForJob(deps.db, operation.id, deps.node_id, "skipped");
}
