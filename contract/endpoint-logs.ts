import Type, { type Static } from "typebox";
import { Body, Pagination, pageQuery, ResourceId, Timestamp } from "./common.ts";
import { contract } from "./route.ts";

/** In the form that Neon's branches give their log records. */
export const LogRecord = Type.Object({
  timestamp: Timestamp,
  message: Type.String(),
  source: Type.Literal("pg_endpoint"),
  entity_id: Type.String({ description: "The compute's id." }),
  severity_text: Type.String({ description: "As PostgreSQL names it: LOG, ERROR, FATAL, PANIC." }),
  attributes: Type.Object({ pid: Type.Integer() }),
});
export type LogRecord = Static<typeof LogRecord>;

export const listProjectEndpointLogs = contract({
  id: "listProjectEndpointLogs",
  method: "GET",
  path: "/projects/{project_id}/endpoints/{endpoint_id}/logs",
  tag: "Endpoints",
  summary: "What a compute has logged lately, newest last",
  description:
    "The last records, or the first ones from `since` on; with a cursor what has come after it, and an empty page while nothing has. Errors are among them, without the statement and without values of rows. Of long logs only the end is kept.",
  params: Type.Object({ project_id: ResourceId, endpoint_id: ResourceId }),
  query: Body({ ...pageQuery(1000, 100), since: Type.Optional(Timestamp) }),
  status: 200,
  response: Type.Object({ logs: Type.Array(LogRecord), pagination: Pagination }),
});
