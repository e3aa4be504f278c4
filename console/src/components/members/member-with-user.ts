import type { getOrganizationMembers } from "@latchkey/contract/organizations.ts";
import type { ResponseOf } from "@latchkey/contract/route.ts";

/** A membership with the person it is of. */
export type MemberWithUser = ResponseOf<typeof getOrganizationMembers>["members"][number];
