import type { AnnotationValue } from "@latchkey/contract/annotations.ts";
import type { createProjectBranch } from "@latchkey/contract/branch-creation.ts";
import type { Branch } from "@latchkey/contract/branches.ts";
import type { Endpoint } from "@latchkey/contract/endpoints.ts";
import type { Role } from "@latchkey/contract/roles.ts";
import type { BodyOf } from "@latchkey/contract/route.ts";
import type { ProjectAccess } from "../access/handles.ts";
import { copyDatabases, insertDatabase } from "../databases/store.ts";
import { newAdminPassword, sealAdminPassword } from "../endpoints/admin-password.ts";
import { connectionUri, poolerHost } from "../endpoints/connection-uri.ts";
import { chooseCompute, type Offered } from "../endpoints/settings.ts";
import { insertEndpoint } from "../endpoints/store.ts";
import { newBranchId, newEndpointId } from "../ids.ts";
import type { Sealer } from "../keys/seal.ts";
import { holdBranch, insertOperations, shareBranch } from "../operations/store.ts";
import { newRolePassword } from "../roles/password.ts";
import { copyRoles, insertRole } from "../roles/store.ts";
import { insertAnnotation } from "./annotations/store.ts";
import { checkExpiry } from "./rules.ts";
import { getBranch, getDataFor, getDefaultBranch, insertBranch, insertChild, type NewChild } from "./store.ts";

export interface BranchDeps extends Offered {
  readonly sealer: Sealer;
  /** The node that serves this request. */
  readonly node_id: string;
}

export interface RootBranch {
  readonly name: string;
  /** The node whose disk will hold it, and everything that is made of it. */
  readonly node_id: string;
  /** Names that have been checked. */
  readonly role_name: string;
  readonly database_name: string;
  readonly annotations?: AnnotationValue | undefined;
}

/**
 * Records a project's first branch with its compute, role and database, and the operations that will make
 * them. Nothing is made here: that would be slow work under a transaction.
 */
export async function createRootBranch(access: ProjectAccess, deps: BranchDeps, wanted: RootBranch) {
  const { sealer } = deps;
  const branch_id = newBranchId();
  const endpoint_id = newEndpointId();
  const branch = await insertBranch(access, {
    id: branch_id,
    name: wanted.name,
    is_default: true,
    node_id: wanted.node_id,
    created_by: access.project.created_by,
    admin_password: sealAdminPassword(sealer, newAdminPassword(), branch_id),
  });
  await insertAnnotation(access, branch_id, wanted.annotations);
  const password = newRolePassword();
  const role = await insertRole(access, sealer, { branch_id, name: wanted.role_name, password });
  const database = await insertDatabase(access, {
    branch_id,
    name: wanted.database_name,
    owner_name: role.name,
  });
  const chosen = await chooseCompute(access, deps, branch_id, {});
  const endpoint = await insertEndpoint(access, { id: endpoint_id, branch_id, ...chosen });
  const operations = await insertOperations(access, [
    { action: "create_timeline", branch_id },
    { action: "start_compute", branch_id, endpoint_id },
  ]);
  const connection_uris = [connectionOf(endpoint, role, database.name)];
  return { branch, endpoints: [endpoint], roles: [role], databases: [database], operations, connection_uris };
}

/**
 * Records a branch of a branch, or a root with only its schema, with its roles and databases, and the operations that
 * will make it. Passwords are the same, unless the other branch is protected: then they are new.
 */
export async function createChildBranch(
  access: ProjectAccess,
  deps: BranchDeps,
  { branch: wanted = {}, endpoints: computes = [], annotation_value }: NonNullable<BodyOf<typeof createProjectBranch>>,
) {
  const parent_id = wanted.parent_id || (await getDefaultBranch(access)).id;
  const schema_only = wanted.init_source === "schema-only";
  // Its schema must be what its rows say: a role or database that is just being changed would be made twice.
  if (schema_only) await holdBranch(access, parent_id);
  await shareBranch(access, parent_id);
  const id = newBranchId();
  const { expires_at = null } = wanted;
  await checkExpiry(access, { expires_at, protected: wanted.protected === true, is_default: false });
  const { principal } = access;
  const common = {
    ...{ id, name: wanted.name ?? id, protected: wanted.protected ?? false, expires_at },
    created_by: principal.kind === "person" ? principal.user_id : null,
  };
  const branch = schema_only
    ? await insertSchemaOnly(access, deps, { ...common, parent_id })
    : await insertChild(access, { ...common, parent_id });
  await insertAnnotation(access, id, annotation_value);
  const as = schema_only ? "schema_only" : "same_data";
  const passwords = (await getBranch(access, parent_id)).protected ? "new" : "same";
  const roles = await copyRoles(access, deps.sealer, parent_id, id, { as, passwords });
  const databases = await copyDatabases(access, parent_id, id, as);
  const endpoints: Endpoint[] = [];
  for (const wish of computes) {
    const chosen = await chooseCompute(access, deps, id, wish);
    endpoints.push(await insertEndpoint(access, { id: newEndpointId(), branch_id: id, ...chosen }));
  }
  const operations = await insertOperations(access, [
    { action: "create_timeline", branch_id: id },
    ...endpoints.map((endpoint) => ({ action: "start_compute" as const, branch_id: id, endpoint_id: endpoint.id })),
  ]);
  const [[role, ...otherRoles], [database, ...otherDatabases], [endpoint]] = [roles, databases, endpoints];
  const sole = otherRoles.length === 0 && otherDatabases.length === 0 && role?.password !== undefined;
  const connection =
    endpoint && role && database && sole ? { connection_uris: [connectionOf(endpoint, role, database.name)] } : {};
  return { branch, endpoints, operations, roles: roles.map(withoutPassword), databases, ...connection };
}

async function insertSchemaOnly(access: ProjectAccess, { sealer }: BranchDeps, child: NewChild): Promise<Branch> {
  const { parent_id, ...common } = child;
  const { node_id, ...revisions } = await getDataFor(access, parent_id);
  return await insertBranch(access, {
    ...{ ...common, node_id, revisions },
    is_default: false,
    admin_password: sealAdminPassword(sealer, newAdminPassword(), child.id),
    schema_of: parent_id,
  });
}

function withoutPassword({ password: _, ...role }: Role): Role {
  return role;
}

function connectionOf({ id, host }: Endpoint, { name: role, password = "" }: Role, database: string) {
  const target = { host, role, password, database };
  const connection_parameters = { ...target, pooler_host: poolerHost(host, id) };
  return { connection_uri: connectionUri(target), connection_parameters };
}
