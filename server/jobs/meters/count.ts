import { DriverError } from "../../compute/driver.ts";
import type { JobDeps } from "../deps.ts";
import { countForJob, type Reading } from "./store.ts";

const LOG_AND_SIZE = `select (select wal_bytes from pg_stat_wal)::text as wal_bytes,
  (select sum(pg_database_size(oid))::bigint::text from pg_database) as bytes`;

export interface CountedCompute {
  readonly id: string;
  readonly branch_id: string;
  readonly storage_id: string;
}

/** Counts what a compute has used until now: from time to time, and before it is stopped. */
export async function countCompute(deps: JobDeps, compute: CountedCompute): Promise<void> {
  // One at a time: an older reading that is written down after a newer one looks as if all had begun anew.
  await deps.counts.run(compute.id, async () => {
    const reading = await read(deps, compute);
    await deps.db.transaction().execute((tx) => countForJob(tx, compute.id, compute.branch_id, reading));
  });
}

async function read({ compute: driver }: JobDeps, { id, storage_id }: CountedCompute): Promise<Reading> {
  try {
    const usage = await driver.usage(id);
    const [row] = await driver.query(id, { text: LOG_AND_SIZE });
    const log = { storage_id, wal_bytes: Number(row?.wal_bytes), logical_bytes: Number(row?.bytes) };
    return { ...(usage === undefined ? {} : { cpu: { process: usage.process, seconds: usage.cpu_seconds } }), log };
  } catch (error) {
    // It is just being started, has ended, or takes no more sessions: its time is counted all the same.
    if (error instanceof DriverError || isRefusal(error)) return {};
    throw error;
  }
}

const isRefusal = (error: unknown) => error instanceof Error && "code" in error;
