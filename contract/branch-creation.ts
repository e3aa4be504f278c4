import Type from "typebox";
import { AnnotationValue } from "./annotations.ts";
import { Branch } from "./branches.ts";
import { Body, OneOf, PRINTABLE, ResourceId, ResourceIdOrEmpty, Timestamp } from "./common.ts";
import { ConnectionDetails } from "./connection.ts";
import { Database } from "./databases.ts";
import { Endpoint, EndpointOptions } from "./endpoints.ts";
import { Operation } from "./operations.ts";
import { Role } from "./roles.ts";
import { contract } from "./route.ts";

/** Apart from `branches.ts`, whose schemas those of a branch's contents build on. */
export const createProjectBranch = contract({
  id: "createProjectBranch",
  method: "POST",
  path: "/projects/{project_id}/branches",
  tag: "Branches",
  summary: "Create a branch with the data that its parent has at this moment",
  description:
    "From the default branch unless `parent_id` names another one, and without a compute unless `endpoints` asks for " +
    "one. With `init_source` `schema-only` it is a root that has the schema of `parent_id`, its roles and databases, and " +
    "no data. The parent goes on being used meanwhile. There is a connection string where only one role and one database " +
    "come into question.",
  params: Type.Object({ project_id: ResourceId }),
  body: Body({
    branch: Type.Optional(
      Body(
        {
          parent_id: Type.Optional(ResourceIdOrEmpty),
          name: Type.Optional(Type.String({ minLength: 1, maxLength: 256, pattern: PRINTABLE })),
          protected: Type.Optional(Type.Boolean()),
          archived: Type.Optional(Type.Literal(false)),
          init_source: Type.Optional(OneOf("parent-data", "schema-only")),
          expires_at: Type.Optional(Timestamp),
        },
        { not_offered: ["parent_lsn", "parent_timestamp"] },
      ),
    ),
    endpoints: Type.Optional(Type.Array(EndpointOptions, { maxItems: 1 })),
    annotation_value: Type.Optional(AnnotationValue),
  }),
  body_optional: true,
  status: 201,
  response: Type.Object({
    branch: Branch,
    endpoints: Type.Array(Endpoint),
    operations: Type.Array(Operation),
    roles: Type.Array(Role),
    databases: Type.Array(Database),
    connection_uris: Type.Optional(Type.Array(ConnectionDetails)),
  }),
  secret: true,
});
