import { findComputeForJob } from "../computes/store.ts";
import { type JobDeps, reach } from "../deps.ts";
import { countCompute } from "../meters/count.ts";
import { endMeterForJob } from "../meters/store.ts";
import { type ClaimedOperation, finishOperationForJob } from "../store.ts";
import { type DoomedBranch, deleteBranchForJob, getBranchForJob, listEndpointIdsForJob } from "./store.ts";

/**
 * Removes what a branch stood for: computes, then storage, then rows. The rows go last, so that whatever is
 * still there is still known, however often the process dies on the way.
 */
export async function removeBranch(deps: JobDeps, branch: DoomedBranch, operation_id?: string): Promise<void> {
  const { id: branch_id, project_id, storage_id } = branch;
  await reach(deps, "remove_branch:begun");
  for (const id of await listEndpointIdsForJob(deps.db, branch_id)) {
    const compute = await findComputeForJob(deps.db, id);
    if (compute?.current_state === "active") await countCompute(deps, compute);
    await deps.compute.remove(id);
    await endMeterForJob(deps.db, id);
  }
  await reach(deps, "remove_branch:computes_removed");
  await deps.storage.remove(storage_id);
  await reach(deps, "remove_branch:storage_removed");
  await deps.db.transaction().execute(async (tx) => {
    if (operation_id !== undefined) await finishOperationForJob(tx, operation_id, deps.node_id);
    await deleteBranchForJob(tx, branch_id);
  });
  await reach(deps, "remove_branch:row_removed");
  deps.log.event("branch.removed", { branch_id, project_id });
}

/** Carries out the recorded deletion of a branch. */
export async function deleteTimeline(deps: JobDeps, operation: ClaimedOperation): Promise<void> {
  await reach(deps, "delete_timeline:claimed");
  await removeBranch(deps, await getBranchForJob(deps.db, operation.branch_id), operation.id);
}
