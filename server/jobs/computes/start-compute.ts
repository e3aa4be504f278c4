import { type ComputeAddress, DriverError } from "../../compute/driver.ts";
import { openAdminPassword } from "../../endpoints/admin-password.ts";
import { findFreePort } from "../../endpoints/ports.ts";
import type { JobDeps } from "../deps.ts";
import { type ComputeRow, updateEndpointPortForJob } from "./store.ts";

const MAX_CONNECTIONS = 100;
const PORT_ATTEMPTS = 5;

/**
 * Makes a compute run as its row says. Where somebody else has taken its port in the meantime it gets
 * another one, and clients must ask for the new connection string.
 */
export async function startCompute(deps: JobDeps, compute: ComputeRow): Promise<ComputeAddress> {
  const { id, storage_id, host, settings } = compute;
  const admin_password = openAdminPassword(deps.sealer, compute.admin_password, compute.admin_password_of).reveal();
  let { port } = compute;
  for (let attempt = 1; ; attempt++) {
    try {
      const spec = { branch_id: storage_id, host, port, max_connections: MAX_CONNECTIONS, settings, admin_password };
      return await deps.compute.ensureRunning(id, spec);
    } catch (error) {
      const taken = error instanceof DriverError && error.code === "port_taken";
      if (!taken || attempt >= PORT_ATTEMPTS) throw error;
      port = await changePort(deps, id);
    }
  }
}

async function changePort(deps: JobDeps, endpoint_id: string): Promise<number> {
  for (;;) {
    const port = await findFreePort();
    if (!(await updateEndpointPortForJob(deps.db, endpoint_id, port))) continue;
    deps.log.event("endpoint.port_changed", { endpoint_id, port });
    return port;
  }
}
