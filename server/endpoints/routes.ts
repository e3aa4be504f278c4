import * as contract from "@latchkey/contract/endpoints.ts";
import { type AuditSubject, type Route, route } from "../route.ts";
import {
  changeEndpoint,
  createEndpoint,
  deleteEndpoint,
  restartEndpoint,
  startEndpoint,
  suspendEndpoint,
} from "./rules.ts";
import type { Offered } from "./settings.ts";
import { getEndpoint, listBranchEndpoints, listEndpoints } from "./store.ts";

export function endpointRoutes(offered: Offered): Route[] {
  return [
    route(contract.listProjectEndpoints, {
      requires: { on: "project", action: "endpoint.read" },
      run: async (access) => ({ endpoints: await listEndpoints(access) }),
    }),
    route(contract.createProjectEndpoint, {
      requires: { on: "project", action: "endpoint.create" },
      run: (access, { body }) => createEndpoint(access, offered, body.endpoint),
      audit: aboutEndpoint,
    }),
    route(contract.listProjectBranchEndpoints, {
      requires: { on: "project", action: "endpoint.read" },
      run: async (access, { params }) => ({ endpoints: await listBranchEndpoints(access, params.branch_id) }),
    }),
    route(contract.getProjectEndpoint, {
      requires: { on: "project", action: "endpoint.read" },
      run: async (access, { params }) => ({ endpoint: await getEndpoint(access, params.endpoint_id) }),
    }),
    route(contract.updateProjectEndpoint, {
      requires: { on: "project", action: "endpoint.update" },
      run: (access, { params, body }) => changeEndpoint(access, offered, params.endpoint_id, body.endpoint),
      audit: aboutEndpoint,
    }),
    route(contract.deleteProjectEndpoint, {
      requires: { on: "project", action: "endpoint.delete" },
      run: (access, { params }) => deleteEndpoint(access, params.endpoint_id),
      audit: aboutEndpoint,
    }),
    route(contract.startProjectEndpoint, {
      requires: { on: "project", action: "endpoint.start" },
      run: (access, { params }) => startEndpoint(access, params.endpoint_id),
      audit: aboutEndpoint,
    }),
    route(contract.suspendProjectEndpoint, {
      requires: { on: "project", action: "endpoint.suspend" },
      run: (access, { params }) => suspendEndpoint(access, params.endpoint_id),
      audit: aboutEndpoint,
    }),
    route(contract.restartProjectEndpoint, {
      requires: { on: "project", action: "endpoint.restart" },
      run: (access, { params }) => restartEndpoint(access, params.endpoint_id),
      audit: aboutEndpoint,
    }),
  ];
}

function aboutEndpoint(_: unknown, { endpoint }: { endpoint: contract.Endpoint }): AuditSubject {
  return { subject: `endpoint:${endpoint.id}`, project_id: endpoint.project_id };
}
