import type { JobDeps } from "./deps.ts";
import type { Job } from "./runner.ts";
import * as store from "./store.ts";

const EVERY_MS = 3_600_000;

/**
 * Removes computes and storage that no row knows, at the start and then hourly. The machine is read first
 * and the rows after it: rows are committed before any driver is called and go only after the last call, so
 * what has no row by then never will. The server makes sure beforehand that the data directory and the
 * database belong together (`bindToInstance`): a strange database would make everything an orphan.
 */
export function orphansJob(deps: JobDeps): Job {
  const { db, compute, storage, log } = deps;
  return {
    name: "orphans",
    every_ms: EVERY_MS,
    unpokable: true,
    async run(signal) {
      const computes = await compute.list();
      const branches = await storage.list();
      const unknown_endpoints = await store.findUnknownEndpointsForJob(
        db,
        computes.map((c) => c.endpoint_id),
      );
      const unknown_branches = await store.findUnknownBranchesForJob(db, branches);
      for (const { endpoint_id, branch_id } of computes) {
        if (signal.aborted || !unknown_endpoints.has(endpoint_id)) continue;
        await deps.branches.run(branch_id, () => compute.remove(endpoint_id));
        log.event("compute.removed_orphan", { endpoint_id });
      }
      for (const branch_id of unknown_branches) {
        if (signal.aborted) return;
        await deps.branches.run(branch_id, () => storage.remove(branch_id));
        log.event("storage.removed_orphan", { branch_id });
      }
    },
  };
}
