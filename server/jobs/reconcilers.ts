import { expiryJob } from "./branches/expiry.ts";
import { schemasJob } from "./branches/schemas/schemas.ts";
import { changePort } from "./computes/change-port.ts";
import { computesJob } from "./computes/computes.ts";
import { type InTurn, type Observation, observeContent } from "./computes/content/observe-content.ts";
import { ComputeFailures } from "./computes/failures.ts";
import { createWaking, type Waking } from "./computes/wake.ts";
import type { JobDeps, ReconcilerDeps } from "./deps.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { logsJob } from "./logs/logs.ts";
import { skipDowntime } from "./meters/downtime.ts";
import { metersJob } from "./meters/meters.ts";
import { operationsJob } from "./operations.ts";
import { orphansJob } from "./orphans.ts";
import { removalsJob } from "./removals.ts";
import type { Job } from "./runner.ts";

/** The jobs that make the world agree with the rows, and the gateway's way to a compute; they share a lock. */
export interface Machinery {
  readonly jobs: Job[];
  readonly waking: Waking;
  /** Leaves the time in which the node was down out of what is counted; before the jobs and the gateway start. */
  readonly skipDowntime: () => Promise<void>;
  /** Makes the rows of a branch say what is in its running compute. */
  readonly observe: (endpoint_id: string, branch_id: string, inTurn?: InTurn) => Promise<Observation | undefined>;
  /** Gives an endpoint another port at the gateway. */
  readonly changePort: (endpoint_id: string) => Promise<void>;
}

/** To be made once in a process. */
export function createMachinery(deps: ReconcilerDeps): Machinery {
  const shared: JobDeps = {
    ...{ ...deps, failures: new ComputeFailures(deps) },
    ...{ branches: new KeyedLock(), observations: new KeyedLock(), counts: new KeyedLock() },
  };
  const jobs = [
    operationsJob(shared),
    schemasJob(shared),
    logsJob(shared),
    expiryJob(shared),
    removalsJob(shared),
    computesJob(shared),
    orphansJob(shared),
    metersJob(shared),
  ];
  return {
    jobs,
    waking: createWaking(shared),
    skipDowntime: () => skipDowntime(shared),
    observe: (endpoint_id, branch_id, inTurn) => observeContent(shared, endpoint_id, branch_id, inTurn),
    changePort: (endpoint_id) => changePort(shared, endpoint_id),
  };
}
