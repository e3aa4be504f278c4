import { DriverError } from "../../compute/driver.ts";
import { describeError } from "../../log.ts";
import type { JobDeps } from "../deps.ts";
import { observeContent } from "./content/observe-content.ts";

/**
 * Stops a compute, after a last look at what people have made in it: while it rests, the rows are all that is known. What
 * they do in the moment that is left is seen at its next start.
 */
export async function suspendCompute(deps: JobDeps, endpoint_id: string, branch_id: string): Promise<void> {
  try {
    await observeContent(deps, endpoint_id, branch_id);
  } catch (error) {
    // One that hangs is stopped all the same.
    if (!(error instanceof DriverError && error.code === "not_running")) {
      deps.log.event("compute.not_observed", { endpoint_id, error: describeError(error) });
    }
  }
  await deps.compute.suspend(endpoint_id, "fast");
}
