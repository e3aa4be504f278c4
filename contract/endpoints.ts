import Type, { type Static } from "typebox";
import { OfBranch } from "./branches.ts";
import { Body, NOT_OFFERED, OneOf, PRINTABLE, ResourceId, Timestamp } from "./common.ts";
import { AutoscalingLimits } from "./compute-size.ts";
import { Operation } from "./operations.ts";
import { contract } from "./route.ts";

const tag = "Endpoints";

export const EndpointState = OneOf("init", "active", "idle");
export type EndpointState = Static<typeof EndpointState>;

export const SuspendReason = Type.Enum(["request", "idle", "quota", "disabled"], {
  description:
    "Why a compute rests: somebody asked for it, nobody used it, its project has used up a quota, or it is disabled.",
});
export type SuspendReason = Static<typeof SuspendReason>;

/** A compute's address. `host` may carry a port (`127.0.0.1:55432`), which Neon's clients keep. */
export const Endpoint = Type.Object({
  id: Type.String(),
  name: Type.Optional(Type.String()),
  host: Type.String(),
  project_id: Type.String(),
  branch_id: Type.String(),
  autoscaling_limit_min_cu: Type.Number(),
  autoscaling_limit_max_cu: Type.Number(),
  region_id: Type.String(),
  type: OneOf("read_write"),
  current_state: EndpointState,
  pending_state: Type.Optional(EndpointState),
  unreachable_since: Type.Optional(
    Type.Unsafe<string>({
      ...Timestamp,
      description:
        "Only while the node that has the compute's data is lost: when that was last heard from. What else is told of the compute is as of then, and no other node can start it.",
    }),
  ),
  settings: Type.Object({ pg_settings: Type.Record(Type.String(), Type.String()) }),
  pooler_enabled: Type.Boolean({
    description: "Whether its node has a pooler, which the host with `-pooler` leads to.",
  }),
  pooler_mode: OneOf("transaction"),
  disabled: Type.Boolean(),
  passwordless_access: Type.Boolean(),
  last_active: Type.Optional(Timestamp),
  creation_source: Type.String(),
  created_at: Timestamp,
  updated_at: Timestamp,
  started_at: Type.Optional(Timestamp),
  suspended_at: Type.Optional(Timestamp),
  suspend_reason: Type.Optional(SuspendReason),
  last_failure: Type.Optional(
    Type.Object(
      {
        at: Timestamp,
        reason: Type.String(),
        failures_count: Type.Integer({
          description: "Failures in a row, with less than two minutes of running well in between.",
        }),
        retry_at: Type.Optional(
          Type.Unsafe<string>({ ...Timestamp, description: "While it is down: when it is started again." }),
        ),
      },
      { description: "When and why the compute last ended by itself or did not start. Absent: it never has." },
    ),
  ),
  proxy_host: Type.String(),
  suspend_timeout_seconds: Type.Integer({
    description: "After so many seconds of not being used the compute is suspended; 0: after 300, -1: never.",
  }),
  provisioner: Type.String(),
});
export type Endpoint = Static<typeof Endpoint>;

/** PostgreSQL's settings by name; which may be chosen depends on the driver, and others are refused by name. */
const Settings = Body(
  { pg_settings: Type.Optional(Type.Record(Type.String(), Type.String({ maxLength: 1024 }))) },
  { not_offered: ["pgbouncer_settings", "preload_libraries"] },
);
const SuspendTimeout = Type.Integer({
  minimum: -1,
  maximum: 604_800,
  description:
    "Seconds without a query or an open transaction after which the compute is suspended; 0: 300, -1: never.",
});

/** What runs computes here. */
export const PROVISIONER = "local";

/** What a new compute may be given. */
const Options = {
  type: Type.Literal("read_write", {
    description: "Read-only computes are not offered.",
    [NOT_OFFERED]: ["read_only"],
  }),
  settings: Type.Optional(Settings),
  ...AutoscalingLimits,
  provisioner: Type.Optional(Type.Literal(PROVISIONER)),
  suspend_timeout_seconds: Type.Optional(SuspendTimeout),
};

