import type { Invitation, MemberRole } from "@latchkey/contract/organizations.ts";
import type { Organization } from "@latchkey/contract/users.ts";
import type { OrganizationAccess, PersonAccess } from "../../access/handles.ts";
import type { Tx } from "../../db/pool.ts";
import { ApiError } from "../../errors.ts";
import { newOneTimeToken } from "../../keys/one-time-token.ts";
import type { Secret } from "../../keys/secret.ts";
import { insertMember } from "../members/store.ts";
import { describeOrganization } from "../store.ts";
import {
  deleteAcceptedInvitation,
  findMemberEmails,
  findOpenInvitation,
  getPerson,
  type OpenInvitation,
  putInvitation,
} from "./store.ts";

export interface NewInvitation {
  readonly invitation: Invitation;
  readonly token: Secret;
}

/** Invites people, all or none. Inviting an e-mail again replaces its link: the old one opens nothing more. */
export async function createInvitations(
  access: OrganizationAccess,
  invited: readonly { readonly email: string; readonly role: MemberRole }[],
): Promise<NewInvitation[]> {
  const { principal } = access;
  // Policy lets only persons get here, so that there is always somebody who answers for the invitation.
  if (principal.kind !== "person") throw new ApiError("forbidden");
  const wanted = invited.map(({ email, role }) => ({ email: email.toLowerCase(), role }));
  // One order for all, so that two requests about the same people do not wait for each other for ever.
  const emails = [...new Set(wanted.map(({ email }) => email))].sort();
  if (emails.length < wanted.length) throw new ApiError("bad_request", "an e-mail is in the list twice");
  const [member] = await findMemberEmails(access, emails);
  if (member !== undefined) throw new ApiError("conflict", `${member} is a member of this organization already`);

  const made = new Map<string, NewInvitation>();
  for (const { email, role } of wanted.toSorted((a, b) => emails.indexOf(a.email) - emails.indexOf(b.email))) {
    const { token, digest } = newOneTimeToken("invitation");
    const details = { email, role, invited_by: principal.user_id, token_digest: digest };
    made.set(email, { invitation: await putInvitation(access, details), token });
  }
  return wanted.flatMap(({ email }) => made.get(email) ?? []);
}

/** The invitation of a link's token, or 404: used, withdrawn, replaced, expired and never given look alike. */
export async function getOpenInvitation(tx: Tx, token: string): Promise<OpenInvitation> {
  const invitation = await findOpenInvitation(tx, token);
  if (!invitation) throw new ApiError("not_found", "this invitation is not open any more; ask for a new one");
  return invitation;
}

/**
 * Refuses a person whom the invitation was not sent to: a forwarded or overheard link must not let a
 * stranger in. The right e-mail is not told.
 */
export function checkInvited(invitation: OpenInvitation, email: string): void {
  if (invitation.email === email) return;
  throw new ApiError("forbidden", "this invitation was sent to another e-mail; use the account with that one");
}

/** Makes the person a member and uses the invitation up. */
export async function join(tx: Tx, invitation: OpenInvitation, user_id: string): Promise<void> {
  await insertMember(tx, invitation.organization.id, user_id, invitation.role);
  await deleteAcceptedInvitation(tx, invitation);
}

/** Joins as the person signed in. Who is a member already stays what they are, and the invitation is used up. */
export async function acceptInvitation({ tx, user_id }: PersonAccess, token: string): Promise<Organization> {
  const invitation = await getOpenInvitation(tx, token);
  checkInvited(invitation, (await getPerson(tx, user_id)).email);
  await join(tx, invitation, user_id);
  return describeOrganization(invitation.organization);
}
