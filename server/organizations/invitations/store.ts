import type { Invitation, MemberRole } from "@latchkey/contract/organizations.ts";
import { sql } from "kysely";
import type { OrganizationAccess } from "../../access/handles.ts";
import type { OrganizationRow } from "../../access/store.ts";
import type { Tx } from "../../db/pool.ts";
import { newUuid } from "../../ids.ts";
import { tokenDigest } from "../../keys/token.ts";

const COLUMNS = ["id", "email", "org_id", "invited_by", "invited_at", "expires_at", "role"] as const;

export const INVITATION_DAYS = 7;

/** The open invitations of an organization, newest first. */
export async function listInvitations({ tx, org_id }: OrganizationAccess): Promise<Invitation[]> {
  return await tx
    .selectFrom("invitations")
    .select(COLUMNS)
    .where("org_id", "=", org_id)
    .where("expires_at", ">", sql<string>`now()`)
    .orderBy("invited_at", "desc")
    .orderBy("id")
    .execute();
}

/** Which of these e-mails belong to members already. */
export async function findMemberEmails({ tx, org_id }: OrganizationAccess, emails: string[]): Promise<string[]> {
  const rows = await tx
    .selectFrom("members as m")
    .innerJoin("users as u", "u.id", "m.user_id")
    .select("u.email")
    .where("m.org_id", "=", org_id)
    .where("u.email", "in", emails)
    .execute();
  return rows.map(({ email }) => email);
}

/** Invites an e-mail; where it was invited before, the new token takes the place of the old. */
export async function putInvitation(
  access: OrganizationAccess,
  invited: {
    readonly email: string;
    readonly role: MemberRole;
    readonly invited_by: string;
    readonly token_digest: Buffer;
  },
): Promise<Invitation> {
  const expires_at = sql<string>`now() + make_interval(days => ${INVITATION_DAYS})`;
  return await access.tx
    .insertInto("invitations")
    .values({ ...invited, id: newUuid(), org_id: access.org_id, expires_at })
    .onConflict((conflict) =>
      conflict.columns(["org_id", "email"]).doUpdateSet({ ...invited, expires_at, invited_at: sql`now()` }),
    )
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
}

/** Withdraws an open invitation; false when there is none of that id. */
export async function deleteInvitation({ tx, org_id }: OrganizationAccess, invitation_id: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom("invitations")
    .where("org_id", "=", org_id)
    .where("id", "=", invitation_id)
    .where("expires_at", ">", sql<string>`now()`)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** An invitation as its token finds it. Whoever holds the token was sent it, so no access handle is asked for. */
export interface OpenInvitation {
  readonly id: string;
  readonly email: string;
  readonly role: MemberRole;
  readonly organization: OrganizationRow;
}

/** The open invitation of a token, locked: two who accept it at once come one after the other. */
export async function findOpenInvitation(tx: Tx, token: string): Promise<OpenInvitation | undefined> {
  const row = await tx
    .selectFrom("invitations")
    .select(["id", "email", "role", "org_id"])
    .where("token_digest", "=", tokenDigest(token))
    .where("expires_at", ">", sql<string>`now()`)
    .forUpdate()
    .executeTakeFirst();
  if (!row) return undefined;
  const organization = await tx
    .selectFrom("organizations")
    .select(["id", "name", "handle", "personal_of", "created_at", "updated_at"])
    .where("id", "=", row.org_id)
    .executeTakeFirstOrThrow();
  return { id: row.id, email: row.email, role: row.role, organization };
}

/** Uses an invitation up. */
export async function deleteAcceptedInvitation(tx: Tx, invitation: OpenInvitation): Promise<void> {
  await tx.deleteFrom("invitations").where("id", "=", invitation.id).execute();
}

/** Name and e-mail of the person who acts, as the invited will read it. */
export async function getPerson(tx: Tx, user_id: string): Promise<{ name: string; email: string }> {
  return await tx.selectFrom("users").select(["name", "email"]).where("id", "=", user_id).executeTakeFirstOrThrow();
}
