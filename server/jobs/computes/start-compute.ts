import type { EnsuredCompute } from "../../compute/driver.ts";
import { maxConnectionsOf } from "../../compute/size.ts";
import { openAdminPassword } from "../../endpoints/admin-password.ts";
import type { Sealer } from "../../keys/seal.ts";
import type { Secret } from "../../keys/secret.ts";
import type { JobDeps } from "../deps.ts";
import type { ComputeRow } from "./store.ts";

/** Each compute has a socket directory of its own, so the number in the socket's name may be the same for all. */
export const SOCKET_PORT = 5432;

/** Makes a compute run as its row says, on its unix socket alone: clients come through the gateway. */
export async function startCompute(deps: JobDeps, compute: ComputeRow): Promise<EnsuredCompute> {
  const { id, storage_id, settings, size_cu } = compute;
  const admin_password = adminPasswordOf(deps.sealer, compute).reveal();
  return await deps.compute.ensureRunning(id, {
    branch_id: storage_id,
    port: SOCKET_PORT,
    tcp: false,
    max_connections: maxConnectionsOf(size_cu),
    size_cu,
    settings,
    admin_password,
  });
}

export function adminPasswordOf(
  sealer: Sealer,
  { admin_password, admin_password_of }: { readonly admin_password: Buffer; readonly admin_password_of: string },
): Secret {
  return openAdminPassword(sealer, admin_password, admin_password_of);
}
