import { findFreePort } from "../../endpoints/ports.ts";
import type { JobDeps } from "../deps.ts";
import { updateEndpointPortForJob } from "./store.ts";

/** Gives an endpoint another port, since somebody else keeps its own: clients must ask for the new connection string. */
export async function changePort(deps: JobDeps, endpoint_id: string): Promise<void> {
  for (;;) {
    const port = await findFreePort();
    if (!(await updateEndpointPortForJob(deps.db, endpoint_id, port))) continue;
    deps.log.event("endpoint.port_changed", { endpoint_id, port });
    return;
  }
}
