import type { ProjectAccess } from "../access/handles.ts";
import { insertDatabase } from "../databases/store.ts";
import { newAdminPassword, sealAdminPassword } from "../endpoints/admin-password.ts";
import { type ConnectionTarget, connectionUri } from "../endpoints/connection-uri.ts";
import { insertEndpoint } from "../endpoints/store.ts";
import { newBranchId, newEndpointId } from "../ids.ts";
import type { Sealer } from "../keys/seal.ts";
import { insertOperations } from "../operations/store.ts";
import { newRolePassword } from "../roles/password.ts";
import { insertRole } from "../roles/store.ts";
import { insertBranch } from "./store.ts";

export interface BranchDeps {
  readonly sealer: Sealer;
  /** The node that serves this request, and whose disk will hold what it makes. */
  readonly node_id: string;
}

export interface RootBranch {
  readonly name: string;
  /** Names that have been checked. */
  readonly role_name: string;
  readonly database_name: string;
}

/**
 * Records a project's first branch with its compute, role and database, and the operations that will make
 * them. Nothing is made here: that would be slow work under a transaction.
 */
export async function createRootBranch(access: ProjectAccess, deps: BranchDeps, wanted: RootBranch) {
  const { sealer, node_id } = deps;
  const branch_id = newBranchId();
  const endpoint_id = newEndpointId();
  const branch = await insertBranch(access, {
    id: branch_id,
    name: wanted.name,
    is_default: true,
    node_id,
    created_by: access.project.created_by,
  });
  const password = newRolePassword();
  const role = await insertRole(access, sealer, { branch_id, name: wanted.role_name, password });
  const database = await insertDatabase(access, {
    branch_id,
    name: wanted.database_name,
    owner_name: role.name,
  });
  const endpoint = await insertEndpoint(access, {
    id: endpoint_id,
    branch_id,
    admin_password: sealAdminPassword(sealer, newAdminPassword(), endpoint_id),
  });
  const operations = await insertOperations(access, [
    { action: "create_timeline", branch_id },
    { action: "start_compute", branch_id, endpoint_id },
  ]);
  const target = { host: endpoint.host, role: role.name, password: password.reveal(), database: database.name };
  return { branch, endpoints: [endpoint], roles: [role], databases: [database], operations, ...connections(target) };
}

function connections(target: ConnectionTarget) {
  // There is no pooler yet; the same host, so that a client which asks for a pooled string gets one that works.
  const connection_parameters = { ...target, pooler_host: target.host };
  return { connection_uris: [{ connection_uri: connectionUri(target), connection_parameters }] };
}
