import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { newToken } from "../../server/keys/token.ts";
import { contracts, OPEN_OPERATIONS, pathOf } from "../harness/contracts.ts";
import { type Answer, type CallOptions, startServer, type TestServer, waitFor } from "../harness/server.ts";
import {
  addMember,
  buildWorld,
  createOrganizationKey,
  createPersonalKey,
  createProject,
  fromElsewhere,
  memberIdOf,
  signIn,
  type World,
} from "../harness/world.ts";

/** Ids of the right form that name nothing. */
const NOWHERE = {
  org_id: "org-empty-field-00000000",
  source_org_id: "org-empty-field-00000000",
  project_id: "empty-field-00000000",
  branch_id: "br-empty-field-00000000",
  endpoint_id: "ep-empty-field-00000000",
  operation_id: "00000000-0000-4000-8000-000000000000",
  member_id: "00000000-0000-4000-8000-000000000000",
  invitation_id: "00000000-0000-4000-8000-000000000000",
  session_id: "00000000-0000-4000-8000-000000000000",
  key_id: "100001",
  grant_id: "1001",
  user_code: "BCDF-GHJK",
  role_name: "nobody",
  database_name: "nothing",
  region_id: "nowhere",
};

const bearer = (credential: string): CallOptions => ({ headers: { authorization: credential } });

/** A character of the token replaced by another one, so that its checksum fails. */
function misspelt(token: string): string {
  const last = token.at(-1) === "0" ? "1" : "0";
  return token.slice(0, -1) + last;
}

/** What a caller can tell one refusal from another by: everything but what belongs to the request itself. */
function comparable({ status, body, headers }: Answer) {
  const { request_id, ...rest } = body as { request_id: string };
  assert.equal(typeof request_id, "string");
  const told = [...headers].filter(([name]) => !["date", "x-request-id", "keep-alive", "connection"].includes(name));
  return { status, body: rest, headers: Object.fromEntries(told) };
}

