import Type, { type Static } from "typebox";
import { AnnotationValue } from "./annotations.ts";
import { Branch } from "./branches.ts";
import { Body, Empty, Pagination, PRINTABLE, pageQuery, ResourceId, Timestamp } from "./common.ts";
import { AutoscalingLimits } from "./compute-size.ts";
import { ConnectionDetails } from "./connection.ts";
import { Database } from "./databases.ts";
import { DefaultEndpointSettings, Endpoint, PROVISIONER } from "./endpoints.ts";
import { Operation } from "./operations.ts";
import { PostgresName, Role } from "./roles.ts";
import { contract } from "./route.ts";

const tag = "Projects";
const Name = Type.String({ minLength: 1, maxLength: 256, pattern: PRINTABLE });

/** The region of a project that names none. A label: everything runs on this instance. */
export const DEFAULT_REGION_ID = "local";

const Quota = Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }));

/** What of a project can be set; other settings are refused by name. */
export const ProjectSettings = Body({
  quota: Type.Optional(
    Body(
      {
        ...{ active_time_seconds: Quota, compute_time_seconds: Quota },
        ...{ written_data_bytes: Quota, data_transfer_bytes: Quota },
        ...{ logical_size_bytes: Quota },
      },
      {
        description:
          "Of a calendar month, UTC, save that `logical_size_bytes` is the size of each branch. When one is used up, computes, or that of the branch, are suspended and do not start. 0: none.",
      },
    ),
  ),
  allowed_ips: Type.Optional(
    Body({
      ips: Type.Optional(
        Type.Array(Type.String({ maxLength: 100 }), { maxItems: 1_000, description: "Empty: every address." }),
      ),
      protected_branches_only: Type.Optional(Type.Boolean()),
    }),
  ),
  // What is not offered, for clients that send every setting with every change.
  enable_logical_replication: Type.Optional(Type.Literal(false)),
  block_public_connections: Type.Optional(Type.Literal(false)),
  block_vpc_connections: Type.Optional(Type.Literal(false)),
  hipaa: Type.Optional(Type.Literal(false)),
});
export type ProjectSettings = Static<typeof ProjectSettings>;

/** Seconds of the past that a branch can be made from: none. */
const HistoryRetention = Type.Literal(0);

/** Fields that Neon's project and its list item share. */
const ProjectFields = {
  id: Type.String(),
  platform_id: Type.String(),
  region_id: Type.String(),
  name: Type.String(),
  provisioner: Type.String(),
  pg_version: Type.Integer(),
  proxy_host: Type.String({ description: "The domain of its computes, or where their ports are." }),
  branch_logical_size_limit: Type.Integer(),
  branch_logical_size_limit_bytes: Type.Integer(),
  store_passwords: Type.Boolean(),
  cpu_used_sec: Type.Integer(),
  creation_source: Type.String(),
  history_retention_seconds: Type.Integer(),
  created_at: Timestamp,
  updated_at: Timestamp,
  owner_id: Type.String(),
  org_id: Type.String(),
  settings: ProjectSettings,
  default_endpoint_settings: DefaultEndpointSettings,
};

export const Project = Type.Object({
  ...ProjectFields,
  data_storage_bytes_hour: Type.Integer(),
  data_transfer_bytes: Type.Integer(),
  written_data_bytes: Type.Integer(),
  compute_time_seconds: Type.Integer(),
  active_time_seconds: Type.Integer(),
  consumption_period_start: Timestamp,
  consumption_period_end: Timestamp,
  synthetic_storage_size: Type.Integer({ description: "Bytes that all branches occupy at present, log included." }),
});
export type Project = Static<typeof Project>;

export const ProjectListItem = Type.Object({
  ...ProjectFields,
  active_time: Type.Integer(),
  deleted_at: Type.Optional(Timestamp),
  recoverable_until: Type.Optional(Timestamp),
});
export type ProjectListItem = Static<typeof ProjectListItem>;

const OfProject = Type.Object({ project_id: ResourceId });
const Search = Type.Optional(Type.String({ maxLength: 256, description: "Part of a name or of an id." }));
const Timeout = Type.Optional(
  Type.Integer({
    minimum: 100,
    maximum: 30_000,
    description: "Milliseconds. What is not there by then is answered 503: a page is whole, or there is none.",
  }),
);
const ApplicationMap = Type.Record(Type.String(), Type.Array(Type.String()));

export const listProjects = contract({
  id: "listProjects",
  method: "GET",
  path: "/projects",
  tag,
  summary: "The projects of an organization",
  description: "`org_id` is needed with a personal credential; an organization key lists its own.",
  query: Type.Object({
    ...pageQuery(400, 10),
    search: Search,
    org_id: Type.Optional(ResourceId),
    timeout: Timeout,
    recoverable: Type.Optional(Type.Boolean()),
  }),
  status: 200,
  response: Type.Object({
    projects: Type.Array(ProjectListItem),
    pagination: Pagination,
    applications: ApplicationMap,
    integrations: ApplicationMap,
  }),
});

