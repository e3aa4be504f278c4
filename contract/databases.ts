import Type, { type Static } from "typebox";
import { OfBranch } from "./branches.ts";
import { Body, ResourceId, Timestamp } from "./common.ts";
import { Operation } from "./operations.ts";
import { PostgresName } from "./roles.ts";
import { contract } from "./route.ts";

const tag = "Databases";

export const Database = Type.Object({
  id: Type.Integer(),
  branch_id: Type.String(),
  name: Type.String(),
  owner_name: Type.String(),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type Database = Static<typeof Database>;

const OfDatabase = Type.Object({ project_id: ResourceId, branch_id: ResourceId, database_name: PostgresName });
const DatabaseWithOperations = Type.Object({ database: Database, operations: Type.Array(Operation) });

export const listProjectBranchDatabases = contract({
  id: "listProjectBranchDatabases",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/databases",
  tag,
  summary: "The databases of a branch",
  params: OfBranch,
  status: 200,
  response: Type.Object({ databases: Type.Array(Database) }),
});

export const createProjectBranchDatabase = contract({
  id: "createProjectBranchDatabase",
  method: "POST",
  path: "/projects/{project_id}/branches/{branch_id}/databases",
  tag,
  summary: "Create a database",
  params: OfBranch,
  body: Body({ database: Body({ name: PostgresName, owner_name: PostgresName }) }),
  status: 201,
  response: DatabaseWithOperations,
});

export const getProjectBranchDatabase = contract({
  id: "getProjectBranchDatabase",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/databases/{database_name}",
  tag,
  summary: "One database",
  params: OfDatabase,
  status: 200,
  response: Type.Object({ database: Database }),
});

export const updateProjectBranchDatabase = contract({
  id: "updateProjectBranchDatabase",
  method: "PATCH",
  path: "/projects/{project_id}/branches/{branch_id}/databases/{database_name}",
  tag,
  summary: "Rename a database, or give it another owner",
  description: "Renaming ends the sessions in it.",
  params: OfDatabase,
  body: Body({
    database: Body({ name: Type.Optional(PostgresName), owner_name: Type.Optional(PostgresName) }),
  }),
  status: 200,
  response: DatabaseWithOperations,
});

export const deleteProjectBranchDatabase = contract({
  id: "deleteProjectBranchDatabase",
  method: "DELETE",
  path: "/projects/{project_id}/branches/{branch_id}/databases/{database_name}",
  tag,
  summary: "Delete a database with everything in it",
  params: OfDatabase,
  status: 200,
  response: DatabaseWithOperations,
});
