import { computesJob } from "./computes.ts";
import type { JobDeps, ReconcilerDeps } from "./deps.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { operationsJob } from "./operations.ts";
import { orphansJob } from "./orphans.ts";
import { removalsJob } from "./removals.ts";
import type { Job } from "./runner.ts";
import { sizesJob } from "./sizes.ts";

/** The jobs that make the world agree with the rows; to be made once in a process, for they share a lock. */
export function createReconcilers(deps: ReconcilerDeps): Job[] {
  const shared: JobDeps = { ...deps, branches: new KeyedLock() };
  return [operationsJob(shared), removalsJob(shared), computesJob(shared), orphansJob(shared), sizesJob(shared)];
}
