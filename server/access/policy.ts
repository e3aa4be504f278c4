import { ApiError } from "../errors.ts";
import type { Principal } from "./principal.ts";

/**
 * The one table of powers. A row is an action; its words are the standings that may do it. Nothing else in
 * the product decides about access, the Console included: it asks the API.
 *
 * Standing is what a principal is *to the resource at hand*: `admin` and `member` are a person's member
 * role in the organization that owns it, read at the time of use; `organization_key` and `project_key` are
 * keys of that organization and of that project; `person` is anybody signed in, about themselves.
 */
export type Standing = "anonymous" | "person" | "admin" | "member" | "organization_key" | "project_key";

const ANYONE: readonly Standing[] = ["anonymous", "person", "organization_key", "project_key"];
const CALLER: readonly Standing[] = ["person", "organization_key", "project_key"];
const PERSON: readonly Standing[] = ["person"];
const ADMIN: readonly Standing[] = ["admin"];
const ADMIN_OR_KEY: readonly Standing[] = ["admin", "organization_key"];
const ORGANIZATION: readonly Standing[] = ["admin", "member", "organization_key"];
const PROJECT: readonly Standing[] = ["admin", "member", "organization_key", "project_key"];

const POLICY = {
  "instance.read": ANYONE,
  "user.create": ANYONE,
  "session.create": ANYONE,
  "password_reset.create": ANYONE,
  // The token that is presented is itself the credential.
  "password_reset.use": ANYONE,
  // The code or token that is presented is itself the credential (RFC 6749, 7009, 8628).
  "oauth_token.request": ANYONE,

  "credential.read": CALLER,
  "region.list": PERSON,
  "user.read": PERSON,
  "user_organization.list": ["person", "organization_key"],
  "user_project.list": PERSON,
  "session.list": PERSON,
  "session.delete": PERSON,
  "oauth_request.read": PERSON,
  "oauth_request.approve": PERSON,
  "oauth_request.deny": PERSON,
  "oauth_grant.list": PERSON,
  "oauth_grant.create": PERSON,
  "oauth_grant.revoke": PERSON,
  "user.update_password": PERSON,
  "personal_key.list": PERSON,
  "personal_key.create": PERSON,
  "personal_key.revoke": PERSON,
  "invitation.accept": PERSON,
  "organization.create": PERSON,

  "organization.read": ORGANIZATION,
  "organization.update": ADMIN,
  "member.list": ORGANIZATION,
  "member.read": ORGANIZATION,
  "member.update": ADMIN_OR_KEY,
  "member.remove": ADMIN,
  "member.leave": ["admin", "member"],
  "invitation.list": ADMIN_OR_KEY,
  "invitation.create": ADMIN,
  "invitation.revoke": ADMIN,
  "organization_key.list": ADMIN_OR_KEY,
  // Personal credentials only: a leaked machine key must not be able to make itself successors.
  "organization_key.create": ADMIN,
  "organization_key.revoke": ADMIN_OR_KEY,
  // Whoever holds a key may end it (Neon's CLI does so in `profile remove`).
  "organization_key.revoke_itself": ["organization_key", "project_key"],

  "consumption.read": ORGANIZATION,
  "project.list": ORGANIZATION,
  "project.create": ORGANIZATION,
  "project.read": PROJECT,
  "project.update": PROJECT,
  "project.delete": ADMIN_OR_KEY,
  "project.recover": ADMIN_OR_KEY,
  // Asked of both organizations, so by a person: a key stands in one only.
  "project.transfer_out": ADMIN,
  "project.transfer_in": ["admin", "member"],
  "branch.read": PROJECT,
  "branch.read_schema": PROJECT,
  "branch.create": PROJECT,
  "branch.update": PROJECT,
  "branch.delete": PROJECT,
  "branch.restore": PROJECT,
  "endpoint.read": PROJECT,
  // Whoever may read it may reveal the passwords of roles, too: it tells nothing that is kept from them.
  "endpoint.read_log": PROJECT,
  "endpoint.create": PROJECT,
  "endpoint.update": PROJECT,
  "endpoint.delete": PROJECT,
  "endpoint.start": PROJECT,
  "endpoint.suspend": PROJECT,
  "endpoint.restart": PROJECT,
  "role.read": PROJECT,
  "role.create": PROJECT,
  "role.delete": PROJECT,
  "role.reveal_password": PROJECT,
  "role.reset_password": PROJECT,
  "database.read": PROJECT,
  "database.create": PROJECT,
  "database.update": PROJECT,
  "database.delete": PROJECT,
  "operation.read": PROJECT,
  "operation.cancel": PROJECT,
  "connection.read": PROJECT,
} as const satisfies Record<string, readonly Standing[]>;

export type Action = keyof typeof POLICY;
export const ACTIONS = Object.keys(POLICY) as Action[];

/** Whether a standing carries an action. Pure. */
export function isAllowed(action: Action, standing: Standing): boolean {
  return (POLICY[action] as readonly Standing[]).includes(standing);
}

/**
 * The refusal to send to one whose standing does not carry the action, in Neon's words where it has them:
 * its clients look for these texts. A key that leaves its own organization or project gets 404, as if
 * there were nothing; inside it, or for a member, 403.
 */
export function refusal(principal: Principal, standing: Standing | undefined): ApiError {
  switch (principal.kind) {
    case "anonymous":
      return new ApiError("unauthenticated");
    case "organization":
      return standing === "organization_key"
        ? new ApiError("forbidden", "not allowed for organization API keys")
        : new ApiError("not_found", "not allowed for organization API keys");
    case "project":
      return standing === "project_key"
        ? new ApiError("forbidden", "not allowed for project-scoped API keys")
        : new ApiError(
            "not_found",
            "not allowed to perform actions outside the project this key is scoped to; " +
              `subject_project_id:"${principal.project_id}"`,
          );
    case "person":
      return new ApiError("forbidden", "not allowed for your member role; ask an admin of the organization");
  }
}
