import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openTestInstance, type TestInstance } from "../../test/harness/instance.ts";
import { asPerson, makePerson, ORIGIN } from "../../test/harness/people.ts";
import { openDatabase } from "../db/pool.ts";
import { ApiError } from "../errors.ts";
import { Secret } from "../keys/secret.ts";
import { putPasswordHash } from "../users/store.ts";
import { createIdentity, type Identity } from "./identity.ts";
import { hashPassword } from "./password.ts";
import { deleteAllSessions, deleteSession, listSessions } from "./store.ts";

let instance: TestInstance;
let identity: Identity;
const PASSWORD = "correct horse";

before(async () => {
  instance = await openTestInstance();
  identity = identityAt("http://127.0.0.1:4400");
});
after(async () => {
  await identity.close();
  await instance.end();
});

function identityAt(public_url: string, cookie_secret = instance.sealer.cookieSecret()): Identity {
  return createIdentity({ connection: instance.connection, cookie_secret, public_url, log: instance.log });
}

async function personWithPassword() {
  const person = await makePerson(instance.db);
  await putPasswordHash({ tx: instance.db, user_id: person.user_id }, await hashPassword(PASSWORD));
  return person;
}

/** What a browser sends back. */
const asCookie = (cookies: string[]) => cookies.map((cookie) => cookie.split(";")[0]).join("; ");

async function signIn(email: string, password = PASSWORD, by = identity) {
  return await by.startSessionAfter(instance.db, await by.checkPassword(instance.db, email, password), ORIGIN);
}

test("the right password starts a session whose cookie names its person", async () => {
  const { user_id, email } = await personWithPassword();
  const started = await signIn(email.toUpperCase());
  assert.equal(started.user_id, user_id);
  const found = await identity.sessionFromCookie(`theme=dark; ${asCookie(started.cookies)}`);
  assert.equal(found?.user_id, user_id);
  const [session] = await listSessions(await asPerson(instance.db, user_id, "session.list"));
  assert.deepEqual(
    [session?.id, session?.address, session?.user_agent],
    [found.session_id, ORIGIN.address, ORIGIN.user_agent],
  );
});

test("the cookie is out of reach of scripts and of other sites, and needs TLS where the server has it", async () => {
  const { email } = await personWithPassword();
  const [plain = ""] = (await signIn(email)).cookies;
  assert.match(plain, /^latchkey\.session_token=.*; HttpOnly; SameSite=Lax$/);
  const secure = identityAt("https://keys.example.com");
  const [cookie = ""] = (await signIn(email, PASSWORD, secure)).cookies;
  assert.match(cookie, /^__Secure-latchkey\.session_token=.*; HttpOnly; Secure; SameSite=Lax$/);
  assert.ok(await secure.sessionFromCookie(asCookie([cookie])));
  await secure.close();
});

test("an unknown e-mail, a wrong password and a person without one get the same answer", async () => {
  const { email } = await personWithPassword();
  const keyOnly = await makePerson(instance.db);
  const attempts = [
    ["nobody@example.com", "wrong"],
    [email, "wrong"],
    [keyOnly.email, "wrong"],
    [keyOnly.email, ""],
  ] as const;
  for (const [who, password] of attempts) {
    await assert.rejects(signIn(who, password), (error: unknown) => {
      assert.ok(error instanceof ApiError);
      assert.deepEqual([error.status, error.message], [401, "e-mail or password is not right"]);
      return true;
    });
  }
});

test("an unknown e-mail costs the time of a wrong password", async () => {
  const { email } = await personWithPassword();
  const times: Record<"known" | "unknown", number[]> = { known: [], unknown: [] };
  for (let i = 0; i < 8; i++) {
    for (const which of ["known", "unknown"] as const) {
      const began = performance.now();
      await assert.rejects(signIn(which === "known" ? email : "nobody@example.com", "wrong"));
      times[which].push(performance.now() - began);
    }
  }
  const median = (list: number[]) => list.toSorted((a, b) => a - b)[list.length >> 1] ?? 0;
  const ratio = median(times.unknown) / median(times.known);
  // Without the hash it would be a tenth.
  assert.ok(ratio > 0.5 && ratio < 2, `ratio ${ratio}`);
});

test("an ended session is refused at once", async () => {
  const { user_id, email } = await personWithPassword();
  const here = asCookie((await signIn(email)).cookies);
  const there = asCookie((await signIn(email)).cookies);
  const ended = await identity.sessionFromCookie(there);
  const access = await asPerson(instance.db, user_id, "session.delete");
  assert.ok(await deleteSession(access, ended?.session_id ?? ""));
  assert.equal(await identity.sessionFromCookie(there), undefined);
  assert.ok(await identity.sessionFromCookie(here));
  await deleteAllSessions(access);
  assert.equal(await identity.sessionFromCookie(here), undefined);
});

test("nobody ends another person's session", async () => {
  const victim = await personWithPassword();
  const stranger = await makePerson(instance.db);
  const cookie = asCookie((await signIn(victim.email)).cookies);
  const session = await identity.sessionFromCookie(cookie);
  const access = await asPerson(instance.db, stranger.user_id, "session.delete");
  assert.equal(await deleteSession(access, session?.session_id ?? ""), false);
  await deleteAllSessions(access);
  assert.ok(await identity.sessionFromCookie(cookie));
});

