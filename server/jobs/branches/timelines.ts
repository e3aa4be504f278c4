import type { CopyProgress } from "../../compute/driver.ts";
import type { BranchReset } from "../../db/schema.ts";
import { describeError } from "../../log.ts";
import { scramVerifier } from "../../postgres/scram.ts";
import { newRolePassword, openRolePassword, sealRolePassword } from "../../roles/password.ts";
import { findComputeForJob, markEndpointIdleForJob } from "../computes/store.ts";
import { suspendCompute } from "../computes/suspend.ts";
import { type JobDeps, reach, StoppedAtStep } from "../deps.ts";
import { countCompute } from "../meters/count.ts";
import { type ClaimedOperation, finishOperationForJob, noteProgressForJob } from "../store.ts";
import { atCompute, atPrivateCompute, removePrivateCompute } from "./private-computes.ts";
import { finishResetForJob, type RolePasswords } from "./resets/store.ts";
import {
  type BranchRow,
  getBranchForJob,
  listEndpointIdsForJob,
  markBranchReadyForJob,
  repeatPasswordsForJob,
} from "./store.ts";

/** Makes the data of a branch: empty for a root, a clone of its parent's, or of what it is restored from. The signal ends a copy. */
export async function createTimeline(deps: JobDeps, operation: ClaimedOperation, signal: AbortSignal): Promise<void> {
  const branch = await getBranchForJob(deps.db, operation.branch_id);
  if (branch.reset !== null) return await resetTimeline(deps, operation, branch, branch.reset, signal);
  if (branch.schema_of !== null) return await seedTimeline(deps, operation, branch, branch.schema_of);
  await reach(deps, "create_timeline:claimed");
  const origin = await makeStorage(deps, operation, branch, signal);
  await reach(deps, "create_timeline:storage_made");
  await deps.db.transaction().execute(async (tx) => {
    await finishOperationForJob(tx, operation.id, deps.node_id);
    await markBranchReadyForJob(tx, branch.id, origin);
    await repeatPasswordsForJob(tx, branch.id);
  });
  await reach(deps, "create_timeline:finished");
}

/**
 * Makes the data of a branch that has another one's schema and nothing else of it: an empty one, into which that is
 * loaded. Whatever a process that died on the way has left is thrown away first.
 */
async function seedTimeline(deps: JobDeps, operation: ClaimedOperation, branch: BranchRow, source_id: string) {
  const { id, storage_id, pg_version } = branch;
  await reach(deps, "seed_timeline:claimed");
  await removePrivateCompute(deps, id);
  await deps.storage.remove(storage_id);
  await deps.storage.createRoot(storage_id, { pg_version });
  await reach(deps, "seed_timeline:storage_made");
  await atPrivateCompute(deps, id, async (compute_id) => {
    await reach(deps, "seed_timeline:compute_running");
    await atCompute(deps, source_id, (from_id) => deps.compute.copySchema(compute_id, from_id));
  });
  await reach(deps, "seed_timeline:schema_copied");
  await deps.db.transaction().execute(async (tx) => {
    await finishOperationForJob(tx, operation.id, deps.node_id);
    await markBranchReadyForJob(tx, id);
  });
  await reach(deps, "seed_timeline:finished");
}

async function makeStorage(deps: JobDeps, operation: ClaimedOperation, branch: BranchRow, signal: AbortSignal) {
  const { storage_id, parent_id, pg_version } = branch;
  if (parent_id === null) {
    await deps.storage.createRoot(storage_id, { pg_version });
    return undefined;
  }
  const parent = await getBranchForJob(deps.db, parent_id);
  return await clone(deps, operation, storage_id, parent.storage_id, signal);
}

async function clone(
  deps: JobDeps,
  { id }: ClaimedOperation,
  storage_id: string,
  from_storage_id: string,
  signal: AbortSignal,
) {
  const onProgress = (progress: CopyProgress) => noteProgressForJob(deps.db, id, progress);
  return await deps.storage.branch(storage_id, from_storage_id, { onProgress, signal });
}

/**
 * Replaces a branch's data. The clone is made beside it while its compute runs on; the compute is stopped only
 * for the moment in which the one becomes the other, so that the backup has everything that was written.
 */
async function resetTimeline(
  deps: JobDeps,
  operation: ClaimedOperation,
  branch: BranchRow,
  reset: BranchReset,
  signal: AbortSignal,
) {
  await reach(deps, "reset_timeline:claimed");
  const source = await getBranchForJob(deps.db, reset.source_id);
  const origin = await clone(deps, operation, reset.storage_id, source.storage_id, signal);
  await reach(deps, "reset_timeline:storage_made");
  for (const id of await listEndpointIdsForJob(deps.db, branch.id)) {
    const compute = await findComputeForJob(deps.db, id);
    if (compute?.current_state === "active") await countCompute(deps, compute);
    await suspendCompute(deps, id, branch.id);
    if (compute) await markEndpointIdleForJob(deps.db, id);
  }
  await reach(deps, "reset_timeline:compute_suspended");
  await deps.db.transaction().execute(async (tx) => {
    await finishOperationForJob(tx, operation.id, deps.node_id);
    await finishResetForJob(tx, branch, reset, origin, passwordsOf(deps));
  });
  await reach(deps, "reset_timeline:swapped");
  if (reset.backup_id === null) await removeReplaced(deps, branch.storage_id);
  await reach(deps, "reset_timeline:finished");
}

function passwordsOf({ sealer }: JobDeps): RolePasswords {
  return {
    reseal: (password, from, to, name) =>
      sealRolePassword(sealer, openRolePassword(sealer, password, from, name), to, name),
    async renew(branch_id, name) {
      const password = newRolePassword();
      const verifier = await scramVerifier(password.reveal());
      return { password: sealRolePassword(sealer, password, branch_id, name), verifier };
    },
  };
}

/** What nobody has any more. Left behind here, it is an orphan for its job. */
async function removeReplaced(deps: JobDeps, storage_id: string): Promise<void> {
  try {
    await deps.storage.remove(storage_id);
  } catch (error) {
    if (error instanceof StoppedAtStep) throw error;
    deps.log.event("storage.left_over", { storage_id, error: describeError(error) });
  }
}
