import Type, { type Static } from "typebox";
import { OneOf, ResourceId, Timestamp } from "./common.ts";
import { contract } from "./route.ts";

const tag = "Branches";

export const BranchState = OneOf("init", "ready");

export const Branch = Type.Object({
  id: Type.String(),
  project_id: Type.String(),
  parent_id: Type.Optional(Type.String()),
  name: Type.String(),
  current_state: BranchState,
  pending_state: Type.Optional(BranchState),
  state_changed_at: Timestamp,
  logical_size: Type.Optional(Type.Integer({ description: "Bytes; absent until the branch has been measured." })),
  creation_source: Type.String(),
  primary: Type.Boolean(),
  default: Type.Boolean(),
  protected: Type.Boolean(),
  cpu_used_sec: Type.Integer(),
  compute_time_seconds: Type.Integer(),
  active_time_seconds: Type.Integer(),
  written_data_bytes: Type.Integer(),
  data_transfer_bytes: Type.Integer(),
  created_at: Timestamp,
  updated_at: Timestamp,
  created_by: Type.Optional(Type.Object({ name: Type.String(), image: Type.String() })),
  init_source: Type.String(),
});
export type Branch = Static<typeof Branch>;

/** The neon CLI reads `annotations[id]` unchecked, so the map is always there, empty or not. */
const Annotations = Type.Object({});
const Annotation = Type.Object({
  object: Type.Object({ type: Type.String(), id: Type.String() }),
  value: Type.Record(Type.String(), Type.String()),
});

const OfProject = Type.Object({ project_id: ResourceId });
export const OfBranch = Type.Object({ project_id: ResourceId, branch_id: ResourceId });

export const listProjectBranches = contract({
  id: "listProjectBranches",
  method: "GET",
  path: "/projects/{project_id}/branches",
  tag,
  summary: "The branches of a project",
  params: OfProject,
  query: Type.Object({
    search: Type.Optional(Type.String({ maxLength: 256 })),
    sort_by: Type.Optional(Type.Enum(["name", "created_at", "updated_at"], { default: "updated_at" })),
    sort_order: Type.Optional(Type.Enum(["asc", "desc"], { default: "desc" })),
    cursor: Type.Optional(Type.String({ maxLength: 512 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
    include_deleted: Type.Optional(Type.Boolean()),
  }),
  status: 200,
  response: Type.Object({
    branches: Type.Array(Branch),
    annotations: Annotations,
    pagination: Type.Optional(
      Type.Object({ next: Type.Optional(Type.String()), sort_by: Type.String(), sort_order: Type.String() }),
    ),
  }),
});

export const countProjectBranches = contract({
  id: "countProjectBranches",
  method: "GET",
  path: "/projects/{project_id}/branches/count",
  tag,
  summary: "How many branches a project has",
  params: OfProject,
  query: Type.Object({ search: Type.Optional(Type.String({ maxLength: 256 })) }),
  status: 200,
  response: Type.Object({ count: Type.Integer() }),
});

export const getProjectBranch = contract({
  id: "getProjectBranch",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}",
  tag,
  summary: "One branch",
  params: OfBranch,
  status: 200,
  response: Type.Object({ branch: Branch, annotation: Annotation }),
});
