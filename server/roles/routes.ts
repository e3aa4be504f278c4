import {
  getProjectBranchRole,
  getProjectBranchRolePassword,
  listProjectBranchRoles,
} from "@latchkey/contract/roles.ts";
import type { Sealer } from "../keys/seal.ts";
import { type Route, route } from "../route.ts";
import { getRole, getRolePassword, listRoles } from "./store.ts";

export interface RoleDeps {
  readonly sealer: Sealer;
}

export function roleRoutes({ sealer }: RoleDeps): Route[] {
  return [
    route(listProjectBranchRoles, {
      requires: { on: "project", action: "role.read" },
      run: async (access, { params }) => ({ roles: await listRoles(access, params.branch_id) }),
    }),
    route(getProjectBranchRole, {
      requires: { on: "project", action: "role.read" },
      run: async (access, { params }) => ({ role: await getRole(access, params.branch_id, params.role_name) }),
    }),
    route(getProjectBranchRolePassword, {
      requires: { on: "project", action: "role.reveal_password" },
      run: async (access, { params }) => {
        const password = await getRolePassword(access, sealer, params.branch_id, params.role_name);
        return { password: password.reveal() };
      },
    }),
  ];
}
