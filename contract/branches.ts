import Type, { type Static } from "typebox";
import { Annotation } from "./annotations.ts";
import { Body, Nullable, OneOf, PRINTABLE, ResourceId, Timestamp } from "./common.ts";
import { Operation } from "./operations.ts";
import { contract } from "./route.ts";

const tag = "Branches";

const Name = Type.String({ minLength: 1, maxLength: 256, pattern: PRINTABLE });

export const BranchState = OneOf("init", "resetting", "ready");

export const Branch = Type.Object({
  id: Type.String(),
  project_id: Type.String(),
  parent_id: Type.Optional(Type.String({ description: "Absent on a root." })),
  parent_lsn: Type.Optional(
    Type.String({ description: "How far into the parent's log its data goes; absent until it has been copied." }),
  ),
  parent_timestamp: Type.Optional(Timestamp),
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
  expires_at: Type.Optional(Timestamp),
  ttl_interval_seconds: Type.Optional(Type.Integer()),
  last_reset_at: Type.Optional(Timestamp),
  created_by: Type.Optional(Type.Object({ name: Type.String(), image: Type.String() })),
  init_source: Type.String(),
  copy_method: Type.Optional(
    Type.String({ description: "`reflink`: blocks are shared with the parent until they change; `copy`: none are." }),
  ),
  copied_bytes: Type.Optional(Type.Integer({ description: "Bytes that were copied when it was made." })),
});
export type Branch = Static<typeof Branch>;

/** Of those branches that have one. The neon CLI reads `annotations[id]` unchecked, so the map is always there. */
const Annotations = Type.Record(Type.String(), Annotation);

const OfProject = Type.Object({ project_id: ResourceId });
const BranchWithOperations = Type.Object({ branch: Branch, operations: Type.Array(Operation) });
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
    include_deleted: Type.Optional(
      Type.Boolean({ description: "Deleted ones that can be recovered too: there are none, deletion is for good." }),
    ),
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

export const updateProjectBranch = contract({
  id: "updateProjectBranch",
  method: "PATCH",
  path: "/projects/{project_id}/branches/{branch_id}",
  tag,
  summary: "Rename a branch, protect it, or let it expire",
  params: OfBranch,
  body: Body({
    branch: Body({
      name: Type.Optional(Name),
      protected: Type.Optional(Type.Boolean()),
      expires_at: Type.Optional(Nullable(Timestamp)),
    }),
  }),
  status: 200,
  response: BranchWithOperations,
});

export const deleteProjectBranch = contract({
  id: "deleteProjectBranch",
  method: "DELETE",
  path: "/projects/{project_id}/branches/{branch_id}",
  tag,
  summary: "Delete a branch with its compute",
  description: "Refused for the default branch, a protected one, and one with children. It cannot be recovered.",
  params: OfBranch,
  query: Type.Object({
    hard_delete: Type.Optional(Type.Boolean({ description: "Makes no difference: every deletion is for good." })),
  }),
  status: 200,
  response: BranchWithOperations,
});

export const setDefaultProjectBranch = contract({
  id: "setDefaultProjectBranch",
  method: "POST",
  path: "/projects/{project_id}/branches/{branch_id}/set_as_default",
  tag,
  summary: "Make a branch the default one",
  params: OfBranch,
  status: 200,
  response: BranchWithOperations,
});

export const restoreProjectBranch = contract({
  id: "restoreProjectBranch",
  method: "POST",
  path: "/projects/{project_id}/branches/{branch_id}/restore",
  tag,
  summary: "Give a branch the data of its parent or of another branch",
  description:
    "The data that the source has at this moment. What the branch had is kept under `preserve_under_name`, which is " +
    "needed where the branch has children: they go with it.",
  params: OfBranch,
  body: Body(
    {
      source_branch_id: ResourceId,
      preserve_under_name: Type.Optional(Type.String({ maxLength: 256, pattern: PRINTABLE })),
    },
    { not_offered: ["source_lsn", "source_timestamp"] },
  ),
  status: 200,
  response: BranchWithOperations,
});

/** A moment of a branch's past. */
const PAST = ["lsn", "timestamp"] as const;

const DatabaseName = Type.String({ minLength: 1, maxLength: 63 });

const SchemaTable = Type.Object({
  schema: Type.String(),
  name: Type.String(),
  columns: Type.Array(
    Type.Object({ name: Type.String(), type: Type.String(), nullable: Type.Boolean(), generated: Type.Boolean() }),
  ),
  constraints: Type.Array(
    Type.Object({
      type: OneOf("primary_key", "unique", "foreign_key"),
      name: Type.String(),
      columns: Type.Array(Type.String()),
      referenced_table: Type.Optional(
        Type.Object({ schema: Type.String(), table: Type.String(), columns: Type.Array(Type.String()) }),
      ),
    }),
  ),
});

export const getProjectBranchSchema = contract({
  id: "getProjectBranchSchema",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/schema",
  tag,
  summary: "The schema of a database",
  description:
    "As `pg_dump --schema-only` prints it, or its tables as JSON. A branch that rests is read without waking it.",
  params: OfBranch,
  query: Body({ db_name: DatabaseName, format: Type.Optional(OneOf("sql", "json")) }, { not_offered: PAST }),
  status: 200,
  response: Type.Object({
    sql: Type.Optional(Type.String()),
    json: Type.Optional(Type.Object({ tables: Type.Array(SchemaTable) })),
  }),
});

export const getProjectBranchSchemaComparison = contract({
  id: "getProjectBranchSchemaComparison",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/compare_schema",
  tag,
  summary: "How the schema of a database differs from another branch's",
  description:
    "A unified diff from the base branch, its parent unless `base_branch_id` names another; empty where they agree.",
  params: OfBranch,
  query: Body(
    { db_name: DatabaseName, base_branch_id: Type.Optional(ResourceId) },
    { not_offered: [...PAST, "base_lsn", "base_timestamp"] },
  ),
  status: 200,
  response: Type.Object({ diff: Type.String() }),
});
