import { describeError } from "../log.ts";
import { BackOff } from "./back-off.ts";
import { removeBranch } from "./branches/remove-branch.ts";
import {
  type DoomedBranch,
  deleteEmptyProjectsForJob,
  endRecoveryForJob,
  listDoomedBranchesForJob,
} from "./branches/store.ts";
import { type JobDeps, StoppedAtStep } from "./deps.ts";
import { forEachOf } from "./for-each.ts";
import type { Job } from "./runner.ts";

const EVERY_MS = 5_000;
const AT_ONCE = 4;
/** How long a deleted project can be recovered, as at Neon. */
export const RECOVERABLE_DAYS = 7;

/**
 * Removes what deleted projects stood for once they can no longer be recovered, and deleted branches whose
 * recorded deletion has failed.
 */
export function removalsJob(deps: JobDeps): Job {
  const back_off = new BackOff(deps.clock);

  async function remove(branch: DoomedBranch): Promise<void> {
    const { id: branch_id, project_id } = branch;
    try {
      await removeBranch(deps, branch);
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
      await endRecoveryForJob(deps.db, RECOVERABLE_DAYS);
      const doomed = await listDoomedBranchesForJob(deps.db, deps.node_id);
      back_off.retain(new Set(doomed.map(({ id }) => id)));
      await forEachOf(doomed, AT_ONCE, async (branch) => {
        if (signal.aborted || !back_off.isDue(branch.id)) return;
        await deps.branches.run(branch.id, () => remove(branch));
      });
      await deleteEmptyProjectsForJob(deps.db);
    },
  };
}