suite("unauthorized", () => {
  let server: TestServer;
  let world: World;
  let refusal: ReturnType<typeof comparable>;

  before(async () => {
    server = await startServer(undefined, { LATCHKEY_SIGN_UP: "open", LATCHKEY_TRUST_PROXY: "1" });
    world = await buildWorld(server);
    refusal = comparable(await server.call("GET", "/users/me"));
  });
  after(() => server?.close());

  const callFromElsewhere = (method: string, path: string, options: CallOptions) =>
    server.call(method, path, { ...options, headers: { ...options.headers, ...fromElsewhere() } });
  const assertRefused = async (options: CallOptions, path = "/users/me", method = "GET") =>
    assert.deepEqual(comparable(await callFromElsewhere(method, path, options)), refusal, JSON.stringify(options));

  test("the refusal is Neon's: 401, its message, not to be cached, and no cookie", () => {
    assert.equal(refusal.status, 401);
    assert.equal((refusal.body as { message?: string }).message, "supplied credentials do not pass authentication");
    assert.deepEqual(Object.keys(refusal.body).sort(), ["code", "message"]);
    assert.equal(refusal.headers["cache-control"], "no-store");
    assert.equal(refusal.headers["set-cookie"], undefined);
  });

  test("whatever is wrong with a credential, the answer is one and the same", async () => {
    const { admin, org_key, project_key, revoked_key, oauth_token } = world;
    const wrong = {
      empty: "",
      "scheme alone": "Bearer",
      "empty bearer": "Bearer ",
      "no scheme": admin.key,
      "another scheme": `Token ${admin.key}`,
      basic: `Basic ${Buffer.from(`${admin.key}:`).toString("base64")}`,
      "two tokens": `Bearer ${admin.key} ${admin.key}`,
      "a list": `Bearer ${admin.key}, Bearer ${admin.key}`,
      quoted: `Bearer "${admin.key}"`,
      malformed: "Bearer not-a-key",
      "of Neon": "Bearer napi_abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz",
      "wrong checksum, personal": `Bearer ${misspelt(admin.key)}`,
      "wrong checksum, organization": `Bearer ${misspelt(org_key)}`,
      "wrong checksum, project": `Bearer ${misspelt(project_key)}`,
      "cut short": `Bearer ${admin.key.slice(0, -1)}`,
      "one character more": `Bearer ${admin.key}0`,
      "in upper case": `Bearer ${admin.key.toUpperCase()}`,
      "another kind's prefix": `Bearer ${admin.key.replace("lk_user_", "lk_org_")}`,
      "unknown, personal": `Bearer ${newToken("user").token.reveal()}`,
      "unknown, organization": `Bearer ${newToken("org").token.reveal()}`,
      "unknown, project": `Bearer ${newToken("proj").token.reveal()}`,
      revoked: `Bearer ${revoked_key}`,
      "of OAuth": `Bearer ${oauth_token}`,
      "an OAuth refresh token": `Bearer ${newToken("rt").token.reveal()}`,
      "very long": `Bearer lk_user_${"A".repeat(8000)}`,
    };
    for (const [what, credential] of Object.entries(wrong)) {
      assert.deepEqual(comparable(await callFromElsewhere("GET", "/users/me", bearer(credential))), refusal, what);
    }
  });

  test("every route but the open ones refuses, whether or not what it names exists", async () => {
    const credentials = [{}, { key: world.revoked_key }, { key: newToken("org").token.reveal() }];
    for (const contract of contracts) {
      if (OPEN_OPERATIONS.has(contract.id)) continue;
      const { org_id, project_id } = world;
      const existing = { ...NOWHERE, org_id, source_org_id: org_id, project_id };
      for (const params of [NOWHERE, existing]) {
        const path = pathOf(contract, { params });
        for (const credential of credentials) {
          // A body that no route takes: a stranger must not learn even that.
          await assertRefused(
            contract.method === "GET" ? credential : { ...credential, body: { surprise: true } },
            path,
            contract.method,
          );
        }
      }
    }
  });

  test("a path that is no operation tells a stranger nothing either", async () => {
    for (const path of ["/nothing/here", "/projects/x/buckets", "/consumption_history/account"]) {
      await assertRefused({}, path);
      await assertRefused({}, path, "POST");
    }
  });

  test("a key in the cookies of Neon's clients opens nothing; beside the same bearer token they do no harm", async () => {
    const { key } = world.admin;
    const cookie = `zenith=${key}; keycloak_token=${key}`;
    await assertRefused({ headers: { cookie } });
    await assertRefused({ headers: { cookie: `latchkey.session_token=${key}` } });
    const answer = await server.call("GET", "/users/me", { key, headers: { cookie } });
    assert.equal(answer.status, 200);
    // A change too: no rule for cookies may come in the way.
    await server.expect(200, "POST", "/api_keys", { key, headers: { cookie }, body: { key_name: "beside cookies" } });
  });

  test("a bad bearer token is refused even beside a good session", async () => {
    const { cookie } = world.admin;
    await server.expect(200, "GET", "/users/me", { cookie });
    for (const credential of [`Bearer ${world.revoked_key}`, "Bearer x", "Basic eDp5", ""]) {
      await assertRefused({ headers: { cookie, authorization: credential } });
    }
  });

  test("a changed, foreign or ended session cookie is refused", async () => {
    const cookie = await signIn(server, world.admin);
    const [name, value = ""] = cookie.split("=", 2);
    await assertRefused({ headers: { cookie: `${name}=${value.slice(0, -3)}abc` } });
    await assertRefused({ headers: { cookie: `${name}=${value.split(".")[0]}` } });
    await assertRefused({ headers: { cookie: `${name}=` } });
    await server.expect(200, "DELETE", "/sessions/current", { cookie });
    await assertRefused({ cookie });
  });

  test("signing out everywhere ends every session on the next request, and no key", async () => {
    const cookies = [await signIn(server, world.member), await signIn(server, world.member)];
    await server.expect(200, "DELETE", "/sessions", { cookie: cookies[0] ?? "" });
    for (const cookie of cookies) await assertRefused({ cookie });
    await server.expect(200, "GET", "/users/me", { key: world.member.key });
    world.member.cookie = await signIn(server, world.member);
  });

  test("the request after a revocation is refused, for each kind of key", async () => {
    const { admin, org_id, project_id } = world;
    const owner = `/organizations/${org_id}/api_keys`;
    const keys = [
      { path: "/api_keys", ...(await createPersonalKey(server, admin.key)) },
      { path: owner, ...(await createOrganizationKey(server, admin.key, org_id)) },
      { path: owner, ...(await createOrganizationKey(server, admin.key, org_id, project_id)) },
    ];
    for (const { path, id, key } of keys) {
      await server.expect(200, "GET", "/auth", { key });
      await server.expect(200, "DELETE", `${path}/${id}`, { key: admin.key });
      await assertRefused({ key }, "/auth");
    }
  });

  test("under a storm of requests none that begins after the revocation is let in", async () => {
    for (let round = 0; round < 10; round++) {
      const { id, key } = await createPersonalKey(server, world.admin.key);
      let revoked_at = Number.POSITIVE_INFINITY;
      let storming = true;
      const late: number[] = [];
      const storm = async () => {
        while (storming) {
          const began = performance.now();
          const { status } = await callFromElsewhere("GET", "/auth", { key });
          if (began > revoked_at) late.push(status);
        }
      };
      const storms = Array.from({ length: 8 }, storm);
      await server.expect(200, "DELETE", `/api_keys/${id}`, { key: world.admin.key });
      revoked_at = performance.now();
      await waitFor("requests that began after the revocation", () => late.length >= 24);
      storming = false;
      await Promise.all(storms);
      assert.deepEqual([...new Set(late)], [401]);
    }
  });

  test("a project key ends with its project, on the next request, and leaves the list", async () => {
    const { admin, org_id } = world;
    const { project } = await createProject(server, admin.key, org_id);
    const { id, key } = await createOrganizationKey(server, admin.key, org_id, project.id);
    await server.settle(project.id, admin.key);
    await server.expect(200, "GET", `/projects/${project.id}`, { key });
    await server.expect(200, "DELETE", `/projects/${project.id}`, { key: admin.key });
    await assertRefused({ key }, `/projects/${project.id}`);
    await assertRefused({ key }, "/auth");
    const list = await server.expect<{ id: number }[]>(200, "GET", `/organizations/${org_id}/api_keys`, {
      key: admin.key,
    });
    assert.ok(!list.some((listed) => listed.id === id));
  });

  test("a member who is removed loses the organization at once, with key and session, and keeps the rest", async () => {
    const { admin, org_id, project_id } = world;
    const { person, member_id } = await addMember(server, admin.key, org_id);
    for (const credential of [{ key: person.key }, { cookie: person.cookie }]) {
      await server.expect(200, "GET", `/organizations/${org_id}`, credential);
      await server.expect(200, "GET", `/projects/${project_id}`, credential);
    }
    await server.expect(200, "DELETE", `/organizations/${org_id}/members/${member_id}`, { key: admin.key });
    for (const credential of [{ key: person.key }, { cookie: person.cookie }]) {
      await server.expect(403, "GET", `/organizations/${org_id}`, credential);
      await server.expect(403, "GET", `/projects?org_id=${org_id}`, credential);
      await server.expect(404, "GET", `/projects/${project_id}`, credential);
      const { organizations } = await server.expect<{ organizations: { id: string }[] }>(
        200,
        "GET",
        "/users/me/organizations",
        credential,
      );
      assert.ok(organizations.length === 1 && organizations[0]?.id !== org_id, "their own organization stays");
    }
  });

  test("an admin who is demoted loses an admin's powers on the next request", async () => {
    const { admin, org_id } = world;
    const { person, member_id } = await addMember(server, admin.key, org_id);
    const path = `/organizations/${org_id}/members/${member_id}`;
    await server.expect(200, "PATCH", path, { key: admin.key, body: { role: "admin" } });
    await server.expect(200, "GET", `/organizations/${org_id}/api_keys`, { key: person.key });
    await server.expect(200, "PATCH", path, { key: admin.key, body: { role: "member" } });
    await server.expect(403, "GET", `/organizations/${org_id}/api_keys`, { key: person.key });
    await server.expect(403, "POST", `/organizations/${org_id}/api_keys`, {
      key: person.key,
      body: { key_name: "late" },
    });
    assert.equal(await memberIdOf(server, person.key, org_id, person.user_id), member_id);
  });
});
