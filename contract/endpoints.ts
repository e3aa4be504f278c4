import Type, { type Static } from "typebox";
import { OfBranch } from "./branches.ts";
import { OneOf, ResourceId, Timestamp } from "./common.ts";
import { contract } from "./route.ts";

const tag = "Endpoints";

export const EndpointState = OneOf("init", "active", "idle");
export type EndpointState = Static<typeof EndpointState>;

/** A compute's address. `host` may carry a port (`127.0.0.1:55432`), which Neon's clients keep. */
export const Endpoint = Type.Object({
  id: Type.String(),
  host: Type.String(),
  project_id: Type.String(),
  branch_id: Type.String(),
  autoscaling_limit_min_cu: Type.Number(),
  autoscaling_limit_max_cu: Type.Number(),
  region_id: Type.String(),
  type: OneOf("read_write"),
  current_state: EndpointState,
  pending_state: Type.Optional(EndpointState),
  settings: Type.Object({ pg_settings: Type.Record(Type.String(), Type.String()) }),
  pooler_enabled: Type.Boolean(),
  pooler_mode: OneOf("transaction"),
  disabled: Type.Boolean(),
  passwordless_access: Type.Boolean(),
  last_active: Type.Optional(Timestamp),
  creation_source: Type.String(),
  created_at: Timestamp,
  updated_at: Timestamp,
  started_at: Type.Optional(Timestamp),
  proxy_host: Type.String(),
  suspend_timeout_seconds: Type.Integer({ description: "-1: this compute is never suspended." }),
  provisioner: Type.String(),
});
export type Endpoint = Static<typeof Endpoint>;

const Endpoints = Type.Object({ endpoints: Type.Array(Endpoint) });

export const listProjectEndpoints = contract({
  id: "listProjectEndpoints",
  method: "GET",
  path: "/projects/{project_id}/endpoints",
  tag,
  summary: "The computes of a project",
  params: Type.Object({ project_id: ResourceId }),
  status: 200,
  response: Endpoints,
});

export const listProjectBranchEndpoints = contract({
  id: "listProjectBranchEndpoints",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/endpoints",
  tag,
  summary: "The computes of a branch",
  params: OfBranch,
  status: 200,
  response: Endpoints,
});

export const getProjectEndpoint = contract({
  id: "getProjectEndpoint",
  method: "GET",
  path: "/projects/{project_id}/endpoints/{endpoint_id}",
  tag,
  summary: "One compute",
  params: Type.Object({ project_id: ResourceId, endpoint_id: ResourceId }),
  status: 200,
  response: Type.Object({ endpoint: Endpoint }),
});
