import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { sql } from "kysely";
import { openTestInstance, type TestInstance } from "../../test/harness/instance.ts";
import { inOrganization, makePerson } from "../../test/harness/people.ts";
import type { Config } from "../config.ts";
import { ApiError } from "../errors.ts";
import { createInvitations } from "../organizations/invitations/rules.ts";
import { listOrganizationsOfPerson } from "../organizations/store.ts";
import { createPerson } from "./create-person.ts";
import { issueSetupToken } from "./setup-token.ts";
import { prepareSignUp, type SignUp, signUp } from "./sign-up.ts";
import { getCurrentUser } from "./store.ts";

let instance: TestInstance;

before(async () => {
  instance = await openTestInstance();
});
after(() => instance.end());
afterEach(async () => {
  await sql`truncate users, organizations, setup_tokens cascade`.execute(instance.db);
});

const ADA: SignUp = { email: "Ada@Example.com", password: "correct horse", name: "Ada" };
const BOB: SignUp = { email: "bob@example.com", password: "battery staple", name: "Bob" };

const join = async (body: SignUp, mode: Config["sign_up"] = "invitation") => {
  const hash = await prepareSignUp(instance.db, body, mode);
  return await instance.db.transaction().execute((tx) => signUp(tx, body, mode, hash));
};

const refused = (status: number, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ApiError, String(error));
  assert.equal(error.status, status);
  assert.match(error.message, words);
  return true;
};

const setupToken = async () => (await issueSetupToken(instance.db))?.reveal() ?? assert.fail("no token");

/** An instance with a person, and an invitation of theirs. */
async function invite(email: string) {
  const host = await makePerson(instance.db, "Host");
  const [made] = await instance.db.transaction().execute(async (tx) => {
    const access = await inOrganization(tx, host.user_id, host.org_id, "invitation.create");
    return await createInvitations(access, [{ email, role: "member" }]);
  });
  return { host, token: made?.token.reveal() ?? "" };
}

const organizationsOf = (user_id: string) => listOrganizationsOfPerson({ tx: instance.db, user_id });

test("the first person needs the setup token and becomes instance administrator with an organization", async () => {
  const setup_token = await setupToken();
  await assert.rejects(join(ADA, "open"), refused(403, /setup link/));
  await assert.rejects(
    join({ ...ADA, setup_token: `${setup_token.slice(0, -1)}!` }, "open"),
    refused(403, /setup link/),
  );
  const user_id = await join({ ...ADA, setup_token }, "closed");
  const user = await getCurrentUser({ tx: instance.db, user_id });
  assert.deepEqual([user.email, user.name, user.instance_admin], ["ada@example.com", "Ada", true]);
  const [organization, ...others] = await organizationsOf(user_id);
  assert.deepEqual([organization?.name, organization?.personal, others.length], ["Ada", true, 0]);
});

test("of two first sign-ups at once exactly one wins, with the same link or with two", async () => {
  for (const same of [true, false]) {
    const first = await setupToken();
    const second = same ? first : await setupToken();
    const results = await Promise.allSettled([
      join({ ...ADA, setup_token: first }, "open"),
      join({ ...BOB, setup_token: second }, "open"),
    ]);
    assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    const loser = results.find((result) => result.status === "rejected");
    refused(409, /already/)(loser?.reason);
    const admins = await instance.db.selectFrom("users").select("instance_admin").execute();
    assert.deepEqual(admins, [{ instance_admin: true }]);
    await sql`truncate users, organizations, setup_tokens cascade`.execute(instance.db);
  }
});

test("no setup token is given or taken once there is a person", async () => {
  const setup_token = await setupToken();
  const another = await setupToken();
  await join({ ...ADA, setup_token });
  assert.equal(await issueSetupToken(instance.db), undefined);
  for (const used of [setup_token, another]) {
    await assert.rejects(join({ ...BOB, setup_token: used }, "open"), refused(409, /set up already/));
  }
  assert.deepEqual(await instance.db.selectFrom("setup_tokens").selectAll().execute(), []);
});

