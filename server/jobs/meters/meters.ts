import { DriverError } from "../../compute/driver.ts";
import { judgeQuotasForJob } from "../../projects/consumption/store.ts";
import { listWantedComputesForJob } from "../computes/store.ts";
import type { JobDeps } from "../deps.ts";
import { forEachOf } from "../for-each.ts";
import type { Job } from "../runner.ts";
import { deleteOldOperationsForJob } from "../store.ts";
import { countCompute } from "./count.ts";
import * as store from "./store.ts";

const EVERY_MS = 30_000;
const AT_ONCE = 2;
/** A look at the disk walks every file, so it is for each tenth round: five minutes. */
const ROUNDS_TO_A_LOOK = 10;

/** Counts what computes use and branches occupy, and judges the quotas of projects by it. */
export function metersJob(deps: JobDeps): Job {
  let round = 0;
  return {
    name: "meters",
    every_ms: EVERY_MS,
    unpokable: true,
    async run(signal) {
      const computes = (await listWantedComputesForJob(deps.db, deps.node_id)).filter(
        ({ current_state }) => current_state === "active",
      );
      await forEachOf(computes, AT_ONCE, async (compute) => {
        if (!signal.aborted) await countCompute(deps, compute);
      });
      if (round++ % ROUNDS_TO_A_LOOK === 0) await lookAtDisk(deps, signal);
      await judgeQuotasForJob(deps.db);
    },
  };
}

async function lookAtDisk(deps: JobDeps, signal: AbortSignal): Promise<void> {
  for (const branch of await store.listStoredBranchesForJob(deps.db, deps.node_id)) {
    if (signal.aborted) return;
    try {
      const { physical_bytes } = await deps.storage.stat(branch.storage_id);
      await store.updateStorageBytesForJob(deps.db, branch, physical_bytes);
    } catch (error) {
      // It has just been removed, or replaced.
      if (!(error instanceof DriverError)) throw error;
    }
  }
  await store.noteSizesForJob(deps.db, deps.node_id);
  await store.deleteOldHoursForJob(deps.db);
  await deleteOldOperationsForJob(deps.db);
}
