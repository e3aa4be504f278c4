import type { DefaultEndpointSettings } from "@latchkey/contract/endpoints.ts";
import type { MemberRole } from "@latchkey/contract/organizations.ts";
import type { ProjectSettings } from "@latchkey/contract/projects.ts";
import { sql } from "kysely";
import type { Tx } from "../db/pool.ts";
import type { Principal } from "./principal.ts";

const now = sql<string>`now()`;

export interface OrganizationRow {
  readonly id: string;
  readonly name: string;
  readonly handle: string;
  readonly personal_of: string | null;
  readonly created_at: string;
  readonly updated_at: string;
}

export interface ProjectRow {
  readonly id: string;
  readonly org_id: string;
  readonly name: string;
  readonly region_id: string;
  readonly pg_version: number;
  readonly settings: ProjectSettings;
  readonly default_endpoint_settings: DefaultEndpointSettings;
  /** The name of one that is used up. */
  readonly quota_exceeded: string | null;
  readonly created_by: string | null;
  readonly created_at: string;
  readonly updated_at: string;
}

/**
 * Whether the credential that admitted a request is still good, and keeps it so until the transaction ends: whoever ends
 * it meanwhile waits, and then sees what was done with it. Requests with one credential do not wait for each other.
 */
export async function holdCredential(tx: Tx, principal: Principal): Promise<boolean> {
  if (principal.kind === "anonymous") return true;
  if ("session_id" in principal && principal.session_id !== undefined) {
    const session = tx.selectFrom("sessions").select("id").where("id", "=", principal.session_id);
    return (await session.where("expires_at", ">", now).forShare().executeTakeFirst()) !== undefined;
  }
  if ("oauth_grant_id" in principal && principal.oauth_grant_id !== undefined) {
    const grant = tx.selectFrom("oauth_grants").select("id").where("id", "=", principal.oauth_grant_id);
    const live = grant.where("ended_at", "is", null).where("expires_at", ">", now);
    return (await live.forShare().executeTakeFirst()) !== undefined;
  }
  if (principal.api_key_id === undefined) return false;
  const key = tx.selectFrom("api_keys").select("id").where("id", "=", principal.api_key_id);
  return (await key.where("revoked_at", "is", null).forShare().executeTakeFirst()) !== undefined;
}

/** An organization and the caller's member role in it, in one query. */
export async function findOrganizationWithRole(tx: Tx, org_id: string, user_id: string | null) {
  return await tx
    .selectFrom("organizations as o")
    .leftJoin("members as m", (join) => join.onRef("m.org_id", "=", "o.id").on("m.user_id", "=", user_id))
    .select(["o.id", "o.name", "o.handle", "o.personal_of", "o.created_at", "o.updated_at", "m.role"])
    .where("o.id", "=", org_id)
    .executeTakeFirst();
}

/** The member role of a person, which stays what it is until the transaction ends. */
export async function holdMemberRole(tx: Tx, org_id: string, user_id: string): Promise<MemberRole | undefined> {
  const member = tx.selectFrom("members").select("role").where("org_id", "=", org_id).where("user_id", "=", user_id);
  return (await member.forShare().executeTakeFirst())?.role;
}

/** A project that is not deleted, or one that is, and the caller's member role in its organization, in one query. */
export async function findProjectWithRole(tx: Tx, project_id: string, user_id: string | null, deleted = false) {
  return await tx
    .selectFrom("projects as p")
    .leftJoin("members as m", (join) => join.onRef("m.org_id", "=", "p.org_id").on("m.user_id", "=", user_id))
    .select([
      "p.id",
      "p.org_id",
      "p.name",
      "p.region_id",
      "p.pg_version",
      "p.settings",
      "p.default_endpoint_settings",
      "p.quota_exceeded",
      "p.created_by",
      "p.created_at",
      "p.updated_at",
      "m.role",
    ])
    .where("p.id", "=", project_id)
    .where("p.deleted_at", deleted ? "is not" : "is", null)
    .where("p.removed_at", "is", null)
    .executeTakeFirst();
}

export type WithRole<Row> = Row & { readonly role: MemberRole | null };
