import Type from "typebox";
import { OfBranch } from "./branches.ts";
import { ResourceId } from "./common.ts";
import { contract } from "./route.ts";

/**
 * What a project, a branch or an organization has none of, since Latchkey offers no way to get one: the truth about it
 * is empty. The lists of a whole service that is not there (buckets, functions, credentials, what Neon Auth keeps) are
 * not among them, see `server/http/not-offered.ts`.
 */
const OfProject = Type.Object({ project_id: ResourceId });
const OfOrganization = Type.Object({ org_id: ResourceId });
const Nothing = Type.Array(Type.Object({}), {
  maxItems: 0,
  description: "Always empty: Latchkey does not offer them.",
});

export const listProjectPermissions = contract({
  id: "listProjectPermissions",
  method: "GET",
  path: "/projects/{project_id}/permissions",
  tag: "Projects",
  summary: "With whom a project is shared beyond its organization: nobody",
  params: OfProject,
  status: 200,
  response: Type.Object({ project_permissions: Nothing }),
});

export const getProjectJWKS = contract({
  id: "getProjectJWKS",
  method: "GET",
  path: "/projects/{project_id}/jwks",
  tag: "Projects",
  summary: "The key sets whose tokens a project takes: none",
  params: OfProject,
  status: 200,
  response: Type.Object({ jwks: Nothing }),
});

export const listProjectVPCEndpoints = contract({
  id: "listProjectVPCEndpoints",
  method: "GET",
  path: "/projects/{project_id}/vpc_endpoints",
  tag: "Projects",
  summary: "The VPC endpoints that a project is restricted to: none",
  params: OfProject,
  status: 200,
  response: Type.Object({ endpoints: Nothing }),
});

export const listNeonAuthIntegrations = contract({
  id: "listNeonAuthIntegrations",
  method: "GET",
  path: "/projects/{project_id}/auth/integrations",
  tag: "Projects",
  summary: "The authentication services that a project is integrated with: none",
  params: OfProject,
  status: 200,
  response: Type.Object({ data: Nothing }),
});

export const listSnapshots = contract({
  id: "listSnapshots",
  method: "GET",
  path: "/projects/{project_id}/snapshots",
  tag: "Projects",
  summary: "The snapshots of a project: none",
  params: OfProject,
  status: 200,
  response: Type.Object({ snapshots: Nothing }),
});

export const getSnapshotSchedule = contract({
  id: "getSnapshotSchedule",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/backup_schedule",
  tag: "Branches",
  summary: "When snapshots of a branch are taken: never",
  params: OfBranch,
  status: 200,
  response: Type.Object({ schedule: Nothing }),
});

export const getMaskingRules = contract({
  id: "getMaskingRules",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/masking_rules",
  tag: "Branches",
  summary: "The rules by which a branch's data are masked: none",
  params: OfBranch,
  status: 200,
  response: Type.Object({ masking_rules: Nothing }),
});

export const listOrganizationVPCEndpointsAllRegions = contract({
  id: "listOrganizationVPCEndpointsAllRegions",
  method: "GET",
  path: "/organizations/{org_id}/vpc/vpc_endpoints",
  tag: "Organizations",
  summary: "The VPC endpoints of an organization: none",
  params: OfOrganization,
  status: 200,
  response: Type.Object({ endpoints: Nothing }),
});

export const listOrganizationVPCEndpoints = contract({
  id: "listOrganizationVPCEndpoints",
  method: "GET",
  path: "/organizations/{org_id}/vpc/region/{region_id}/vpc_endpoints",
  tag: "Organizations",
  summary: "The VPC endpoints of an organization in a region: none",
  params: Type.Object({ org_id: ResourceId, region_id: Type.String({ minLength: 1, maxLength: 60 }) }),
  status: 200,
  response: Type.Object({ endpoints: Nothing }),
});

export const getOrganizationSpendingLimit = contract({
  id: "getOrganizationSpendingLimit",
  method: "GET",
  path: "/organizations/{org_id}/billing/spending_limit",
  tag: "Organizations",
  summary: "The spending limit of an organization: none is set, as nothing is charged",
  params: OfOrganization,
  status: 200,
  response: Type.Object({ spending_limit_cents: Type.Null() }),
});
