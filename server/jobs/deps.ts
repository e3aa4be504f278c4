import type { Clock } from "../clock.ts";
import type { ComputeDriver, StorageDriver } from "../compute/driver.ts";
import type { Db } from "../db/pool.ts";
import type { Sealer } from "../keys/seal.ts";
import type { Log } from "../log.ts";
import type { ComputeFailures } from "./computes/failures.ts";
import type { KeyedLock } from "./keyed-lock.ts";

/**
 * Every point at which a reconciler can be stopped, in the order of the work. `wake` and `rest` are what the gateway has
 * done at once, which has no operation that could be taken up again.
 */
export const STEPS = [
  "create_timeline:claimed",
  "create_timeline:storage_made",
  "create_timeline:finished",
  "seed_timeline:claimed",
  "seed_timeline:storage_made",
  "seed_timeline:compute_running",
  "seed_timeline:schema_copied",
  "seed_timeline:finished",
  "reset_timeline:claimed",
  "reset_timeline:storage_made",
  "reset_timeline:compute_suspended",
  "reset_timeline:swapped",
  "reset_timeline:finished",
  "start_compute:claimed",
  "start_compute:compute_running",
  "start_compute:content_applied",
  "start_compute:finished",
  "suspend_compute:claimed",
  "suspend_compute:compute_suspended",
  "suspend_compute:finished",
  "wake:wished",
  "wake:compute_running",
  "wake:content_applied",
  "wake:finished",
  "rest:wished",
  "rest:compute_suspended",
  "rest:finished",
  "apply_config:claimed",
  "apply_config:compute_running",
  "apply_config:content_applied",
  "apply_config:finished",
  "delete_timeline:claimed",
  "remove_branch:begun",
  "remove_branch:computes_removed",
  "remove_branch:storage_removed",
  "remove_branch:row_removed",
] as const;
export type Step = (typeof STEPS)[number];

export interface ReconcilerDeps {
  readonly db: Db;
  readonly sealer: Sealer;
  readonly storage: StorageDriver;
  readonly compute: ComputeDriver;
  readonly clock: Clock;
  readonly log: Log;
  /** This node's name, the same at every start: what it has made is on its disk and found by that name. */
  readonly node_id: string;
  /** For tests: called at each step. What it throws stops the work there, as if the process had been killed. */
  readonly onStep?: (step: Step) => void | Promise<void>;
}

/** What the reconcilers of one process share. */
export interface JobDeps extends ReconcilerDeps {
  /** By branch: whoever works on a branch or its computes has it alone, and looks again once it has. */
  readonly branches: KeyedLock;
  /** By branch: looks at what is in its compute. Held for one look, where the lock of the branch is held for all work on it. */
  readonly observations: KeyedLock;
  /** By compute: counts what it has used. Held for one reading and what is made of it. */
  readonly counts: KeyedLock;
  readonly failures: ComputeFailures;
}

/** What `onStep` threw, told apart from a failure of the work: nothing is written down after it. */
export class StoppedAtStep extends Error {
  constructor(step: Step, cause: unknown) {
    super(`stopped at ${step}`, { cause });
    this.name = "StoppedAtStep";
  }
}

export async function reach(deps: ReconcilerDeps, step: Step): Promise<void> {
  try {
    await deps.onStep?.(step);
  } catch (cause) {
    throw new StoppedAtStep(step, cause);
  }
}
