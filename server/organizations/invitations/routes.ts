import * as contract from "@latchkey/contract/organizations.ts";
import { ApiError } from "../../errors.ts";
import { invitationMail } from "../../mail/invitation.ts";
import type { Mailer } from "../../mail/mailer.ts";
import { AnswerAfterCommit, type Route, route } from "../../route.ts";
import { acceptInvitation, createInvitations } from "./rules.ts";
import { deleteInvitation, getPerson, listInvitations } from "./store.ts";

export interface InvitationDeps {
  readonly public_url: string;
  /** Absent: links are shown to the inviter. */
  readonly mailer: Mailer | undefined;
}

export function invitationRoutes({ public_url, mailer }: InvitationDeps): Route[] {
  return [
    route(contract.getOrganizationInvitations, {
      requires: { on: "organization", action: "invitation.list" },
      run: async (access) => ({ invitations: await listInvitations(access) }),
    }),
    route(contract.createOrganizationInvitations, {
      requires: { on: "organization", action: "invitation.create" },
      run: async (access, { body }) => {
        const made = await createInvitations(access, body.invitations);
        const links = made.map(({ invitation, token }) => ({
          ...invitation,
          accept_url: `${public_url}/invitations/accept#${token.reveal()}`,
        }));
        if (!mailer) return { invitations: links };

        const organization = access.organization.name;
        const [first] = made;
        if (!first) return { invitations: [] };
        const invited_by = await getPerson(access.tx, first.invitation.invited_by);
        const mails = links.map(({ email, accept_url, expires_at }) =>
          invitationMail({ to: email, organization, invited_by, accept_url, expires_at }),
        );
        const invitations = made.map(({ invitation }) => invitation);
        return new AnswerAfterCommit({ invitations }, async () => {
          const unsent = new Set((await mailer.send(mails)).map(({ to }) => to));
          // The inviter must not believe that a mail is under way which is not: they get the link instead.
          return { invitations: links.map((link, i) => (unsent.has(link.email) ? link : (invitations[i] ?? link))) };
        });
      },
      audit: ({ params }, { invitations }) => ({
        subject: invitations.map(({ id }) => `invitation:${id}`).join(" "),
        org_id: params.org_id,
      }),
    }),
    route(contract.revokeOrganizationInvitation, {
      requires: { on: "organization", action: "invitation.revoke" },
      run: async (access, { params }) => {
        if (!(await deleteInvitation(access, params.invitation_id)))
          throw new ApiError("not_found", "invitation not found");
        return {};
      },
      audit: ({ params }) => ({ subject: `invitation:${params.invitation_id}`, org_id: params.org_id }),
    }),
    route(contract.acceptInvitation, {
      requires: { on: "person", action: "invitation.accept" },
      run: async (access, { body }) => await acceptInvitation(access, body.invitation_token),
      audit: (_, { id }) => ({ subject: `organization:${id}`, org_id: id }),
    }),
  ];
}
