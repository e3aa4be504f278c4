import * as contract from "@latchkey/contract/roles.ts";
import type { ProjectAccess } from "../access/handles.ts";
import { ApiError } from "../errors.ts";
import type { Sealer } from "../keys/seal.ts";
import { holdBranch, recordContentChange } from "../operations/store.ts";
import { type AuditSubject, type Route, route } from "../route.ts";
import { checkRoleName } from "./names.ts";
import { newRolePassword } from "./password.ts";
import {
  getRole,
  getRolePassword,
  insertRole,
  listDatabasesOwnedBy,
  listRoles,
  markRoleDeleted,
  updateRolePassword,
} from "./store.ts";

export interface RoleDeps {
  readonly sealer: Sealer;
}

export function roleRoutes({ sealer }: RoleDeps): Route[] {
  return [
    route(contract.listProjectBranchRoles, {
      requires: { on: "project", action: "role.read" },
      run: async (access, { params }) => ({ roles: await listRoles(access, params.branch_id) }),
    }),
    route(contract.createProjectBranchRole, {
      requires: { on: "project", action: "role.create" },
      run: async (access, { params: { branch_id }, body: { role } }) => {
        checkRoleName(role.name, "name");
        await holdBranch(access, branch_id);
        const password = role.no_login === true ? {} : { password: newRolePassword() };
        const operations = await recordContentChange(access, branch_id);
        return { role: await insertRole(access, sealer, { branch_id, name: role.name, ...password }), operations };
      },
      audit: aboutRole,
    }),
    route(contract.getProjectBranchRole, {
      requires: { on: "project", action: "role.read" },
      run: async (access, { params }) => ({ role: await getRole(access, params.branch_id, params.role_name) }),
    }),
    route(contract.deleteProjectBranchRole, {
      requires: { on: "project", action: "role.delete" },
      run: async (access, { params: { branch_id, role_name } }) => {
        await holdBranch(access, branch_id);
        const role = await getRole(access, branch_id, role_name);
        await refuseOwner(access, branch_id, role_name);
        const operations = await recordContentChange(access, branch_id);
        await markRoleDeleted(access, branch_id, role_name);
        return { role, operations };
      },
      audit: aboutRole,
    }),
    route(contract.getProjectBranchRolePassword, {
      requires: { on: "project", action: "role.reveal_password" },
      run: async (access, { params }) => {
        const password = await getRolePassword(access, sealer, params.branch_id, params.role_name);
        return { password: password.reveal() };
      },
    }),
    route(contract.resetProjectBranchRolePassword, {
      requires: { on: "project", action: "role.reset_password" },
      run: async (access, { params: { branch_id, role_name: name } }) => {
        await holdBranch(access, branch_id);
        const { authentication_method } = await getRole(access, branch_id, name);
        if (authentication_method === "no_login") throw new ApiError("unprocessable", "the role cannot log in");
        const operations = await recordContentChange(access, branch_id);
        const role = await updateRolePassword(access, sealer, { branch_id, name, password: newRolePassword() });
        return { role, operations };
      },
      audit: aboutRole,
    }),
  ];
}

/** A database must have an owner; whose it becomes is not ours to choose. */
async function refuseOwner(access: ProjectAccess, branch_id: string, name: string): Promise<void> {
  const owned = await listDatabasesOwnedBy(access, branch_id, name);
  if (owned.length === 0) return;
  const [noun, them] = owned.length === 1 ? ["database", "it"] : ["databases", "them"];
  const names = owned.map((database) => JSON.stringify(database)).join(", ");
  throw new ApiError("unprocessable", `the role owns the ${noun} ${names}; delete ${them}, or choose another owner`);
}

interface About {
  readonly params: { readonly project_id: string; readonly branch_id: string };
}

function aboutRole({ params }: About, { role }: { role: contract.Role }): AuditSubject {
  return { subject: `role:${params.branch_id}/${encodeURIComponent(role.name)}`, project_id: params.project_id };
}
