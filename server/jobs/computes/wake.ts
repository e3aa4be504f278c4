import type { ComputeAddress, EnsuredCompute } from "../../compute/driver.ts";
import { ApiError } from "../../errors.ts";
import { type JobDeps, reach } from "../deps.ts";
import { countCompute } from "../meters/count.ts";
import { insertFinishedOperationForJob } from "../store.ts";
import { applyContent } from "./content/apply-content.ts";
import { isOurOwnRefusal, NotStarted } from "./failures.ts";
import { startCompute } from "./start-compute.ts";
import {
  type ComputeRow,
  findMakingErrorForJob,
  findRestableComputeForJob,
  findUnfinishedBranchForJob,
  findWakeableComputeForJob,
  markEndpointIdleForJob,
  markEndpointStartedForJob,
  type UnfinishedBranch,
  updateDesiredStateForJob,
} from "./store.ts";
import { suspendCompute } from "./suspend.ts";

/** Starting and resting of computes at once, for the gateway, beside what routes record and jobs carry out. */
export interface Waking {
  /**
   * Makes an endpoint's compute run and says where; asked several times at once, it does so once. Throws
   * `not_found` for a compute that may not be started (disabled, deleted, on another node), `NotStarted` for one that
   * does not come up, has failed to so lately that it is not tried again yet, or whose branch is not there, and what the
   * driver throws.
   */
  wake(endpoint_id: string): Promise<ComputeAddress>;
  /**
   * Puts a compute to rest that nobody uses, unless `isIdle` says otherwise in the last moment. One whose branch is worked
   * on, or will be, is left to that: a copy may go on for hours, and what follows it may be a start.
   */
  rest(endpoint_id: string, isIdle: () => boolean): Promise<void>;
}

/** How long a client is kept waiting for its branch; a copy of much data may take longer. */
const BRANCH_WITHIN_MS = 20_000;
const LOOK_AGAIN_MS = 50;

export function createWaking(deps: JobDeps): Waking {
  const under_way = new Map<string, Promise<ComputeAddress>>();

  /** A client that comes at once with the string of a new branch waits for the branch, as it would for a compute. */
  async function findOnceWhole(endpoint_id: string): Promise<ComputeRow> {
    const { db, node_id, clock } = deps;
    const until_ms = clock.monotonic_ms() + BRANCH_WITHIN_MS;
    let awaited: UnfinishedBranch | undefined;
    for (;;) {
      const found = await findWakeableComputeForJob(db, node_id, endpoint_id);
      if (found) return found;
      const branch = await findUnfinishedBranchForJob(db, endpoint_id);
      if (branch?.is_worked_on !== true) await refuseWhereNeverMade(branch ?? awaited);
      if (branch === undefined && awaited === undefined) throw notStartable();
      awaited = branch;
      // It may have become whole since we looked.
      if (branch === undefined) continue;
      if (clock.monotonic_ms() > until_ms) throw stillComing(branch);
      await clock.sleep(LOOK_AGAIN_MS);
    }
  }

  async function refuseWhereNeverMade(branch: UnfinishedBranch | undefined): Promise<void> {
    const error = branch && (await findMakingErrorForJob(deps.db, branch));
    if (error !== undefined) throw new NotStarted(`its branch was not made (${error})`);
  }

  async function bringUp(compute: ComputeRow): Promise<EnsuredCompute> {
    const address = await startCompute(deps, compute);
    await reach(deps, "wake:compute_running");
    if (compute.applied_revision !== compute.content_revision) await applyContent(deps, compute.id, compute.branch_id);
    await reach(deps, "wake:content_applied");
    return address;
  }

  async function start(endpoint_id: string): Promise<ComputeAddress> {
    for (;;) {
      const { branch_id } = await findOnceWhole(endpoint_id);
      if (!deps.branches.isHeld(branch_id)) return await startInTurn(endpoint_id, branch_id);
      // Not in line: the branch may be restored by now, and the client is told so before a copy of hours has ended.
      await Promise.race([deps.branches.whenDone(branch_id), deps.clock.sleep(LOOK_AGAIN_MS)]);
    }
  }

  async function startInTurn(endpoint_id: string, branch_id: string): Promise<ComputeAddress> {
    return await deps.branches.run(branch_id, async () => {
      const began_ms = deps.clock.monotonic_ms();
      const compute = await findWakeableComputeForJob(deps.db, deps.node_id, endpoint_id);
      if (!compute) throw notStartable();
      await deps.failures.refuseTooSoon(endpoint_id);
      // Wished before it is done: a process that dies in between leaves a compute that ought to run.
      await updateDesiredStateForJob(deps.db, endpoint_id, "running");
      await reach(deps, "wake:wished");
      const address = await bringUp(compute).catch(async (error) => {
        if (isOurOwnRefusal(error)) throw error;
        throw await deps.failures.notStarted(endpoint_id, error, deps.clock.monotonic_ms() - began_ms);
      });
      deps.failures.started(endpoint_id);
      if (address.started || compute.current_state !== "active") {
        await deps.db.transaction().execute(async (tx) => {
          // By its row it may run still: it has died a moment ago, and this client was faster than the news of it.
          await markEndpointIdleForJob(tx, endpoint_id);
          await markEndpointStartedForJob(tx, compute);
          await insertFinishedOperationForJob(tx, "start_compute", endpoint_id, deps.clock.monotonic_ms() - began_ms);
        });
      }
      await reach(deps, "wake:finished");
      return address;
    });
  }

  return {
    wake(endpoint_id) {
      const present = under_way.get(endpoint_id);
      if (present !== undefined) return present;
      const started = start(endpoint_id).finally(() => under_way.delete(endpoint_id));
      under_way.set(endpoint_id, started);
      return started;
    },
    async rest(endpoint_id, isIdle) {
      const seen = await findRestableComputeForJob(deps.db, endpoint_id);
      if (!seen || deps.branches.isHeld(seen.branch_id)) return;
      await deps.branches.run(seen.branch_id, async () => {
        // Work on the branch may have come and gone while the row was read.
        const found = await findRestableComputeForJob(deps.db, endpoint_id);
        if (!found || under_way.has(endpoint_id) || !isIdle()) return;
        const began_ms = deps.clock.monotonic_ms();
        await updateDesiredStateForJob(deps.db, endpoint_id, "suspended");
        await reach(deps, "rest:wished");
        await countCompute(deps, found);
        await suspendCompute(deps, endpoint_id, found.branch_id);
        await reach(deps, "rest:compute_suspended");
        await deps.db.transaction().execute(async (tx) => {
          await markEndpointIdleForJob(tx, endpoint_id);
          await insertFinishedOperationForJob(tx, "suspend_compute", endpoint_id, deps.clock.monotonic_ms() - began_ms);
        });
        await reach(deps, "rest:finished");
      });
    },
  };
}

const stillComing = ({ current_state }: UnfinishedBranch) =>
  new NotStarted(`its branch is still being ${current_state === "init" ? "made" : "restored"}`, 0);

const notStartable = () => new ApiError("not_found", "there is no such compute, or it may not be started");