export const listSharedProjects = contract({
  id: "listSharedProjects",
  method: "GET",
  path: "/projects/shared",
  tag,
  summary: "Projects shared with you from organizations that you are not a member of",
  query: Type.Object({
    ...pageQuery(400, 10),
    search: Search,
    timeout: Timeout,
  }),
  status: 200,
  response: Type.Object({ projects: Type.Array(ProjectListItem), pagination: Pagination }),
});

export const createProject = contract({
  id: "createProject",
  method: "POST",
  path: "/projects",
  tag,
  summary: "Create a project with its default branch, compute, role and database",
  description: "The compute answers once the returned operations are `finished`.",
  body: Body({
    project: Body({
      name: Type.Optional(Name),
      org_id: Type.Optional(ResourceId),
      region_id: Type.Optional(
        Type.String({
          pattern: "^[a-z0-9-]{1,60}$",
          description: "A label here: every project runs on this instance.",
        }),
      ),
      pg_version: Type.Optional(Type.Integer({ minimum: 14, maximum: 99 })),
      store_passwords: Type.Optional(Type.Literal(true)),
      history_retention_seconds: Type.Optional(HistoryRetention),
      provisioner: Type.Optional(Type.Literal(PROVISIONER)),
      settings: Type.Optional(ProjectSettings),
      default_endpoint_settings: Type.Optional(DefaultEndpointSettings),
      // Neon's former names of those in `default_endpoint_settings`, which go before these.
      ...AutoscalingLimits,
      branch: Type.Optional(
        Body({
          name: Type.Optional(Name),
          role_name: Type.Optional(PostgresName),
          database_name: Type.Optional(PostgresName),
          annotations: Type.Optional(AnnotationValue),
        }),
      ),
    }),
  }),
  status: 201,
  response: Type.Object({
    project: Project,
    connection_uris: Type.Array(ConnectionDetails),
    roles: Type.Array(Role),
    databases: Type.Array(Database),
    operations: Type.Array(Operation),
    branch: Branch,
    endpoints: Type.Array(Endpoint),
  }),
  secret: true,
});

export const getProject = contract({
  id: "getProject",
  method: "GET",
  path: "/projects/{project_id}",
  tag,
  summary: "One project",
  params: OfProject,
  status: 200,
  response: Type.Object({ project: Project }),
});

export const updateProject = contract({
  id: "updateProject",
  method: "PATCH",
  path: "/projects/{project_id}",
  tag,
  summary: "Rename a project, or change its settings",
  description: "`default_endpoint_settings` are those of computes that are made from then on.",
  params: OfProject,
  body: Body({
    project: Body({
      name: Type.Optional(Name),
      history_retention_seconds: Type.Optional(HistoryRetention),
      settings: Type.Optional(ProjectSettings),
      default_endpoint_settings: Type.Optional(DefaultEndpointSettings),
    }),
  }),
  status: 200,
  response: Type.Object({ project: Project, operations: Type.Array(Operation) }),
});

export const deleteProject = contract({
  id: "deleteProject",
  method: "DELETE",
  path: "/projects/{project_id}",
  tag,
  summary: "Delete a project with everything in it",
  description: "It can be recovered for seven days; its keys end at once and for good.",
  params: OfProject,
  status: 200,
  response: Type.Object({ project: Project }),
});

export const getConnectionURI = contract({
  id: "getConnectionURI",
  method: "GET",
  path: "/projects/{project_id}/connection_uri",
  tag,
  summary: "A connection string for a database and a role",
  params: OfProject,
  query: Type.Object({
    branch_id: Type.Optional(ResourceId),
    endpoint_id: Type.Optional(ResourceId),
    database_name: PostgresName,
    role_name: PostgresName,
    pooled: Type.Optional(Type.Boolean()),
  }),
  status: 200,
  response: Type.Object({ uri: Type.String() }),
  secret: true,
});

export const recoverProject = contract({
  id: "recoverProject",
  method: "POST",
  path: "/projects/{project_id}/recover",
  tag,
  summary: "Bring a deleted project back",
  params: OfProject,
  status: 200,
  response: Type.Object({ project: Project, branches: Type.Array(Branch) }),
});

export const getAvailablePreloadLibraries = contract({
  id: "getAvailablePreloadLibraries",
  method: "GET",
  path: "/projects/{project_id}/available_preload_libraries",
  tag,
  summary: "The libraries that computes of a project may be told to load at their start",
  params: OfProject,
  status: 200,
  response: Type.Object({ libraries: Type.Array(Empty) }),
});

export const transferProjectsFromOrgToOrg = contract({
  id: "transferProjectsFromOrgToOrg",
  method: "POST",
  path: "/organizations/{source_org_id}/projects/transfer",
  tag,
  summary: "Give projects to another organization",
  description: "All of them or none. Their project keys end with it.",
  params: Type.Object({ source_org_id: ResourceId }),
  body: Body({
    destination_org_id: ResourceId,
    project_ids: Type.Array(ResourceId, { minItems: 1, maxItems: 400, uniqueItems: true }),
  }),
  status: 200,
  response: Empty,
});
