import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { openTestInstance, type TestInstance } from "../../../test/harness/instance.ts";
import { asPerson, inOrganization, makeMember, makePerson, type TestPerson } from "../../../test/harness/people.ts";
import type { OrganizationAccess } from "../../access/handles.ts";
import { ApiError } from "../../errors.ts";
import { acceptInvitation, createInvitations } from "./rules.ts";
import { deleteInvitation, listInvitations } from "./store.ts";

let instance: TestInstance;

before(async () => {
  instance = await openTestInstance();
});
after(() => instance.end());

const asAdmin = <T>(host: TestPerson, rule: (access: OrganizationAccess) => Promise<T>) =>
  instance.db
    .transaction()
    .execute(async (tx) => await rule(await inOrganization(tx, host.user_id, host.org_id, "invitation.create")));

async function invite(host: TestPerson, email: string, role: "admin" | "member" = "member") {
  const [made] = await asAdmin(host, (access) => createInvitations(access, [{ email, role }]));
  return { id: made?.invitation.id ?? "", token: made?.token.reveal() ?? "" };
}

const accept = (person: TestPerson, token: string) =>
  instance.db
    .transaction()
    .execute(async (tx) => await acceptInvitation(await asPerson(tx, person.user_id, "invitation.accept"), token));

const open = (host: TestPerson) => asAdmin(host, listInvitations);

async function roleOf(person: TestPerson, host: TestPerson): Promise<string | undefined> {
  const row = instance.db.selectFrom("members").select("role").where("org_id", "=", host.org_id);
  return (await row.where("user_id", "=", person.user_id).executeTakeFirst())?.role;
}

const refused = (status: number, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ApiError, String(error));
  assert.equal(error.status, status);
  assert.match(error.message, words);
  return true;
};

const people = async () => [await makePerson(instance.db, "Host"), await makePerson(instance.db, "Guest")] as const;

test("an invitation is good once, for the person with that e-mail, in the role that it names", async () => {
  const [host, guest] = await people();
  const { token } = await invite(host, guest.email.toUpperCase(), "admin");
  const stranger = await makePerson(instance.db, "Eve");
  await assert.rejects(accept(stranger, token), refused(403, /another e-mail/));
  assert.equal((await accept(guest, token)).id, host.org_id);
  assert.equal(await roleOf(guest, host), "admin");
  await assert.rejects(accept(guest, token), refused(404, /not open any more/));
  assert.deepEqual(await open(host), []);
});

test("the refusal of a stranger does not tell whom the invitation was for", async () => {
  const [host, guest] = await people();
  const { token } = await invite(host, guest.email);
  const stranger = await makePerson(instance.db, "Eve");
  await assert.rejects(accept(stranger, token), (error: Error) => !error.message.includes(guest.email));
});

test("inviting again replaces the link: the old one opens nothing, and one invitation is listed", async () => {
  const [host, guest] = await people();
  const first = await invite(host, guest.email);
  const second = await invite(host, guest.email, "admin");
  assert.equal(first.id, second.id);
  assert.deepEqual(
    (await open(host)).map(({ id, role }) => [id, role]),
    [[first.id, "admin"]],
  );
  await assert.rejects(accept(guest, first.token), refused(404, /not open any more/));
  await accept(guest, second.token);
});

test("a member cannot be invited, and then none of the list is", async () => {
  const [host, guest] = await people();
  await makeMember(instance.db, host.org_id, guest.user_id, "member");
  const list = ["new@example.com", guest.email.toUpperCase()].map((email) => ({ email, role: "member" as const }));
  await assert.rejects(
    asAdmin(host, (access) => createInvitations(access, list)),
    refused(409, /is a member of this organization already/),
  );
  assert.deepEqual(await open(host), []);
});

test("one e-mail in two spellings in one list is refused", async () => {
  const [host] = await people();
  const list = ["a@example.com", "A@example.com"].map((email) => ({ email, role: "member" as const }));
  await assert.rejects(
    asAdmin(host, (access) => createInvitations(access, list)),
    refused(400, /twice/),
  );
});

test("invitations come back in the order that was asked for", async () => {
  const [host] = await people();
  const emails = ["c@example.com", "a@example.com", "b@example.com"];
  const list = emails.map((email) => ({ email, role: "member" as const }));
  const made = await asAdmin(host, (access) => createInvitations(access, list));
  assert.deepEqual(
    made.map(({ invitation }) => invitation.email),
    emails,
  );
});

test("who joined meanwhile in another way keeps their role, and the invitation is used up", async () => {
  const [host, guest] = await people();
  const { token } = await invite(host, guest.email, "member");
  await makeMember(instance.db, host.org_id, guest.user_id, "admin");
  assert.equal((await accept(guest, token)).id, host.org_id);
  assert.equal(await roleOf(guest, host), "admin");
  assert.deepEqual(await open(host), []);
});

test("an invitation that is accepted twice at once is accepted once", async () => {
  const [host, guest] = await people();
  const { token } = await invite(host, guest.email);
  const results = await Promise.allSettled([accept(guest, token), accept(guest, token)]);
  assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.equal(await roleOf(guest, host), "member");
});

test("an expired or withdrawn invitation opens nothing and is not listed", async () => {
  const [host, guest] = await people();
  const expired = await invite(host, guest.email);
  const [listed] = await open(host);
  const days = (Date.parse(listed?.expires_at ?? "") - Date.parse(listed?.invited_at ?? "")) / 86_400_000;
  assert.equal(days, 7);
  await sql`update invitations set expires_at = now() where id = ${expired.id}`.execute(instance.db);
  assert.deepEqual(await open(host), []);
  await assert.rejects(accept(guest, expired.token), refused(404, /not open any more/));
  assert.equal(await asAdmin(host, (access) => deleteInvitation(access, expired.id)), false);

  const again = await invite(host, guest.email);
  assert.equal(await asAdmin(host, (access) => deleteInvitation(access, again.id)), true);
  await assert.rejects(accept(guest, again.token), refused(404, /not open any more/));
});

test("an invitation of another organization cannot be withdrawn", async () => {
  const [host, guest] = await people();
  const { id } = await invite(host, guest.email);
  assert.equal(await asAdmin(guest, (access) => deleteInvitation(access, id)), false);
  assert.equal((await open(host)).length, 1);
});

test("the database holds digests of invitation tokens and no token", async () => {
  const [host, guest] = await people();
  const { id, token } = await invite(host, guest.email);
  const rows = await sql<{ row: string }>`select i::text as row from invitations i where id = ${id}`.execute(
    instance.db,
  );
  assert.equal(rows.rows.length, 1);
  assert.ok(!rows.rows[0]?.row.includes(Buffer.from(token).toString("hex")));
  assert.ok(!rows.rows[0]?.row.includes(token));
});
