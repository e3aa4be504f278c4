import type { getConnectionURI } from "@latchkey/contract/projects.ts";
import type { QueryOf } from "@latchkey/contract/route.ts";
import type { ProjectAccess } from "../access/handles.ts";
import { getBranch, getDefaultBranch } from "../branches/store.ts";
import { getDatabase } from "../databases/store.ts";
import { connectionUri } from "../endpoints/connection-uri.ts";
import { getEndpoint, listBranchEndpoints } from "../endpoints/store.ts";
import { ApiError } from "../errors.ts";
import type { Sealer } from "../keys/seal.ts";
import { getRolePassword } from "../roles/store.ts";

/**
 * The connection string of a role for a database: on the branch and the compute that are named, else on the
 * branch of the compute, else on the default branch. With `pooled` it is the pooler's, whether or not the compute's node has one.
 */
export async function composeConnectionUri(
  access: ProjectAccess,
  sealer: Sealer,
  query: QueryOf<typeof getConnectionURI>,
): Promise<string> {
  const endpoint = await chooseEndpoint(access, query.branch_id, query.endpoint_id);
  const { id: endpoint_id, branch_id, host } = endpoint;
  const { name: database } = await getDatabase(access, branch_id, query.database_name);
  const password = await getRolePassword(access, sealer, branch_id, query.role_name);
  const pooled = query.pooled === true ? { pooled: { endpoint_id } } : {};
  return connectionUri({ host, role: query.role_name, password: password.reveal(), database, ...pooled });
}

async function chooseEndpoint(access: ProjectAccess, branch_id: string | undefined, endpoint_id: string | undefined) {
  if (endpoint_id !== undefined) {
    const endpoint = await getEndpoint(access, endpoint_id);
    if (branch_id === undefined || endpoint.branch_id === branch_id) return endpoint;
    throw new ApiError("not_found", "the branch has no such endpoint");
  }
  const branch = branch_id === undefined ? await getDefaultBranch(access) : await getBranch(access, branch_id);
  const [endpoint] = await listBranchEndpoints(access, branch.id);
  if (!endpoint) throw new ApiError("not_found", "the branch has no endpoint");
  return endpoint;
}
