import Type, { type Static } from "typebox";
import { OfBranch } from "./branches.ts";
import { Body, OneOf, ResourceId, Timestamp } from "./common.ts";
import { Operation } from "./operations.ts";
import { contract } from "./route.ts";

const tag = "Roles";

/** What Postgres takes as a role or database name: 1 to 63 bytes (checked in bytes by the rules), no NUL. */
export const PostgresName = Type.String({ minLength: 1, maxLength: 63, pattern: "^[^\\u0000\\ud800-\\udfff]*$" });

export const Role = Type.Object({
  branch_id: Type.String(),
  name: Type.String(),
  password: Type.Optional(Type.String()),
  protected: Type.Boolean(),
  authentication_method: OneOf("password", "no_login"),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type Role = Static<typeof Role>;

const OfRole = Type.Object({ project_id: ResourceId, branch_id: ResourceId, role_name: PostgresName });
const RoleWithOperations = Type.Object({ role: Role, operations: Type.Array(Operation) });

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

export const createProjectBranchRole = contract({
  id: "createProjectBranchRole",
  method: "POST",
  path: "/projects/{project_id}/branches/{branch_id}/roles",
  tag,
  summary: "Create a role",
  description: "It can log in with the answered password once the operations are `finished`.",
  params: OfBranch,
  body: Body({ role: Body({ name: PostgresName, no_login: Type.Optional(Type.Boolean()) }) }),
  status: 201,
  response: RoleWithOperations,
  secret: true,
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

export const deleteProjectBranchRole = contract({
  id: "deleteProjectBranchRole",
  method: "DELETE",
  path: "/projects/{project_id}/branches/{branch_id}/roles/{role_name}",
  tag,
  summary: "Delete a role",
  description:
    "Refused while it owns a database. Tables and the like that it owns pass to the owner of the database they are in.",
  params: OfRole,
  status: 200,
  response: RoleWithOperations,
});

export const getProjectBranchRolePassword = contract({
  id: "getProjectBranchRolePassword",
  method: "GET",
  path: "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reveal_password",
  tag,
  summary: "The password of a role",
  description: "Answered 412 where it was set with SQL, so that only its people know it; a reset gives a new one.",
  params: OfRole,
  status: 200,
  response: Type.Object({ password: Type.String() }),
  secret: true,
});

export const resetProjectBranchRolePassword = contract({
  id: "resetProjectBranchRolePassword",
  method: "POST",
  path: "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reset_password",
  tag,
  summary: "Give a role a new password",
  description: "The old one works until the operations are `finished`, the new one from then on.",
  params: OfRole,
  status: 200,
  response: RoleWithOperations,
  secret: true,
});
