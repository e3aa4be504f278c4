import { getProjectEndpoint, listProjectBranchEndpoints, listProjectEndpoints } from "@latchkey/contract/endpoints.ts";
import { type Route, route } from "../route.ts";
import { getEndpoint, listBranchEndpoints, listEndpoints } from "./store.ts";

export function endpointRoutes(): Route[] {
  return [
    route(listProjectEndpoints, {
      requires: { on: "project", action: "endpoint.read" },
      run: async (access) => ({ endpoints: await listEndpoints(access) }),
    }),
    route(listProjectBranchEndpoints, {
      requires: { on: "project", action: "endpoint.read" },
      run: async (access, { params }) => ({ endpoints: await listBranchEndpoints(access, params.branch_id) }),
    }),
    route(getProjectEndpoint, {
      requires: { on: "project", action: "endpoint.read" },
      run: async (access, { params }) => ({ endpoint: await getEndpoint(access, params.endpoint_id) }),
    }),
  ];
}
