import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { openTestInstance, type TestInstance } from "../../../test/harness/instance.ts";
import { inOrganization, makeMember, makePerson, type TestPerson } from "../../../test/harness/people.ts";
import type { OrganizationAccess } from "../../access/handles.ts";
import { insertOrganizationKey } from "../../api-keys/store.ts";
import { ApiError } from "../../errors.ts";
import { createInvitations } from "../invitations/rules.ts";
import { insertOrganization, listOrganizationsOfPerson } from "../store.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import { changeMemberRole, removeMember } from "./rules.ts";
import { listMembers, type MemberOrder } from "./store.ts";

let instance: TestInstance;

before(async () => {
  instance = await openTestInstance();
});
after(() => instance.end());

/** An organization with these members, in this order. */
async function organizationOf(...roles: ("admin" | "member")[]) {
  const host = await makePerson(instance.db, "Host");
  const { id: org_id } = await insertOrganization(instance.db, host.user_id, "Acme", { personal: false });
  await sql`delete from members where org_id = ${org_id}`.execute(instance.db);
  const members: (TestPerson & { member_id: string })[] = [];
  for (const role of roles) {
    const person = await makePerson(instance.db, role);
    members.push({ ...person, member_id: await makeMember(instance.db, org_id, person.user_id, role) });
  }
  return { org_id, members };
}

/** Runs a rule as the pipeline does: authorized and carried out in one transaction. */
function act(user_id: string | undefined, org_id: string, rule: (access: OrganizationAccess) => Promise<unknown>) {
  return instance.db
    .transaction()
    .execute(async (tx) => await rule(await inOrganization(tx, user_id ?? "", org_id, "member.leave")));
}

const refused = (status: number, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ApiError, String(error));
  assert.equal(error.status, status);
  assert.match(error.message, words);
  return true;
};

async function adminsOf(org_id: string): Promise<number> {
  const rows = instance.db.selectFrom("members").select("id").where("org_id", "=", org_id).where("role", "=", "admin");
  return (await rows.execute()).length;
}

test("the last admin can be neither demoted nor removed, and cannot leave", async () => {
  const { org_id, members } = await organizationOf("admin", "member");
  const [admin] = members;
  const member_id = admin?.member_id ?? "";
  const demote = act(admin?.user_id, org_id, (access) => changeMemberRole(access, member_id, "member"));
  await assert.rejects(demote, refused(422, /last admin/));
  await assert.rejects(
    act(admin?.user_id, org_id, (access) => removeMember(access, member_id)),
    refused(422, /last admin/),
  );
  assert.equal(await adminsOf(org_id), 1);
});

test("two admins who demote each other at once leave one admin", async () => {
  for (let round = 0; round < 5; round++) {
    const { org_id, members } = await organizationOf("admin", "admin");
    const [a, b] = members;
    const results = await Promise.allSettled([
      act(a?.user_id, org_id, (access) => changeMemberRole(access, b?.member_id ?? "", "member")),
      act(b?.user_id, org_id, (access) => changeMemberRole(access, a?.member_id ?? "", "member")),
    ]);
    assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    assert.equal(await adminsOf(org_id), 1);
  }
});

test("two admins who leave at once leave one admin", async () => {
  const { org_id, members } = await organizationOf("admin", "admin");
  const results = await Promise.allSettled(
    members.map(({ user_id, member_id }) => act(user_id, org_id, (access) => removeMember(access, member_id))),
  );
  assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.equal(await adminsOf(org_id), 1);
});

