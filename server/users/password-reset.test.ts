import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { openTestInstance, type TestInstance } from "../../test/harness/instance.ts";
import { asPerson, inOrganization, makePerson } from "../../test/harness/people.ts";
import { insertOrganizationKey, insertPersonalKey } from "../api-keys/store.ts";
import { systemClock } from "../clock.ts";
import { ApiError } from "../errors.ts";
import { newUuid } from "../ids.ts";
import { Secret } from "../keys/secret.ts";
import { FailedSignIns } from "../sessions/failed-sign-ins.ts";
import { isPasswordOf } from "../sessions/password.ts";
import { findPasswordHash, insertSession } from "../sessions/store.ts";
import { changePassword } from "./change-password.ts";
import { createPasswordReset, ResetLimits, usePasswordReset } from "./password-reset.ts";
import { setUpPerson } from "./set-up-person.ts";

let instance: TestInstance;

before(async () => {
  instance = await openTestInstance();
});
after(() => instance.end());

const ask = async (email: string, mailed = true) =>
  (await instance.db.transaction().execute((tx) => createPasswordReset(tx, email, { mailed })))?.token.reveal();
const use = async (reset_token: string, new_password = "a new password") =>
  (await instance.db.transaction().execute((tx) => usePasswordReset(tx, { reset_token, new_password }))).user_id;
const refused = (error: unknown) => error instanceof ApiError && error.status === 404;

async function countOf(table: "password_resets" | "sessions", user_id: string): Promise<number> {
  return (await instance.db.selectFrom(table).select("user_id").where("user_id", "=", user_id).execute()).length;
}

test("a token sets the password once, and with it go the person's sessions and other tokens, nobody else's", async () => {
  const ada = await makePerson(instance.db);
  const bob = await makePerson(instance.db, "Bob");
  for (const { user_id } of [ada, bob]) {
    await insertSession(instance.db, user_id, 3600, { address: "192.0.2.1", user_agent: "test" });
  }
  const [first = "", second = "", of_bob = ""] = [
    await ask(ada.email.toUpperCase()),
    await ask(ada.email),
    await ask(bob.email),
  ];
  assert.equal(await use(first), ada.user_id);
  const account = await findPasswordHash(instance.db, ada.email);
  assert.equal(await isPasswordOf(account?.password ?? "", "a new password"), true);
  assert.deepEqual([await countOf("sessions", ada.user_id), await countOf("sessions", bob.user_id)], [0, 1]);
  await assert.rejects(use(first), refused);
  await assert.rejects(use(second), refused);
  assert.equal(await use(of_bob), bob.user_id);
});

test("of many who use the tokens of one person at once, one wins", async () => {
  const { user_id, email } = await makePerson(instance.db);
  const tokens = await Promise.all(Array.from({ length: 4 }, () => ask(email)));
  const outcomes = await Promise.allSettled([...tokens, ...tokens].map((token) => use(token ?? "")));
  assert.deepEqual(
    outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : [])),
    [user_id],
  );
  for (const outcome of outcomes) if (outcome.status === "rejected") assert.ok(refused(outcome.reason), outcome.reason);
});

test("after half an hour a token is good for nothing, and its row goes with the next request", async () => {
  const { user_id, email } = await makePerson(instance.db);
  const token = await ask(email);
  await sql`update password_resets set expires_at = expires_at - interval '30 minutes'`.execute(instance.db);
  await assert.rejects(use(token ?? ""), refused);
  assert.equal(await countOf("password_resets", user_id), 1);
  await ask("nobody@example.com");
  assert.equal(await countOf("password_resets", user_id), 0);
});

