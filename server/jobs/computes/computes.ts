import type { JobDeps } from "../deps.ts";
import { forEachOf } from "../for-each.ts";
import { countCompute } from "../meters/count.ts";
import { skipUncountedForJob } from "../meters/store.ts";
import type { Job } from "../runner.ts";
import { insertFinishedOperationForJob } from "../store.ts";
import { applyContent } from "./content/apply-content.ts";
import { isOurOwnRefusal } from "./failures.ts";
import { startCompute } from "./start-compute.ts";
import * as store from "./store.ts";
import { suspendCompute } from "./suspend.ts";

const EVERY_MS = 2_000;
const AT_ONCE = 4;

/**
 * Keeps every compute running that should be, and no other: adopts those that a former process left behind,
 * starts them again after a restart of the machine or the server, and when one dies.
 */
export function computesJob(deps: JobDeps): Job {
  const { db, compute, failures, node_id, log, clock } = deps;
  /** Computes that this process's driver has seen running as their rows say. */
  const ensured = new Set<string>();
  /** What the driver has told of computes, and their rows do not yet. */
  const died = new Map<string, string>();

  async function tellDeath(endpoint_id: string): Promise<void> {
    const reason = died.get(endpoint_id);
    if (reason === undefined) return;
    await failures.died(endpoint_id, reason);
    died.delete(endpoint_id);
  }

  async function ensure(endpoint_id: string, was_running: boolean): Promise<void> {
    // The news may have come since the computes were listed.
    await tellDeath(endpoint_id);
    // A deletion may have come first.
    const wanted = await store.findWantedComputeForJob(db, node_id, endpoint_id);
    if (!wanted) return;
    const began_ms = clock.monotonic_ms();
    try {
      if (!was_running) await skipUncountedForJob(db, endpoint_id);
      const { started } = await startCompute(deps, wanted);
      // One that ended only just before was listed as running.
      await tellDeath(endpoint_id);
      if (wanted.applied_revision !== wanted.content_revision) await applyContent(deps, endpoint_id, wanted.branch_id);
      ensured.add(endpoint_id);
      const is_back = failures.started(endpoint_id);
      if (!started && wanted.current_state === "active") return;
      const duration_ms = clock.monotonic_ms() - began_ms;
      await db.transaction().execute(async (tx) => {
        await store.markEndpointStartedForJob(tx, wanted);
        if (is_back) await insertFinishedOperationForJob(tx, "start_compute", endpoint_id, duration_ms);
      });
      log.event("compute.restarted", { endpoint_id, duration_ms });
    } catch (error) {
      if (!isOurOwnRefusal(error)) await failures.notStarted(endpoint_id, error, clock.monotonic_ms() - began_ms);
    }
  }

  async function rest(endpoint_id: string): Promise<void> {
    const still = (await store.listUnwantedComputesForJob(db, node_id)).find(({ id }) => id === endpoint_id);
    if (!still) return;
    await countCompute(deps, still);
    await suspendCompute(deps, endpoint_id, still.branch_id);
    await store.markEndpointIdleForJob(db, endpoint_id);
  }

  return {
    name: "computes",
    every_ms: EVERY_MS,
    listen: (poke) =>
      compute.watch(({ endpoint_id, reason }) => {
        log.event("compute.died", { endpoint_id, reason });
        ensured.delete(endpoint_id);
        died.set(endpoint_id, reason);
        poke();
      }),
    async run(signal) {
      for (const id of died.keys()) await tellDeath(id);
      const wanted = await store.listWantedComputesForJob(db, node_id);
      const running = new Set<string>();
      for (const { endpoint_id, state } of await compute.list()) if (state === "running") running.add(endpoint_id);
      log.metrics.computes.set(running.size);

      const ids = new Set(wanted.map(({ id }) => id));
      for (const id of ensured) if (!ids.has(id)) ensured.delete(id);

      // Whoever works on a branch may copy for hours, and then the others' computes are not to wait for it: the next run is soon.
      const isFree = ({ branch_id }: store.ComputeRow) => !signal.aborted && !deps.branches.isHeld(branch_id);
      const missing = wanted.filter(({ id }) => !(ensured.has(id) && running.has(id)) && failures.isDue(id));
      await forEachOf(missing, AT_ONCE, async (found) => {
        const { id, branch_id } = found;
        if (isFree(found)) await deps.branches.run(branch_id, () => ensure(id, running.has(id)));
      });
      const unwanted = await store.listUnwantedComputesForJob(db, node_id);
      await forEachOf(unwanted, AT_ONCE, async (found) => {
        if (isFree(found)) await deps.branches.run(found.branch_id, () => rest(found.id));
      });
    },
  };
}