test("an admin who was demoted while their request waited does nothing with the power they had", async () => {
  const { org_id, members } = await organizationOf("admin", "admin", "admin");
  const [a, b, c] = members;
  let demoted: Promise<unknown> = Promise.resolve();
  await act(a?.user_id, org_id, async (access) => {
    await changeMemberRole(access, b?.member_id ?? "", "member");
    demoted = act(b?.user_id, org_id, (late) => changeMemberRole(late, c?.member_id ?? "", "member"));
    demoted.catch(() => {});
    // Until the late one has been authorized as the admin it still is, and waits for the lock.
    while ((await waiting()) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
  await assert.rejects(demoted, refused(403, /member role/));
  assert.equal(await adminsOf(org_id), 2);
});

for (const [what, action, rule] of [
  ["key", "organization_key.create", (access: OrganizationAccess) => insertOrganizationKey(access, "left behind")],
  [
    "invitation",
    "invitation.create",
    (access: OrganizationAccess) => createInvitations(access, [{ email: "eve@example.com", role: "admin" }]),
  ],
  ["project elsewhere", "project.transfer_out", async () => {}],
] as const) {
  test(`an admin who was removed or demoted while their request waited leaves no ${what} behind`, async () => {
    for (const end of [
      removeMember,
      (access: OrganizationAccess, id: string) => changeMemberRole(access, id, "member"),
    ]) {
      const { org_id, members } = await organizationOf("admin", "admin");
      const [a, b] = members;
      let late: Promise<unknown> = Promise.resolve();
      let over = false;
      await act(a?.user_id, org_id, async (access) => {
        await end(access, b?.member_id ?? "");
        late = instance.db
          .transaction()
          .execute(async (tx) => await rule(await inOrganization(tx, b?.user_id ?? "", org_id, action)))
          .finally(() => {
            over = true;
          });
        late.catch(() => {});
        while (!over && (await waiting()) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      });
      await assert.rejects(late, refused(403, /member/));
    }
  });
}

async function waiting(): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*) as n from pg_stat_activity where wait_event_type = 'Lock'`.execute(instance.db);
  return rows[0]?.n ?? 0;
}

test("a member leaves by themselves but removes nobody else", async () => {
  const { org_id, members } = await organizationOf("admin", "member", "member");
  const [, member, other] = members;
  const remove = act(member?.user_id, org_id, (access) => removeMember(access, other?.member_id ?? ""));
  await assert.rejects(remove, refused(403, /member role/));
  await act(member?.user_id, org_id, (access) => removeMember(access, member?.member_id ?? ""));
  const left = await instance.db.selectFrom("members").select("id").where("org_id", "=", org_id).execute();
  assert.equal(left.length, 2);
});

test("whoever was removed stands in the organization no more, from the next request on", async () => {
  const { org_id, members } = await organizationOf("admin", "member");
  const [admin, member] = members;
  await act(admin?.user_id, org_id, (access) => removeMember(access, member?.member_id ?? ""));
  await assert.rejects(
    act(member?.user_id, org_id, async () => {}),
    refused(403, /not an organization member/),
  );
  const left = await listOrganizationsOfPerson({ tx: instance.db, user_id: member?.user_id ?? "" });
  assert.deepEqual(
    left.map(({ id }) => id),
    [member?.org_id],
  );
});

test("a person stays admin of their personal organization, whoever else administers it", async () => {
  const person = await makePerson(instance.db, "Ada");
  const friend = await makePerson(instance.db, "Bob");
  await makeMember(instance.db, person.org_id, friend.user_id, "admin");
  const { id } = await instance.db
    .selectFrom("members")
    .select("id")
    .where("user_id", "=", person.user_id)
    .executeTakeFirstOrThrow();
  for (const actor of [person, friend]) {
    const remove = act(actor.user_id, person.org_id, (access) => removeMember(access, id));
    await assert.rejects(remove, refused(422, /personal organization/));
    const demote = act(actor.user_id, person.org_id, (access) => changeMemberRole(access, id, "member"));
    await assert.rejects(demote, refused(422, /personal organization/));
  }
});

test("a member of another organization is not found through this one", async () => {
  const one = await organizationOf("admin", "admin");
  const other = await organizationOf("admin", "admin");
  const foreign = other.members[0]?.member_id ?? "";
  for (const rule of [
    (access: OrganizationAccess) => removeMember(access, foreign),
    (access: OrganizationAccess) => changeMemberRole(access, foreign, "member"),
  ]) {
    await assert.rejects(act(one.members[0]?.user_id, one.org_id, rule), refused(404, /member not found/));
  }
});

test("pages of members join to the whole list, once each, in every order, though some joined at one instant", async () => {
  const { org_id, members } = await organizationOf("admin", "member", "member", "admin", "member", "admin", "member");
  await sql`update members set joined_at = timestamptz '2030-01-01 00:00:00.123456' + interval '1 microsecond' * ascii(right(id::text, 1))
    where org_id = ${org_id} and role = 'member'`.execute(instance.db);
  const access = await inOrganization(instance.db, members[0]?.user_id ?? "", org_id, "member.list");
  for (const sort_by of ["email", "role", "joined_at"] as const satisfies MemberOrder[]) {
    for (const sort_order of ["asc", "desc"] as const) {
      const all = await listMembers(access, { sort_by, sort_order, after: undefined, limit: 100 });
      const values = all.map((row) => row[sort_by]);
      assert.deepEqual(values, sort_order === "asc" ? values.toSorted() : values.toSorted().reverse());
      const paged: string[] = [];
      let after: { value: string; member_id: string } | undefined;
      for (let page = await listMembers(access, { sort_by, sort_order, after, limit: 2 }); page.length > 0; ) {
        paged.push(...page.map(({ id }) => id));
        const last = page.at(-1) ?? assert.fail();
        const cursor = formatCursor(sort_by, sort_order, { value: last[sort_by], member_id: last.id });
        assert.match(cursor, /^[A-Za-z0-9_-]+$/);
        after = parseCursor(cursor, sort_by, sort_order);
        page = await listMembers(access, { sort_by, sort_order, after, limit: 2 });
      }
      assert.deepEqual(
        paged,
        all.map(({ id }) => id),
      );
    }
  }
});

test("a cursor that is none, or of a list in another order, is 400", () => {
  const member_id = crypto.randomUUID();
  const good = formatCursor("email", "asc", { value: "a@b.co", member_id });
  assert.throws(() => parseCursor(good, "email", "desc"), refused(400, /another order/));
  assert.throws(() => parseCursor(good, "joined_at", "asc"), refused(400, /another order/));
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const notInstant = encode({ value: "soon", member_id, sort_by: "joined_at", sort_order: "asc" });
  assert.throws(() => parseCursor(notInstant, "joined_at", "asc"), refused(400, /another order/));
  for (const bad of [
    "",
    "x",
    "null",
    encode(null),
    encode([]),
    encode({ value: 1, member_id }),
    encode({ value: "a" }),
  ]) {
    assert.throws(() => parseCursor(bad, "email", "asc"), refused(400, /none that this server gave/));
  }
});
