import { newUuid } from "../../ids.ts";
import type { JobDeps } from "../deps.ts";
import type { Job } from "../runner.ts";
import { expireBranchForJob, listExpiredBranchesForJob } from "./store.ts";

const EVERY_MS = 15_000;

/** Deletes branches whose time has come. What keeps one (a child, work in progress) only puts it off. */
export function expiryJob(deps: JobDeps): Job {
  return {
    name: "expiry",
    every_ms: EVERY_MS,
    unpokable: true,
    async run(signal) {
      for (const { id: branch_id, project_id } of await listExpiredBranchesForJob(deps.db, deps.node_id)) {
        if (signal.aborted) return;
        const expired = await deps.db.transaction().execute((tx) => expireBranchForJob(tx, branch_id, newUuid()));
        if (!expired) continue;
        deps.log.event("branch.expired", { branch_id, project_id });
      }
    },
  };
}
