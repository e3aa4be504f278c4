import { findBranchOfStorageForJob, findUnknownEndpointsForJob, findUnknownStorageForJob } from "./branches/store.ts";
import type { JobDeps } from "./deps.ts";
import type { Job } from "./runner.ts";

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
      const stored = await storage.list();
      const unknown_endpoints = await findUnknownEndpointsForJob(
        db,
        computes.map((c) => c.endpoint_id),
      );
      const unknown_storage = await findUnknownStorageForJob(db, stored);
      for (const { endpoint_id, branch_id } of computes) {
        if (signal.aborted || !unknown_endpoints.has(endpoint_id)) continue;
        // Some that no row knows are in use for a moment, with the lock of their branch (`branches/private-computes.ts`).
        const held = (await findBranchOfStorageForJob(db, branch_id)) ?? branch_id;
        await deps.branches.run(held, () => compute.remove(endpoint_id));
        log.event("compute.removed_orphan", { endpoint_id });
      }
      for (const storage_id of unknown_storage) {
        if (signal.aborted) return;
        await storage.remove(storage_id);
        log.event("storage.removed_orphan", { storage_id });
      }
    },
  };
}
