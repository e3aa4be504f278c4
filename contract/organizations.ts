import Type, { type Static } from "typebox";
import { Body, Empty, OneOf, PRINTABLE, ResourceId, Timestamp, Uuid } from "./common.ts";
import { contract } from "./route.ts";
import { Email, Organization } from "./users.ts";

const tag = "Organizations";
export const OrganizationName = Type.String({ minLength: 1, maxLength: 256, pattern: PRINTABLE });

/** Neon's document knows five member roles; admin and member are the ones that Latchkey gives. */
export const MemberRole = OneOf("admin", "member");
export type MemberRole = Static<typeof MemberRole>;

export const Member = Type.Object({
  id: Uuid,
  user_id: Uuid,
  org_id: Type.String(),
  role: MemberRole,
  joined_at: Timestamp,
});
export type Member = Static<typeof Member>;

export const MemberWithUser = Type.Object({
  member: Member,
  user: Type.Object({ email: Type.String(), name: Type.String() }),
});

export const Invitation = Type.Object({
  id: Uuid,
  email: Type.String(),
  org_id: Type.String(),
  invited_by: Uuid,
  invited_at: Timestamp,
  expires_at: Timestamp,
  role: MemberRole,
});
export type Invitation = Static<typeof Invitation>;

const OfOrganization = Type.Object({ org_id: ResourceId });
const OfMember = Type.Object({ org_id: ResourceId, member_id: Uuid });

export const getOrganization = contract({
  id: "getOrganization",
  method: "GET",
  path: "/organizations/{org_id}",
  tag,
  summary: "One organization",
  params: OfOrganization,
  status: 200,
  response: Organization,
});

export const createOrganization = contract({
  id: "createOrganization",
  method: "POST",
  path: "/organizations",
  tag,
  summary: "Create an organization; you become its admin",
  body: Body({ organization: Body({ name: OrganizationName }) }),
  status: 201,
  response: Organization,
});

export const updateOrganization = contract({
  id: "updateOrganization",
  method: "PATCH",
  path: "/organizations/{org_id}",
  tag,
  summary: "Rename an organization",
  params: OfOrganization,
  body: Body({ organization: Body({ name: OrganizationName }) }),
  status: 200,
  response: Organization,
});

export const getOrganizationMembers = contract({
  id: "getOrganizationMembers",
  method: "GET",
  path: "/organizations/{org_id}/members",
  tag,
  summary: "The members of an organization",
  params: OfOrganization,
  query: Type.Object({
    sort_by: Type.Optional(Type.Enum(["email", "role", "joined_at"], { default: "joined_at" })),
    sort_order: Type.Optional(Type.Enum(["asc", "desc"], { default: "asc" })),
    cursor: Type.Optional(Type.String({ maxLength: 512 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
  }),
  status: 200,
  response: Type.Object({
    members: Type.Array(MemberWithUser),
    pagination: Type.Optional(
      Type.Object({
        next: Type.Optional(Type.String()),
        sort_by: Type.Optional(Type.String()),
        sort_order: Type.Optional(Type.String()),
      }),
    ),
  }),
});

export const getOrganizationMember = contract({
  id: "getOrganizationMember",
  method: "GET",
  path: "/organizations/{org_id}/members/{member_id}",
  tag,
  summary: "One member of an organization",
  params: OfMember,
  status: 200,
  response: Member,
});

export const updateOrganizationMember = contract({
  id: "updateOrganizationMember",
  method: "PATCH",
  path: "/organizations/{org_id}/members/{member_id}",
  tag,
  summary: "Change a member role",
  description: "The last admin of an organization cannot be demoted.",
  params: OfMember,
  body: Body({ role: MemberRole }),
  status: 200,
  response: Member,
});

export const removeOrganizationMember = contract({
  id: "removeOrganizationMember",
  method: "DELETE",
  path: "/organizations/{org_id}/members/{member_id}",
  tag,
  summary: "Remove a member, or leave",
  description: "The last admin of an organization cannot be removed.",
  params: OfMember,
  status: 200,
  response: Empty,
});

export const getOrganizationInvitations = contract({
  id: "getOrganizationInvitations",
  method: "GET",
  path: "/organizations/{org_id}/invitations",
  tag,
  summary: "The open invitations of an organization",
  params: OfOrganization,
  status: 200,
  response: Type.Object({ invitations: Type.Array(Invitation) }),
});

export const createOrganizationInvitations = contract({
  id: "createOrganizationInvitations",
  method: "POST",
  path: "/organizations/{org_id}/invitations",
  tag,
  summary: "Invite people by e-mail",
  description:
    "With SMTP configured the link goes out by mail; without it the answer holds `accept_url` once, for the " +
    "inviter to pass on.",
  params: OfOrganization,
  body: Body({ invitations: Type.Array(Body({ email: Email, role: MemberRole }), { minItems: 1, maxItems: 50 }) }),
  status: 200,
  response: Type.Object({
    invitations: Type.Array(Type.Object({ ...Invitation.properties, accept_url: Type.Optional(Type.String()) })),
  }),
  secret: true,
});

export const revokeOrganizationInvitation = contract({
  id: "revokeOrganizationInvitation",
  method: "DELETE",
  path: "/organizations/{org_id}/invitations/{invitation_id}",
  tag,
  summary: "Withdraw an open invitation",
  params: Type.Object({ org_id: ResourceId, invitation_id: Uuid }),
  status: 200,
  response: Empty,
});

export const acceptInvitation = contract({
  id: "acceptInvitation",
  method: "POST",
  path: "/invitations/accept",
  tag,
  summary: "Join an organization with the token of an invitation link, as the person signed in",
  body: Body({ invitation_token: Type.String({ minLength: 1, maxLength: 128 }) }),
  status: 200,
  response: Organization,
});