test("a token ends with a change of the password, whoever made that", async () => {
  const { user_id, email } = await makePerson(instance.db);
  assert.equal(await use((await ask(email)) ?? ""), user_id);
  let token = (await ask(email)) ?? "";
  const change = { current_password: "a new password", new_password: "a newer password" };
  const by_person = (current_password: string) =>
    instance.db.transaction().execute(async (tx) => {
      const access = await asPerson(tx, user_id, "user.update_password");
      await changePassword(access, { ...change, current_password }, new FailedSignIns(systemClock));
    });
  await assert.rejects(by_person("a wrong password"), /not right/);
  assert.equal(await countOf("password_resets", user_id), 1);
  await by_person("a new password");
  await assert.rejects(use(token), refused);

  token = (await ask(email)) ?? "";
  const wish = { email, name: "Ada", organization: undefined, password: new Secret("of the server's machine") };
  await instance.db.transaction().execute((tx) => setUpPerson(tx, wish, systemClock.now_ms()));
  await assert.rejects(use(token), refused);
});

test("the first mailed token of an account that a stranger may have made ends its keys, and no other token does", async () => {
  const { db } = instance;
  const ada = await makePerson(db);
  const bob = await makePerson(db, "Bob");
  await sql`update users set email_verified = false where id = ${ada.user_id}`.execute(db);
  const makeKeys = async () => {
    for (const { user_id, org_id } of [ada, bob]) {
      await insertPersonalKey(await asPerson(db, user_id, "personal_key.create"), newUuid());
      await insertOrganizationKey(await inOrganization(db, user_id, org_id, "organization_key.create"), newUuid());
    }
  };
  const live = async ({ user_id }: { user_id: string }) =>
    (
      await db
        .selectFrom("api_keys")
        .select("id")
        .where("created_by", "=", user_id)
        .where("revoked_at", "is", null)
        .execute()
    ).length;
  await makeKeys();
  await use((await ask(ada.email, false)) ?? "");
  await use((await ask(bob.email)) ?? "");
  assert.deepEqual([await live(ada), await live(bob)], [2, 2], "handed over by hand, or known to be theirs");
  const reset_token = (await ask(ada.email)) ?? "";
  const { narrowed } = await db
    .transaction()
    .execute((tx) => usePasswordReset(tx, { reset_token, new_password: "a new password" }));
  assert.deepEqual([await live(ada), await live(bob)], [0, 2]);
  assert.equal(narrowed.length, 2, "every node hears of them");
  await makeKeys();
  await use((await ask(ada.email)) ?? "");
  assert.equal(await live(ada), 2, "the second time it is known");
});

test("for an e-mail that nobody has there is no token and no row; a stored row holds no token", async () => {
  assert.equal(await ask("nobody@example.com"), undefined);
  const { email } = await makePerson(instance.db);
  const token = await ask(email);
  const rows = await instance.db.selectFrom("password_resets").selectAll().execute();
  assert.ok(rows.length > 0);
  assert.ok(!JSON.stringify(rows.map((row) => row.token_digest.toString("latin1"))).includes(token ?? "-"));
  for (const wrong of ["", "lk_reset_x", `${token}x`, `lk_setup_${token?.slice(9)}`]) {
    await assert.rejects(use(wrong), refused);
  }
});

test("requests are limited for an address that is mailed to and for a network, whoever has the address", () => {
  let now_ms = 0;
  const limits = new ResetLimits({ ...systemClock, monotonic_ms: () => now_ms });
  const limited = (error: unknown) =>
    error instanceof ApiError && error.status === 429 && error.headers["retry-after"] === "900";
  for (let i = 0; i < 5; i++) limits.countRequest(`192.0.2.${i}`, "ada@example.com");
  assert.throws(() => limits.countRequest("192.0.2.9", "ada@example.com"), limited);
  for (let i = 0; i < 30; i++) limits.countRequest("198.51.100.1", `${i}@example.com`);
  assert.throws(() => limits.countRequest("198.51.100.1", "new@example.com"), limited);
  assert.throws(() => limits.countUse("198.51.100.1"), limited);
  now_ms += 15 * 60 * 1000;
  limits.countRequest("198.51.100.1", "ada@example.com");
});
