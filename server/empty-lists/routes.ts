import * as contract from "@latchkey/contract/empty-lists.ts";
import { getBranch } from "../branches/store.ts";
import { type Route, route } from "../route.ts";

/** What there is none of is empty for those who may ask; for everybody else it is refused like all that there is. */
export function emptyListRoutes(): Route[] {
  const ofProject = { on: "project", action: "project.read" } as const;
  const ofBranch = { on: "project", action: "branch.read" } as const;
  const ofOrganization = { on: "organization", action: "organization.read" } as const;
  return [
    route(contract.listProjectPermissions, { requires: ofProject, run: () => ({ project_permissions: [] }) }),
    route(contract.getProjectJWKS, { requires: ofProject, run: () => ({ jwks: [] }) }),
    route(contract.listProjectVPCEndpoints, { requires: ofProject, run: () => ({ endpoints: [] }) }),
    route(contract.listNeonAuthIntegrations, { requires: ofProject, run: () => ({ data: [] }) }),
    route(contract.listSnapshots, { requires: ofProject, run: () => ({ snapshots: [] }) }),
    route(contract.getSnapshotSchedule, {
      requires: ofBranch,
      run: async (access, { params }) => {
        await getBranch(access, params.branch_id);
        return { schedule: [] };
      },
    }),
    route(contract.getMaskingRules, {
      requires: ofBranch,
      run: async (access, { params }) => {
        await getBranch(access, params.branch_id);
        return { masking_rules: [] };
      },
    }),
    route(contract.listOrganizationVPCEndpointsAllRegions, {
      requires: ofOrganization,
      run: () => ({ endpoints: [] }),
    }),
    route(contract.listOrganizationVPCEndpoints, { requires: ofOrganization, run: () => ({ endpoints: [] }) }),
    route(contract.getOrganizationSpendingLimit, {
      requires: ofOrganization,
      run: () => ({ spending_limit_cents: null }),
    }),
  ];
}
