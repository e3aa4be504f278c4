import type { Member, MemberRole } from "@latchkey/contract/organizations.ts";
import { sql } from "kysely";
import type { OrganizationAccess } from "../../access/handles.ts";
import type { Tx } from "../../db/pool.ts";
import { newUuid } from "../../ids.ts";

const COLUMNS = ["id", "user_id", "org_id", "role", "joined_at"] as const;

/**
 * Lets one change of an organization's memberships through at a time, until the transaction ends: two admins
 * who demote each other at once must not leave an organization without one. Weak enough to let rows that
 * refer to the organization (new projects, new keys) be added meanwhile.
 */
export async function lockMemberships({ tx, org_id }: OrganizationAccess): Promise<void> {
  await tx.selectFrom("organizations").select("id").where("id", "=", org_id).forNoKeyUpdate().execute();
}

export async function findMember({ tx, org_id }: OrganizationAccess, member_id: string): Promise<Member | undefined> {
  return await tx
    .selectFrom("members")
    .select(COLUMNS)
    .where("org_id", "=", org_id)
    .where("id", "=", member_id)
    .executeTakeFirst();
}

/** The caller's member role as it is now; it may have changed since the request was authorized. */
export async function findRoleOf({ tx, org_id }: OrganizationAccess, user_id: string): Promise<MemberRole | undefined> {
  const row = await tx
    .selectFrom("members")
    .select("role")
    .where("org_id", "=", org_id)
    .where("user_id", "=", user_id)
    .executeTakeFirst();
  return row?.role;
}

export async function countAdmins({ tx, org_id }: OrganizationAccess): Promise<number> {
  const { admins } = await tx
    .selectFrom("members")
    .select((eb) => eb.fn.countAll<number>().as("admins"))
    .where("org_id", "=", org_id)
    .where("role", "=", "admin")
    .executeTakeFirstOrThrow();
  return admins;
}

export async function updateMemberRole(
  access: OrganizationAccess,
  member_id: string,
  role: MemberRole,
): Promise<Member> {
  return await access.tx
    .updateTable("members")
    .set({ role })
    .where("org_id", "=", access.org_id)
    .where("id", "=", member_id)
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
}

export async function deleteMember({ tx, org_id }: OrganizationAccess, member_id: string): Promise<void> {
  await tx.deleteFrom("members").where("org_id", "=", org_id).where("id", "=", member_id).execute();
}

/** Adds a person to an organization; somebody who is in it already stays as they are. */
export async function insertMember(tx: Tx, org_id: string, user_id: string, role: MemberRole): Promise<void> {
  await tx
    .insertInto("members")
    .values({ id: newUuid(), org_id, user_id, role })
    .onConflict((conflict) => conflict.columns(["org_id", "user_id"]).doNothing())
    .execute();
}

export type MemberOrder = "email" | "role" | "joined_at";

/** Where a page begins: after this value of the sorted column, and, among equals, after this member. */
export interface MemberPosition {
  readonly value: string;
  readonly member_id: string;
}

export interface MemberPage {
  readonly sort_by: MemberOrder;
  readonly sort_order: "asc" | "desc";
  readonly after: MemberPosition | undefined;
  readonly limit: number;
}

/** What members are sorted by. An instant leaves the database in milliseconds, so that is what is compared. */
const SORTED = {
  email: sql<string>`u.email collate "C"`,
  role: sql<string>`m.role collate "C"`,
  joined_at: sql<string>`date_trunc('milliseconds', m.joined_at)`,
} as const satisfies Record<MemberOrder, unknown>;

export async function listMembers({ tx, org_id }: OrganizationAccess, page: MemberPage) {
  const { sort_by, sort_order, after, limit } = page;
  const sorted = SORTED[sort_by];
  const value = sort_by === "joined_at" ? sql`${after?.value}::timestamptz` : sql`${after?.value}::text`;
  const beyond = sort_order === "asc" ? sql`>` : sql`<`;
  return await tx
    .selectFrom("members as m")
    .innerJoin("users as u", "u.id", "m.user_id")
    .select(["m.id", "m.user_id", "m.org_id", "m.role", "m.joined_at", "u.email", "u.name"])
    .where("m.org_id", "=", org_id)
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(${sorted}, m.id) ${beyond} (${value}, ${after?.member_id}::uuid)`),
    )
    .orderBy(sorted, sort_order)
    .orderBy("m.id", sort_order)
    .limit(limit)
    .execute();
}
