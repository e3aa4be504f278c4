import { DriverError } from "../../compute/driver.ts";
import type { JobDeps } from "../deps.ts";
import { forEachOf } from "../for-each.ts";
import type { Job } from "../runner.ts";
import * as store from "./store.ts";

const EVERY_MS = 30_000;
const AT_ONCE = 2;
const SIZE = "select sum(pg_database_size(oid))::bigint::text as bytes from pg_database";

/** Measures the branches whose computes run. */
export function sizesJob(deps: JobDeps): Job {
  return {
    name: "sizes",
    every_ms: EVERY_MS,
    unpokable: true,
    async run(signal) {
      const computes = await store.listWantedComputesForJob(deps.db, deps.node_id);
      await forEachOf(computes, AT_ONCE, async ({ id, branch_id, current_state }) => {
        if (signal.aborted || current_state !== "active") return;
        try {
          const [row] = await deps.compute.query(id, { text: SIZE });
          const bytes = Number(row?.bytes);
          if (Number.isSafeInteger(bytes)) await store.updateLogicalSizeForJob(deps.db, branch_id, bytes);
        } catch (error) {
          // It is just being started, or has just been removed: the next round will tell.
          if (!(error instanceof DriverError)) throw error;
        }
      });
    },
  };
}