/** What an endpoint tells that cannot be chosen. Clients that send back what they have read may name it. */
const Fixed = {
  pooler_enabled: Type.Optional(Type.Boolean({ description: "As the endpoint tells it, if at all." })),
  pooler_mode: Type.Optional(Type.Literal("transaction")),
  passwordless_access: Type.Optional(Type.Literal(false)),
};
export const EndpointOptions = Body(Options);
export type EndpointOptions = Static<typeof EndpointOptions>;
export const DefaultEndpointSettings = Body({
  pg_settings: Settings.properties.pg_settings,
  ...AutoscalingLimits,
  suspend_timeout_seconds: Type.Optional(SuspendTimeout),
});
export type DefaultEndpointSettings = Static<typeof DefaultEndpointSettings>;

const EndpointName = Type.String({ minLength: 1, maxLength: 64, pattern: PRINTABLE });
const OfProject = Type.Object({ project_id: ResourceId });
const OfEndpoint = Type.Object({ project_id: ResourceId, endpoint_id: ResourceId });
const EndpointWithOperations = Type.Object({ endpoint: Endpoint, operations: Type.Array(Operation) });
const Endpoints = Type.Object({ endpoints: Type.Array(Endpoint) });

export const listProjectEndpoints = contract({
  id: "listProjectEndpoints",
  method: "GET",
  path: "/projects/{project_id}/endpoints",
  tag,
  summary: "The computes of a project",
  params: OfProject,
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
  params: OfEndpoint,
  status: 200,
  response: Type.Object({ endpoint: Endpoint }),
});

export const createProjectEndpoint = contract({
  id: "createProjectEndpoint",
  method: "POST",
  path: "/projects/{project_id}/endpoints",
  tag,
  summary: "Give a branch a compute",
  description: "A branch has one at most.",
  params: OfProject,
  body: Body({
    endpoint: Body({
      ...Options,
      ...Fixed,
      branch_id: ResourceId,
      name: Type.Optional(EndpointName),
      region_id: Type.Optional(Type.String({ maxLength: 60, description: "The project's, if at all." })),
      disabled: Type.Optional(Type.Boolean()),
    }),
  }),
  status: 201,
  response: EndpointWithOperations,
});

export const updateProjectEndpoint = contract({
  id: "updateProjectEndpoint",
  method: "PATCH",
  path: "/projects/{project_id}/endpoints/{endpoint_id}",
  tag,
  summary: "Rename a compute, disable it, or change its size, its settings or when it is suspended",
  description:
    "Settings replace those that were chosen before. They restart the compute, and so does another `autoscaling_limit_max_cu`.",
  params: OfEndpoint,
  body: Body({
    endpoint: Body({
      ...Fixed,
      branch_id: Type.Optional(
        Type.String({ maxLength: 60, description: "As the endpoint tells it, if at all: computes do not move." }),
      ),
      name: Type.Optional(EndpointName),
      settings: Options.settings,
      ...AutoscalingLimits,
      provisioner: Options.provisioner,
      disabled: Type.Optional(Type.Boolean()),
      suspend_timeout_seconds: Options.suspend_timeout_seconds,
    }),
  }),
  status: 200,
  response: EndpointWithOperations,
});

export const deleteProjectEndpoint = contract({
  id: "deleteProjectEndpoint",
  method: "DELETE",
  path: "/projects/{project_id}/endpoints/{endpoint_id}",
  tag,
  summary: "Delete a compute; the branch keeps its data",
  description: "Refused while the branch is protected.",
  params: OfEndpoint,
  status: 200,
  response: EndpointWithOperations,
});

export const startProjectEndpoint = contract({
  id: "startProjectEndpoint",
  method: "POST",
  path: "/projects/{project_id}/endpoints/{endpoint_id}/start",
  tag,
  summary: "Start a compute",
  params: OfEndpoint,
  status: 200,
  response: EndpointWithOperations,
});

export const suspendProjectEndpoint = contract({
  id: "suspendProjectEndpoint",
  method: "POST",
  path: "/projects/{project_id}/endpoints/{endpoint_id}/suspend",
  tag,
  summary: "Stop a compute until it is started again",
  description: "A client that connects starts it; to keep clients out, disable it.",
  params: OfEndpoint,
  status: 200,
  response: EndpointWithOperations,
});

export const restartProjectEndpoint = contract({
  id: "restartProjectEndpoint",
  method: "POST",
  path: "/projects/{project_id}/endpoints/{endpoint_id}/restart",
  tag,
  summary: "Stop a compute and start it again",
  params: OfEndpoint,
  status: 200,
  response: EndpointWithOperations,
});
