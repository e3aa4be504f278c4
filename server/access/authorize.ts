import type { Tx } from "../db/pool.ts";
import { ApiError } from "../errors.ts";
import { CallerAccess, OrganizationAccess, PersonAccess, ProjectAccess } from "./handles.ts";
import { type Action, isAllowed, refusal, type Standing } from "./policy.ts";
import type { Origin, Principal } from "./principal.ts";
import { findOrganizationWithRole, findProjectWithRole, holdMemberRole } from "./store.ts";

/** What a route asks of its caller, with the ids already taken from the request. */
export type Demand =
  | { readonly on: "caller"; readonly action: Action }
  | { readonly on: "person"; readonly action: Action }
  | { readonly on: "organization"; readonly action: Action; readonly org_id: string }
  | { readonly on: "project" | "deleted_project"; readonly action: Action; readonly project_id: string };

/**
 * What outlasts the power of whoever does it. An admin who is removed or demoted meanwhile must leave none of it behind:
 * their end waits for it, or it finds them to be an admin no more.
 */
const LASTING: ReadonlySet<Action> = new Set<Action>([
  "organization_key.create",
  "invitation.create",
  "project.transfer_out",
]);

/**
 * Decides, and mints the handle that lets the rules at the data. One query, but for what is `LASTING`. Whoever has no standing
 * at a project learns nothing of it (404, whether it exists or not); an organization that is not the
 * caller's is refused with Neon's text, the same for one that does not exist. At once where no query is needed.
 */
export function authorize(
  tx: Tx,
  principal: Principal,
  origin: Origin,
  demand: Demand,
): CallerAccess | Promise<CallerAccess> {
  switch (demand.on) {
    case "caller":
      if (!isCallerAllowed(demand.action, principal)) throw refusal(principal, undefined);
      return new CallerAccess(tx, principal, origin);
    case "person":
      if (principal.kind !== "person" || !isAllowed(demand.action, "person")) throw refusal(principal, undefined);
      return new PersonAccess(tx, principal, origin);
    case "organization":
      return authorizeOnOrganization(tx, principal, origin, demand.action, demand.org_id);
    case "project":
    case "deleted_project":
      return authorizeOnProject(tx, principal, origin, demand);
  }
}

/** Whether a caller may do what is asked of nothing but the caller. */
export function isCallerAllowed(action: Action, principal: Principal): boolean {
  return isAllowed(action, standingOfCaller(principal));
}

function standingOfCaller(principal: Principal): Standing {
  switch (principal.kind) {
    case "anonymous":
      return "anonymous";
    case "person":
      return "person";
    case "organization":
      return "organization_key";
    case "project":
      return "project_key";
  }
}

async function authorizeOnOrganization(tx: Tx, principal: Principal, origin: Origin, action: Action, org_id: string) {
  if (principal.kind === "anonymous") throw refusal(principal, undefined);
  // A project key stands in no organization but for the one thing it may do there: end itself.
  if (principal.kind === "project" && !(isAllowed(action, "project_key") && principal.org_id === org_id)) {
    throw refusal(principal, undefined);
  }
  const user_id = principal.kind === "person" ? principal.user_id : null;
  const found = await findOrganizationWithRole(tx, org_id, user_id);
  const role = found?.role && user_id && LASTING.has(action) ? await holdMemberRole(tx, org_id, user_id) : found?.role;
  const standing = found && standingIn(principal, found.id, role ?? null);
  if (!found || !standing) throw new ApiError("forbidden", "not an organization member");
  if (!isAllowed(action, standing)) throw refusal(principal, standing);
  const { role: _, ...organization } = found;
  return new OrganizationAccess(tx, principal, origin, organization, standing);
}

type ProjectDemand = Extract<Demand, { readonly project_id: string }>;

async function authorizeOnProject(tx: Tx, principal: Principal, origin: Origin, demand: ProjectDemand) {
  const { on, action, project_id } = demand;
  if (principal.kind === "anonymous") throw refusal(principal, undefined);
  if (principal.kind === "project" && principal.project_id !== project_id) throw refusal(principal, undefined);
  const user_id = principal.kind === "person" ? principal.user_id : null;
  const found = await findProjectWithRole(tx, project_id, user_id, on === "deleted_project");
  const standing = found && standingIn(principal, found.org_id, found.role);
  if (!found || !standing) throw new ApiError("not_found", "project not found");
  if (!isAllowed(action, standing)) throw refusal(principal, standing);
  const { role: _, ...project } = found;
  return new ProjectAccess(tx, principal, origin, project, standing);
}

/** What the principal is to something of this organization, or undefined: a stranger. */
function standingIn(principal: Principal, org_id: string, role: "admin" | "member" | null): Standing | undefined {
  switch (principal.kind) {
    case "anonymous":
      return undefined;
    case "person":
      return role ?? undefined;
    case "organization":
      return principal.org_id === org_id ? "organization_key" : undefined;
    case "project":
      return principal.org_id === org_id ? "project_key" : undefined;
  }
}
