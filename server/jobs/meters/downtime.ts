import type { ReconcilerDeps } from "../deps.ts";
import { skipUncountedExceptForJob } from "./store.ts";

/**
 * Leaves out the time in which nothing ran: by the rows, computes ran on that were stopped with the server, or with the
 * machine. To be called at the start, before anything may start a compute or count it. Those that a killed server has left
 * running are counted on.
 */
export async function skipDowntime({ db, compute, node_id }: ReconcilerDeps): Promise<void> {
  const running = (await compute.list()).filter(({ state }) => state === "running");
  await skipUncountedExceptForJob(
    db,
    node_id,
    running.map(({ endpoint_id }) => endpoint_id),
  );
}
