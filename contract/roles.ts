import Type, { type Static } from "typebox";
import { OfBranch } from "./branches.ts";
import { ResourceId, Timestamp } from "./common.ts";
import { contract } from "./route.ts";

const tag = "Roles";

/** What Postgres takes as a role or database name: 1 to 63 bytes (checked in bytes by the rules), no NUL. */
export const PostgresName = Type.String({ minLength: 1, maxLength: 63, pattern: "^[^\\u0000\\ud800-\\udfff]*$" });

export const Role = Type.Object({
  branch_id: Type.String(),
  name: Type.String(),
  password: Type.Optional(Type.String()),
  protected: Type.Boolean(),
  authentication_method: Type.String(),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type Role = Static<typeof Role>;

const OfRole = Type.Object({ project_id: ResourceId, branch_id: ResourceId, role_name: PostgresName });

export const listProjectBranchRoles = contract({
  id: "listProjectBranchRoles",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/roles",
  tag,
  summary: "The roles of a branch, without passwords",
  params: OfBranch,
  status: 200,
  response: Type.Object({ roles: Type.Array(Role) }),
});

export const getProjectBranchRole = contract({
  id: "getProjectBranchRole",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/roles/{role_name}",
  tag,
  summary: "One role, without its password",
  params: OfRole,
  status: 200,
  response: Type.Object({ role: Role }),
});

export const getProjectBranchRolePassword = contract({
  id: "getProjectBranchRolePassword",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reveal_password",
  tag,
  summary: "The password of a role",
  params: OfRole,
  status: 200,
  response: Type.Object({ password: Type.String() }),
  secret: true,
});
