import { describeError } from "../log.ts";
import { BackOff } from "./back-off.ts";
import { type JobDeps, reach, StoppedAtStep } from "./deps.ts";
import { forEachOf } from "./for-each.ts";
import type { Job } from "./runner.ts";
import * as store from "./store.ts";

const EVERY_MS = 5_000;
const AT_ONCE = 4;

/**
 * Removes what deleted projects stood for: computes, then storage, then rows. The rows go last, so that
 * whatever is still there is still known, however often the process dies on the way.
 */
export function removalsJob(deps: JobDeps): Job {
  const back_off = new BackOff(deps.clock);

  async function remove({ id: branch_id, project_id }: store.DoomedBranch): Promise<void> {
    try {
      await reach(deps, "remove_branch:begun");
      for (const id of await store.listEndpointIdsForJob(deps.db, branch_id)) await deps.compute.remove(id);
      await reach(deps, "remove_branch:computes_removed");
      await deps.storage.remove(branch_id);
      await reach(deps, "remove_branch:storage_removed");
      await deps.db.transaction().execute((tx) => store.deleteBranchForJob(tx, branch_id));
      await reach(deps, "remove_branch:row_removed");
      deps.log.event("branch.removed", { branch_id, project_id });
    } catch (error) {
      if (error instanceof StoppedAtStep) throw error;
      const failures = back_off.failed(branch_id);
      deps.log.event("branch.removal_failed", { branch_id, project_id, failures, error: describeError(error) });
    }
  }

  return {
    name: "removals",
    every_ms: EVERY_MS,
    async run(signal) {
      const doomed = await store.listDoomedBranchesForJob(deps.db, deps.node_id);
      back_off.retain(new Set(doomed.map(({ id }) => id)));
      await forEachOf(doomed, AT_ONCE, async (branch) => {
        if (signal.aborted || !back_off.isDue(branch.id)) return;
        await deps.branches.run(branch.id, () => remove(branch));
      });
      await store.deleteEmptyProjectsForJob(deps.db);
    },
  };
}
