import * as contract from "@latchkey/contract/organizations.ts";
import { type Route, route } from "../../route.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import { changeMemberRole, getMember, removeMember } from "./rules.ts";
import { listMembers } from "./store.ts";

/** Neon's largest page; its clients that do not page get this many. */
const DEFAULT_LIMIT = 500;

export function memberRoutes(): Route[] {
  return [
    route(contract.getOrganizationMembers, {
      requires: { on: "organization", action: "member.list" },
      run: async (access, { query }) => {
        const { sort_by = "joined_at", sort_order = "asc", cursor, limit = DEFAULT_LIMIT } = query;
        const after = cursor === undefined ? undefined : parseCursor(cursor, sort_by, sort_order);
        // One more than asked for tells whether there is a next page.
        const rows = await listMembers(access, { sort_by, sort_order, after, limit: limit + 1 });
        const page = rows.slice(0, limit);
        const last = page.at(-1);
        const more = last !== undefined && rows.length > limit;
        const next = more
          ? { next: formatCursor(sort_by, sort_order, { value: last[sort_by], member_id: last.id }) }
          : {};
        return {
          members: page.map(({ email, name, ...member }) => ({ member, user: { email, name } })),
          pagination: { ...next, sort_by, sort_order },
        };
      },
    }),
    route(contract.getOrganizationMember, {
      requires: { on: "organization", action: "member.read" },
      run: async (access, { params }) => await getMember(access, params.member_id),
    }),
    route(contract.updateOrganizationMember, {
      requires: { on: "organization", action: "member.update" },
      run: async (access, { params, body }) => await changeMemberRole(access, params.member_id, body.role),
      audit: ({ params }, { id }) => ({ subject: `member:${id}`, org_id: params.org_id }),
    }),
    route(contract.removeOrganizationMember, {
      // The lesser of the two: whether the caller leaves or removes another shows once the row is read.
      requires: { on: "organization", action: "member.leave" },
      run: async (access, { params }) => {
        await removeMember(access, params.member_id);
        return {};
      },
      audit: ({ params }) => ({ subject: `member:${params.member_id}`, org_id: params.org_id }),
    }),
  ];
}
