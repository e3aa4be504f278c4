import { type CallerAccess, ProjectAccess } from "../access/handles.ts";
import type { AuditSubject } from "../route.ts";

/**
 * The audit log: append-only (a trigger holds that), one row for each change, written in the change's own
 * transaction: neither exists without the other. It names keys by id, never by token.
 */

/** Appends the row of a change and returns its id. Called by the pipeline alone. */
export async function insertAuditEvent(access: CallerAccess, action: string, about: AuditSubject): Promise<number> {
  const { tx, principal, origin } = access;
  const { id } = await tx
    .insertInto("audit_events")
    .values({
      action,
      principal_kind: principal.kind === "person" ? `person:${principal.via}` : principal.kind,
      user_id: about.user_id ?? (principal.kind === "person" ? principal.user_id : null),
      org_id: about.org_id ?? organizationOf(access),
      project_id: about.project_id ?? ("project_id" in principal ? principal.project_id : null),
      api_key_id: "api_key_id" in principal ? (principal.api_key_id ?? null) : null,
      oauth_grant_id: "oauth_grant_id" in principal ? (principal.oauth_grant_id ?? null) : null,
      subject: about.subject,
      request_id: origin.request_id,
      address: origin.address,
      user_agent: origin.user_agent,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return id;
}

function organizationOf(access: CallerAccess): string | null {
  if (access instanceof ProjectAccess) return access.project.org_id;
  return "org_id" in access.principal ? access.principal.org_id : null;
}
