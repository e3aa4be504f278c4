import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { holdBack } from "../harness/held-back.ts";
import { logIn } from "../harness/oauth.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import {
  createOrganization,
  createOrganizationKey,
  createPersonalKey,
  type Person,
  setupTokenOf,
  signIn,
  signUp,
  unique,
} from "../harness/world.ts";

suite("a credential that ends while a request with it is under way", () => {
  let server: TestServer;
  let person: Person;
  before(async () => {
    server = await startServer();
    person = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
  });
  after(() => server?.close());

  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  const bySession = (cookie: string) => ({ cookie, origin: server.url });
  const end = (path: string) => server.expect(200, "DELETE", path, { key: person.key });
  const sessionsOf = async (cookie: string) => {
    const { sessions } = await server.expect<{ sessions: { id: string; current: boolean }[] }>(
      200,
      ...(["GET", "/sessions"] as const),
      { cookie },
    );
    return sessions;
  };

  /** Holds the body of a change back until its credential has ended, and that has been answered. */
  async function assertRefused(path: string, body: object, credential: Record<string, string>, ends: string) {
    const { finish, answer } = await holdBack(server, path, body, credential);
    await end(ends);
    finish();
    const { status, challenge, text } = await answer;
    assert.equal(status, 401, text);
    const unknown = await server.call("POST", path, { body, headers: bearer("lk_user_none") });
    assert.equal(unknown.status, 401);
    assert.equal(challenge, unknown.headers.get("www-authenticate"));
    const { message } = JSON.parse(text) as { message: string };
    assert.equal(message, unknown.body.message, "it tells no more than any credential that is not good");
  }

  const keyNames = async () =>
    (await server.expect<{ name: string }[]>(200, "GET", "/api_keys", { key: person.key })).map(({ name }) => name);

  test("carries out no change whose body comes after its end was answered: a personal key", async () => {
    const { key, id } = await createPersonalKey(server, person.key);
    const key_name = unique("late");
    await assertRefused("/api_keys", { key_name }, bearer(key), `/api_keys/${id}`);
    assert.ok(!(await keyNames()).includes(key_name));
  });

  test("an organization key", async () => {
    const org_id = await createOrganization(server, person.key);
    const { key, id } = await createOrganizationKey(server, person.key, org_id);
    const body = { project: { name: "late", org_id } };
    await assertRefused("/projects", body, bearer(key), `/organizations/${org_id}/api_keys/${id}`);
    const { projects } = await server.expect<{ projects: object[] }>(200, "GET", `/projects?org_id=${org_id}`, {
      key: person.key,
    });
    assert.deepEqual(projects, []);
  });

  test("a session", async () => {
    const cookie = await signIn(server, person);
    const id = (await sessionsOf(cookie)).find(({ current }) => current)?.id;
    const key_name = unique("late");
    await assertRefused("/api_keys", { key_name }, bySession(cookie), `/sessions/${id}`);
    assert.ok(!(await keyNames()).includes(key_name));
  });

  test("a login of a command line", async () => {
    const { access_token } = await logIn(server, person.cookie);
    const { oauth_grants } = await server.expect<{ oauth_grants: { id: number; current: boolean }[] }>(
      200,
      ...(["GET", "/oauth_grants"] as const),
      { key: access_token },
    );
    const id = oauth_grants.find(({ current }) => current)?.id;
    const key_name = unique("late");
    await assertRefused("/api_keys", { key_name }, bearer(access_token), `/oauth_grants/${id}`);
    assert.ok(!(await keyNames()).includes(key_name));
  });

  test("changes with one key do not wait for each other, and the key's own end waits for none for ever", async () => {
    const { key, id } = await createPersonalKey(server, person.key);
    await Promise.all(Array.from({ length: 20 }, () => createPersonalKey(server, key)));
    const ends = await Promise.all([1, 2].map(() => server.call("DELETE", `/api_keys/${id}`, { key })));
    assert.equal(ends.filter(({ status }) => status === 200).length, 1);
    // A request that was authenticated before the end finds the key gone, as a later one does.
    assert.equal(ends.filter(({ status }) => status === 401).length, 1);
  });

  test("of two sessions that end each other at once one does, and neither fails", async () => {
    for (let round = 0; round < 3; round++) {
      const cookies = [await signIn(server, person), await signIn(server, person)];
      const ids = await Promise.all(
        cookies.map(async (cookie) => (await sessionsOf(cookie)).find(({ current }) => current)?.id),
      );
      const answers = await Promise.all([
        server.call("DELETE", `/sessions/${ids[1]}`, { cookie: cookies[0] ?? "" }),
        server.call("DELETE", `/sessions/${ids[0]}`, { cookie: cookies[1] ?? "" }),
      ]);
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401]);
    }
  });
});
