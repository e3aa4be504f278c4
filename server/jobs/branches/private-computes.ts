import { DriverError } from "../../compute/driver.ts";
import { applyContent } from "../computes/content/apply-content.ts";
import { adminPasswordOf, SOCKET_PORT } from "../computes/start-compute.ts";
import { type JobDeps, StoppedAtStep } from "../deps.ts";
import { findReadableBranchForJob } from "./store.ts";

const LOOK_AGAIN_MS = 100;

/** What is asked of a branch at rest whose data is being replaced would wait for a copy, which may take hours. */
export class BeingRestored extends Error {
  constructor() {
    super("the branch is being restored");
    this.name = "BeingRestored";
  }
}

/** The same as `atCompute`, but that it throws `BeingRestored` rather than wait for a copy. */
export async function atComputeNow<T>(
  deps: JobDeps,
  branch_id: string,
  work: (compute_id: string) => Promise<T>,
): Promise<T> {
  return await atCompute(deps, branch_id, work, async () => {
    while (deps.branches.isHeld(branch_id)) {
      const branch = await findReadableBranchForJob(deps.db, deps.node_id, branch_id);
      if (branch?.current_state === "resetting") throw new BeingRestored();
      await Promise.race([deps.branches.whenDone(branch_id), deps.clock.sleep(LOOK_AGAIN_MS)]);
    }
  });
}

/**
 * Does something at the compute of a branch that runs. Where none does, one is started for it that no client can
 * reach, and whoever wants to wake the branch's own waits for the moment that this takes.
 */
export async function atCompute<T>(
  deps: JobDeps,
  branch_id: string,
  work: (compute_id: string) => Promise<T>,
  untilFree: () => Promise<void> = async () => {},
): Promise<T> {
  const running = await findRunning(deps, branch_id);
  if (running !== undefined) {
    try {
      return await work(running);
    } catch (error) {
      // It was put to rest meanwhile, or was not known to this process yet.
      const ended = error instanceof DriverError && ["not_running", "dump_failed"].includes(error.code);
      if (!ended || (await findRunning(deps, branch_id)) === running) throw error;
    }
  }
  await untilFree();
  return await deps.branches.run(branch_id, async () => {
    const own = await findRunning(deps, branch_id);
    if (own !== undefined) return await work(own);
    return await atPrivateCompute(deps, branch_id, work);
  });
}

/** The compute of the branch, where it runs and this process has it. */
async function findRunning(deps: JobDeps, branch_id: string): Promise<string | undefined> {
  const branch = await findReadableBranchForJob(deps.db, deps.node_id, branch_id);
  if (branch === undefined || branch.endpoint_id === null || branch.current_state === "init") return undefined;
  const status = await deps.compute.status(branch.endpoint_id);
  return status?.state === "running" && status.branch_id === branch.storage_id ? branch.endpoint_id : undefined;
}

/**
 * Does something at a compute of the branch's data that no client can reach. Its id is the branch's and not an
 * endpoint's: should the process die, it is an orphan for its job. To be called with the branch's lock.
 */
export async function atPrivateCompute<T>(
  deps: JobDeps,
  branch_id: string,
  work: (compute_id: string) => Promise<T>,
): Promise<T> {
  const branch = await findReadableBranchForJob(deps.db, deps.node_id, branch_id);
  if (branch === undefined) throw new DriverError("branch_missing", "there is no such branch");
  const compute_id = privateIdOf(branch_id);
  let died = false;
  try {
    await deps.compute.ensureRunning(compute_id, {
      branch_id: branch.storage_id,
      port: SOCKET_PORT,
      tcp: false,
      max_connections: 10,
      admin_password: adminPasswordOf(deps.sealer, branch).reveal(),
    });
    // One whose data is being made has nothing yet that could be changed.
    const whole = branch.current_state !== "init";
    if (whole && branch.applied_revision !== branch.content_revision) await applyContent(deps, compute_id, branch.id);
    return await work(compute_id);
  } catch (error) {
    died = error instanceof StoppedAtStep;
    throw error;
  } finally {
    // A process that dies leaves it where it is.
    if (!died) await removePrivateCompute(deps, branch_id);
  }
}

/** What a process that died may have left. */
export async function removePrivateCompute(deps: JobDeps, branch_id: string): Promise<void> {
  await deps.compute.remove(privateIdOf(branch_id));
}

const privateIdOf = (branch_id: string) => `private-${branch_id}`.slice(0, 63);