test("a setup token is not in the database, only its digest", async () => {
  const setup_token = await setupToken();
  const [row] = await instance.db.selectFrom("setup_tokens").selectAll().execute();
  assert.equal(row?.token_digest.length, 32);
  assert.ok(!row.token_digest.includes(setup_token.slice(9)));
});

test("each mode of sign-up lets in whom it says", async () => {
  const { token: invitation_token } = await invite(BOB.email);
  await assert.rejects(join(BOB, "closed"), refused(403, /closed/));
  await assert.rejects(join({ ...BOB, invitation_token }, "closed"), refused(403, /closed/));
  await assert.rejects(join(BOB, "invitation"), refused(403, /needs an invitation/));
  await join(ADA, "open");
  const { instance_admin } = await getCurrentUser({
    tx: instance.db,
    user_id: await join({ ...BOB, invitation_token }),
  });
  assert.equal(instance_admin, false);
});

test("an invited person becomes a member where they were invited, and has an organization of their own", async () => {
  const { host, token: invitation_token } = await invite("BOB@example.com");
  const user_id = await join({ ...BOB, invitation_token });
  const [own, joined, ...others] = await organizationsOf(user_id);
  assert.deepEqual([own?.name, own?.personal, joined?.id, others.length], ["Bob", true, host.org_id, 0]);
});

test("an invitation lets in only the e-mail that it was sent to, and only once", async () => {
  const { token: invitation_token } = await invite(BOB.email);
  await assert.rejects(join({ ...ADA, invitation_token }), refused(403, /another e-mail/));
  await join({ ...BOB, invitation_token });
  await assert.rejects(join({ ...BOB, invitation_token }), refused(404, /not open any more/));
});

test("an expired invitation lets nobody in", async () => {
  const { token: invitation_token } = await invite(BOB.email);
  await instance.db.updateTable("invitations").set({ expires_at: sql`now() - interval '1 second'` }).execute();
  await assert.rejects(join({ ...BOB, invitation_token }), refused(404, /not open any more/));
});

test("a taken e-mail is told only to those who are let in, however it is written", async () => {
  await join({ ...ADA, setup_token: await setupToken() });
  await assert.rejects(join({ ...ADA, email: "ADA@example.COM" }, "invitation"), refused(403, /needs an invitation/));
  await assert.rejects(join({ ...ADA, email: "ADA@example.COM" }, "open"), refused(409, /sign in instead/));
});

test("a sign-up that fails leaves nothing behind and does not use the invitation up", async () => {
  const { host, token: invitation_token } = await invite(BOB.email);
  const body = { ...BOB, invitation_token };
  const hash = await prepareSignUp(instance.db, body, "invitation");
  const broken = instance.db.transaction().execute(async (tx) => {
    await signUp(tx, body, "invitation", hash);
    throw new Error("broken");
  });
  await assert.rejects(broken, /broken/);
  const people = await instance.db.selectFrom("users").select("id").execute();
  assert.deepEqual(people, [{ id: host.user_id }]);
  await join({ ...BOB, invitation_token });
});

test("passwords are kept as argon2id with the figures that OWASP gives", async () => {
  await join({ ...ADA, setup_token: await setupToken() });
  const { password } = await instance.db.selectFrom("accounts").select("password").executeTakeFirstOrThrow();
  assert.match(password ?? "", /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
});

test("handles are url-safe and unique however people are named", async () => {
  const names = ["Ada", "Ada", "Ädä  Ö'Neill", "日本", "-", "x".repeat(256)];
  const handles = [];
  for (const [i, name] of names.entries()) {
    const user = { email: `p${i}@example.com`, name, instance_admin: false, email_verified: true };
    const made = await instance.db.transaction().execute((tx) => createPerson(tx, user, undefined));
    handles.push(made.organization.handle);
  }
  for (const handle of handles) assert.match(handle, /^[a-z0-9]+(-[a-z0-9]+)*$/);
  assert.equal(new Set(handles).size, names.length);
  assert.match(handles[2] ?? "", /^ada-o-neill-/);
});
