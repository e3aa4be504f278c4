import type { Member, MemberRole } from "@latchkey/contract/organizations.ts";
import type { OrganizationAccess } from "../../access/handles.ts";
import { refusal } from "../../access/policy.ts";
import { ApiError } from "../../errors.ts";
import { countAdmins, deleteMember, findMember, findRoleOf, lockMemberships, updateMemberRole } from "./store.ts";

export async function getMember(access: OrganizationAccess, member_id: string): Promise<Member> {
  const member = await findMember(access, member_id);
  if (!member) throw new ApiError("not_found", "member not found in this organization");
  return member;
}

/** Changes a member role. An organization always keeps an admin, and a personal one its person as admin. */
export async function changeMemberRole(
  access: OrganizationAccess,
  member_id: string,
  role: MemberRole,
): Promise<Member> {
  await beginMembershipChange(access);
  const member = await getMember(access, member_id);
  if (member.role === role) return member;
  if (role !== "admin") await checkMayLoseAdmin(access, member, "demoted");
  return await updateMemberRole(access, member_id, role);
}

/**
 * Removes a member, who may be the caller: anybody may leave, others only an admin may remove. What the
 * person reached through the organization with session or key ends with it, since memberships are read at use.
 */
export async function removeMember(access: OrganizationAccess, member_id: string): Promise<void> {
  await beginMembershipChange(access);
  const { principal } = access;
  const member = await getMember(access, member_id);
  const leaves = principal.kind === "person" && principal.user_id === member.user_id;
  if (!leaves) access.require("member.remove");
  await checkMayLoseAdmin(access, member, leaves ? "left" : "removed");
  await deleteMember(access, member_id);
}

/** From here on this transaction alone changes the memberships, and the caller is still what they were. */
async function beginMembershipChange(access: OrganizationAccess): Promise<void> {
  await lockMemberships(access);
  const { principal, standing } = access;
  // Whoever was demoted while this request waited for the lock must not act on the power they had before.
  if (principal.kind === "person" && (await findRoleOf(access, principal.user_id)) !== standing) {
    throw refusal(principal, standing);
  }
}

async function checkMayLoseAdmin(
  access: OrganizationAccess,
  member: Member,
  how: "demoted" | "removed" | "left",
): Promise<void> {
  if (member.user_id === access.organization.personal_of) {
    throw new ApiError(
      "unprocessable",
      how === "left"
        ? "this is your personal organization, which you cannot leave"
        : `this is the personal organization of that member, who cannot be ${how} in it`,
    );
  }
  if (member.role !== "admin" || (await countAdmins(access)) > 1) return;
  throw new ApiError(
    "unprocessable",
    how === "left"
      ? "you are the last admin of this organization; make another member an admin before you leave"
      : `the last admin of an organization cannot be ${how}; make another member an admin first`,
  );
}
