import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openTestInstance, type TestInstance } from "../../test/harness/instance.ts";
import { inOrganization, makePerson, ORIGIN } from "../../test/harness/people.ts";
import { Secret } from "../keys/secret.ts";
import { findLiveKeys } from "../keys/store.ts";
import { tokenDigest } from "../keys/token.ts";
import { createIdentity, type Identity } from "../sessions/identity.ts";
import { type PersonWish, setUpPerson } from "./set-up-person.ts";
import { getCurrentUser } from "./store.ts";

let instance: TestInstance;
let identity: Identity;

before(async () => {
  instance = await openTestInstance();
  const { connection, sealer, log } = instance;
  identity = createIdentity({ connection, cookie_secret: sealer.cookieSecret(), public_url: "http://localhost", log });
});
after(async () => {
  await identity.close();
  await instance.end();
});

const WISH: PersonWish = { email: "Ada@example.com", name: "Ada", organization: "Acme", password: undefined };
const NOW_MS = Date.parse("2030-01-02T03:04:05Z");

const setUp = (wish: Partial<PersonWish> = {}) =>
  instance.db.transaction().execute((tx) => setUpPerson(tx, { ...WISH, ...wish }, NOW_MS));

test("many at once make one person and one organization, and each gets a key that works", async () => {
  const made = await Promise.all(Array.from({ length: 6 }, () => setUp()));
  assert.equal(new Set(made.map(({ user_id }) => user_id)).size, 1);
  assert.equal(new Set(made.map(({ org_id }) => org_id)).size, 1);
  for (const { user_id, api_key } of made) {
    const [key] = await findLiveKeys(instance.pool, [tokenDigest(api_key.reveal())]);
    assert.equal(key?.user_id, user_id);
  }
  const user = await getCurrentUser({ tx: instance.db, user_id: made[0]?.user_id ?? "" });
  assert.deepEqual([user.email, user.instance_admin], ["ada@example.com", true]);
});

test("only the first person becomes instance administrator", async () => {
  await setUp();
  const { user_id } = await setUp({ email: "bob@example.com" });
  assert.equal((await getCurrentUser({ tx: instance.db, user_id })).instance_admin, false);
});

test("an organization of that name that others administer is left alone", async () => {
  const ada = await setUp();
  const bob = await setUp({ email: "bob@example.com" });
  assert.notEqual(ada.org_id, bob.org_id);
  await assert.rejects(
    inOrganization(instance.db, bob.user_id, ada.org_id, "organization.read"),
    /not an organization/,
  );
});

test("without an organization's name it is the personal one", async () => {
  const { user_id, org_id } = await setUp({ email: "eve@example.com", organization: undefined });
  const access = await inOrganization(instance.db, user_id, org_id, "organization.read");
  assert.equal(access.organization.personal_of, user_id);
});

test("a person made without a password cannot sign in until one is set; a new one ends the sessions of the old", async () => {
  const email = "carol@example.com";
  const signIn = async (password: string) =>
    await identity.startSessionAfter(instance.db, await identity.checkPassword(instance.db, email, password), ORIGIN);
  await setUp({ email });
  for (const guess of ["", "null", "undefined"]) await assert.rejects(signIn(guess), /not right/);
  await setUp({ email, password: new Secret("first password") });
  const { cookies } = await signIn("first password");
  await setUp({ email });
  assert.ok(await identity.sessionFromCookie(cookies[0]?.split(";")[0] ?? ""));
  await setUp({ email, password: new Secret("second password") });
  assert.equal(await identity.sessionFromCookie(cookies[0]?.split(";")[0] ?? ""), undefined);
  await assert.rejects(signIn("first password"), /not right/);
  await signIn("second password");
});

test("what it does is in the audit log, under the name of the key that it gave", async () => {
  const { user_id } = await setUp({ email: "dan@example.com" });
  const rows = await instance.db
    .selectFrom("audit_events")
    .select(["action", "api_key_id", "address"])
    .where("user_id", "=", user_id)
    .orderBy("id")
    .execute();
  assert.deepEqual(
    rows.map(({ action }) => action),
    ["user.create", "organization.create", "personal_key.create"],
  );
  assert.ok(rows.every(({ api_key_id, address }) => api_key_id !== null && address === "local"));
});

test("a person who came by the API is found by e-mail", async () => {
  const person = await makePerson(instance.db, "Frank");
  assert.equal((await setUp({ email: person.email.toUpperCase() })).user_id, person.user_id);
});