test("an expired session is refused, not listed, and its row is removed", async () => {
  const { user_id, email } = await personWithPassword();
  const cookie = asCookie((await signIn(email)).cookies);
  const another = asCookie((await signIn(email)).cookies);
  const rows = instance.db.selectFrom("sessions").select("id").where("user_id", "=", user_id);
  await instance.db
    .updateTable("sessions")
    .set({ expires_at: "2020-01-01T00:00:00Z" })
    .where("user_id", "=", user_id)
    .execute();
  assert.deepEqual(await listSessions(await asPerson(instance.db, user_id, "session.list")), []);
  assert.equal(await identity.sessionFromCookie(cookie), undefined);
  assert.equal((await rows.execute()).length, 1);
  await identity.startSession(instance.db, user_id, ORIGIN);
  assert.equal((await rows.execute()).length, 1);
  assert.equal(await identity.sessionFromCookie(another), undefined);
});

test("a session started in a transaction exists only when that commits", async () => {
  const { user_id } = await makePerson(instance.db);
  const start = () => instance.db.transaction().execute((tx) => identity.startSession(tx, user_id, ORIGIN));
  assert.equal((await identity.sessionFromCookie(asCookie(await start())))?.user_id, user_id);

  let cookies: string[] = [];
  const undone = instance.db.transaction().execute(async (tx) => {
    cookies = await identity.startSession(tx, user_id, ORIGIN);
    throw new Error("undone");
  });
  await assert.rejects(undone, /undone/);
  assert.equal(await identity.sessionFromCookie(asCookie(cookies)), undefined);
});

test("a cookie that is forged, cut, signed with another secret or garbage opens nothing", async () => {
  const { email } = await personWithPassword();
  const good = asCookie((await signIn(email)).cookies);
  const elsewhere = identityAt("http://127.0.0.1:4400", new Secret("another secret of the same kind, 32+ bytes"));
  assert.equal(await elsewhere.sessionFromCookie(good), undefined);
  await elsewhere.close();
  const name = "latchkey.session_token";
  const token = good.slice(name.length + 1).split(".")[0];
  const bad = [`${name}=${token}`, `${name}=${token}.${"A".repeat(43)}%3D`, good.slice(0, -6), `${name}=`, "latchkey."];
  for (const cookie of [
    ...bad,
    `${name}=%E0%A4%A`,
    `${name}=%00.%00`,
    `${name}=\u0001ÿ.ÿ`,
    `${name}=${"a".repeat(8000)}.x`,
  ]) {
    assert.equal(await identity.sessionFromCookie(cookie), undefined, cookie.slice(0, 60));
  }
});

test("a dump of the database holds no cookie that works", async () => {
  const { email } = await personWithPassword();
  await signIn(email);
  const rows = await instance.db.selectFrom("sessions").select("token").execute();
  for (const { token } of rows) {
    assert.equal(await identity.sessionFromCookie(`latchkey.session_token=${token}`), undefined);
  }
});

test("a database that cannot be asked is 503, not a stranger", async () => {
  const { email } = await personWithPassword();
  const broken = identityAt("http://127.0.0.1:4400");
  const cookie = asCookie((await signIn(email, PASSWORD, broken)).cookies);
  await broken.close();
  await assert.rejects(
    broken.sessionFromCookie(cookie),
    (error: unknown) => error instanceof ApiError && error.status === 503,
  );
});

test("neither passwords nor cookies are logged", async () => {
  const { email } = await personWithPassword();
  const { cookies } = await signIn(email);
  await assert.rejects(signIn(email, "a wrong guess"));
  const token = asCookie(cookies).split("=")[1]?.split(".")[0] ?? "";
  for (const secret of [PASSWORD, "a wrong guess", token]) assert.ok(!instance.logged().includes(secret));
});

test("a sign-in with the old password that is under way when the password changes does not outlive the change", async () => {
  const { user_id, email } = await personWithPassword();
  const { resolve: finish, promise: finished } = Promise.withResolvers<void>();
  const { resolve: begin, promise: begun } = Promise.withResolvers<void>();
  const checked = await identity.checkPassword(instance.db, email, PASSWORD);
  const sign_in = instance.db.transaction().execute(async (tx) => {
    await identity.startSessionAfter(tx, checked, ORIGIN);
    begin();
    await finished;
  });
  await begun;
  let is_changed = false;
  const change = instance.db.transaction().execute(async (tx) => {
    await putPasswordHash({ tx, user_id }, await hashPassword("another horse"));
    is_changed = true;
    await deleteAllSessions({ tx, user_id });
  });
  await delay(300);
  assert.equal(is_changed, false, "the change does not wait for the sign-in");
  finish();
  await Promise.all([sign_in, change]);
  assert.deepEqual(await listSessions(await asPerson(instance.db, user_id, "session.list")), []);
});

test("a password that is changed after it was found right, and before the session starts, starts none", async () => {
  const { user_id, email } = await personWithPassword();
  const checked = await identity.checkPassword(instance.db, email, PASSWORD);
  await putPasswordHash({ tx: instance.db, user_id }, await hashPassword("another horse"));
  await assert.rejects(identity.startSessionAfter(instance.db, checked, ORIGIN), /not right/);
  assert.deepEqual(await listSessions(await asPerson(instance.db, user_id, "session.list")), []);
});

test("others use the only connection while a password is being checked", async (t) => {
  const { email } = await personWithPassword();
  const { db } = openDatabase(instance.connection, instance.log, { max: 1 });
  t.after(() => db.destroy());
  for (const address of [email, "nobody@example.com"]) {
    let is_judged = false;
    const check = Promise.allSettled([identity.checkPassword(db, address, PASSWORD)]).then(() => {
      is_judged = true;
    });
    await db.selectFrom("users").select("id").limit(1).execute();
    assert.equal(is_judged, false);
    await check;
  }
});
