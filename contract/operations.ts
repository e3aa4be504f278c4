import Type, { type Static } from "typebox";
import { OneOf, Pagination, pageQuery, ResourceId, Timestamp, Uuid } from "./common.ts";
import { contract } from "./route.ts";

const tag = "Operations";

export const OperationStatus = OneOf(
  "scheduling",
  "running",
  "finished",
  "failed",
  "error",
  "cancelling",
  "cancelled",
  "skipped",
);
export type OperationStatus = Static<typeof OperationStatus>;

/** Those of Neon's actions that Latchkey performs, under Neon's names. */
export const OperationAction = OneOf(
  "create_timeline",
  "start_compute",
  "suspend_compute",
  "apply_config",
  "delete_timeline",
);
export type OperationAction = Static<typeof OperationAction>;

export const Operation = Type.Object({
  id: Uuid,
  project_id: Type.String(),
  branch_id: Type.Optional(Type.String()),
  endpoint_id: Type.Optional(Type.String()),
  action: OperationAction,
  status: OperationStatus,
  error: Type.Optional(Type.String()),
  failures_count: Type.Integer(),
  retry_at: Type.Optional(Timestamp),
  progress: Type.Optional(
    Type.Object(
      { copied_bytes: Type.Integer(), total_bytes: Type.Integer() },
      { description: "While data are copied, byte by byte: how much is there. Absent where blocks are shared." },
    ),
  ),
  created_at: Timestamp,
  updated_at: Timestamp,
  total_duration_ms: Type.Integer(),
});
export type Operation = Static<typeof Operation>;

export const listProjectOperations = contract({
  id: "listProjectOperations",
  method: "GET",
  path: "/projects/{project_id}/operations",
  tag,
  summary: "The operations of a project, newest first",
  params: Type.Object({ project_id: ResourceId }),
  query: Type.Object(pageQuery(1000, 100)),
  status: 200,
  response: Type.Object({ operations: Type.Array(Operation), pagination: Pagination }),
});

export const getProjectOperation = contract({
  id: "getProjectOperation",
  method: "GET",
  path: "/projects/{project_id}/operations/{operation_id}",
  tag,
  summary: "One operation",
  params: Type.Object({ project_id: ResourceId, operation_id: Uuid }),
  status: 200,
  response: Type.Object({ operation: Operation }),
});

export const cancelProjectOperation = contract({
  id: "cancelProjectOperation",
  method: "POST",
  path: "/projects/{project_id}/operations/{operation_id}/cancel",
  tag,
  summary: "Give up the copy that an operation makes",
  description:
    "A branch that was being made is deleted; one that was being restored stays what it was. The operation is `cancelling` until nothing of the copy is left, then `cancelled`. One that has ended by then is answered as it is.",
  params: Type.Object({ project_id: ResourceId, operation_id: Uuid }),
  status: 200,
  response: Type.Object({ operation: Operation }),
});
