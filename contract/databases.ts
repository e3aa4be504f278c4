import Type, { type Static } from "typebox";
import { OfBranch } from "./branches.ts";
import { ResourceId, Timestamp } from "./common.ts";
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

export const getProjectBranchDatabase = contract({
  id: "getProjectBranchDatabase",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/databases/{database_name}",
  tag,
  summary: "One database",
  params: Type.Object({ project_id: ResourceId, branch_id: ResourceId, database_name: PostgresName }),
  status: 200,
  response: Type.Object({ database: Database }),
});
