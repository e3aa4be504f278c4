import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type pg from "pg";
import { connectToMetadata } from "../harness/metadata.ts";
import {
  approve,
  authorizationQuery,
  authorizeAt,
  beginDevice,
  exchange,
  logIn,
  newVerifier,
  packedRequest,
  pollDevice,
  post,
  REDIRECT,
  refresh,
  type Tokens,
} from "../harness/oauth.ts";
import { startServer, type TestServer, waitFor } from "../harness/server.ts";
import {
  createOrganization,
  createOrganizationKey,
  type Person,
  setupTokenOf,
  signIn,
  signUp,
} from "../harness/world.ts";

interface Grant {
  readonly id: number;
  readonly client: { id: string; name: string };
  readonly device_name: string;
  readonly last_used_at: string | null;
  readonly last_used_user_agent: string;
  readonly current: boolean;
}

suite("the authorization server", () => {
  let server: TestServer;
  let person: Person;
  let metadata: pg.Client;

  before(async () => {
    server = await startServer(undefined, { LATCHKEY_SIGN_UP: "open" });
    person = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
    metadata = await connectToMetadata(server.data_dir);
  });
  after(async () => {
    await metadata?.end();
    await server?.close();
  });

  const statusOf = async (token: string) => (await server.call("GET", "/users/me", { key: token })).status;
  const grantsOf = async (credential: { key?: string; cookie?: string }) =>
    (await server.expect<{ oauth_grants: Grant[] }>(200, "GET", "/oauth_grants", credential)).oauth_grants;
  const events = async (action: string) =>
    (
      await metadata.query<{ principal_kind: string; user_id: string; subject: string; oauth_grant_id: string | null }>(
        "select principal_kind, user_id, subject, oauth_grant_id from audit_events where action = $1 order by id",
        [action],
      )
    ).rows;
  const idOf = async (tokens: Tokens) => {
    const grants = await grantsOf({ key: tokens.access_token });
    return grants.find(({ current }) => current)?.id ?? 0;
  };
  /** Makes it look as if a time had passed since a login's refresh tokens were replaced. */
  const age = async (grant_id: number, seconds: number) =>
    await metadata.query(
      "update oauth_refresh_tokens set replaced_at = replaced_at - make_interval(secs => $2) where grant_id = $1",
      [grant_id, seconds],
    );

  test("the discovery documents are at the root, and the issuer is the public address to the letter", async () => {
    for (const name of ["openid-configuration", "oauth-authorization-server"]) {
      const response = await fetch(`${server.url}/.well-known/${name}`);
      assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
      const document = (await response.json()) as Record<string, string | string[]>;
      assert.equal(document.issuer, server.url);
      for (const endpoint of ["authorization", "token", "revocation", "device_authorization"]) {
        assert.ok(String(document[`${endpoint}_endpoint`]).startsWith(`${server.url}/oauth2/`), endpoint);
      }
      assert.deepEqual(document.code_challenge_methods_supported, ["S256"]);
      assert.deepEqual(document.token_endpoint_auth_methods_supported, ["none"]);
    }
    for (const path of ["", "/api/v2"]) {
      const response = await fetch(`${server.url}/.well-known/oauth-protected-resource${path}`);
      const { resource, authorization_servers } = (await response.json()) as Record<string, unknown>;
      assert.deepEqual([resource, authorization_servers], [server.url + path, [server.url]]);
    }
  });

  test("a refused API request says where a client finds the authorization server", async () => {
    const { headers } = await server.call("GET", "/users/me");
    assert.equal(
      headers.get("www-authenticate"),
      `Bearer resource_metadata="${server.url}/.well-known/oauth-protected-resource/api/v2"`,
    );
  });

  test("a login by code and PKCE gives tokens in our format, good for the person's powers, and tells what it is", async () => {
    const { verifier, challenge } = newVerifier();
    const code = await approve(server, person.cookie, authorizationQuery(challenge));
    const { status, headers, body } = await exchange(server, code, verifier, { device_name: "ada's laptop\u001b[31m" });
    assert.equal(status, 200);
    assert.equal(headers.get("cache-control"), "no-store");
    assert.match(body.access_token, /^lk_at_[0-9A-Za-z]{49}$/);
    assert.match(body.refresh_token, /^lk_rt_[0-9A-Za-z]{49}$/);
    assert.deepEqual([body.token_type, body.expires_in], ["Bearer", 3600]);
    assert.equal(body.scope, "offline_access urn:neoncloud:projects:read");

    const key = body.access_token;
    assert.deepEqual(await server.expect(200, "GET", "/auth", { key }), {
      account_id: person.user_id,
      auth_method: "oauth",
    });
    const org_id = await createOrganization(server, key);
    const { key: org_key } = await createOrganizationKey(server, key, org_id);
    assert.equal((await server.expect(200, "GET", "/auth", { key: org_key })).auth_method, "api_key_org");

    const [grant] = await grantsOf({ key });
    assert.deepEqual([grant?.client.name, grant?.device_name, grant?.current], ["Neon CLI", "ada's laptop[31m", true]);
    const [created] = (await events("organization.create")).slice(-1);
    assert.deepEqual([created?.principal_kind, Number(created?.oauth_grant_id)], ["person:oauth", grant?.id]);
    const [login] = (await events("oauth_grant.create")).slice(-1);
    assert.deepEqual([login?.user_id, login?.subject], [person.user_id, `oauth_grant:${grant?.id}`]);
    const [approval] = (await events("oauth_request.approve")).slice(-1);
    assert.deepEqual([approval?.principal_kind, approval?.subject], ["person:session", "oauth_client:neonctl"]);
  });

  test("a refresh token is no bearer token, and no token of one server's database opens by its digest", async () => {
    const tokens = await logIn(server, person.cookie);
    await server.expect(401, "GET", "/users/me", { key: tokens.refresh_token });
    const { rows } = await metadata.query("select encode(token_digest, 'hex') as hex from oauth_access_tokens");
    for (const { hex } of rows as { hex: string }[]) await server.expect(401, "GET", "/users/me", { key: hex });
  });

  test("the last use of a login is recorded, and its person can end it, with its refresh token, at once", async () => {
    const tokens = await logIn(server, person.cookie);
    const id = await idOf(tokens);
    await server.expect(200, "GET", "/users/me", { key: tokens.access_token, headers: { "user-agent": "neonctl v9" } });
    await waitFor("the use to be written", async () => {
      const grant = (await grantsOf({ cookie: person.cookie })).find((found) => found.id === id);
      return grant?.last_used_user_agent === "neonctl v9" && grant.last_used_at !== null;
    });
    await server.expect(200, "DELETE", `/oauth_grants/${id}`, { cookie: person.cookie });
    assert.equal(await statusOf(tokens.access_token), 401);
    assert.equal((await refresh(server, tokens.refresh_token)).body.error, "invalid_grant");
    await server.expect(404, "DELETE", `/oauth_grants/${id}`, { cookie: person.cookie });
    assert.ok(!(await grantsOf({ cookie: person.cookie })).some((grant) => grant.id === id));
  });

  test("a login is its person's alone", async () => {
    const stranger = await signUp(server, "Stranger");
    const tokens = await logIn(server, person.cookie);
    const id = await idOf(tokens);
    assert.deepEqual(await grantsOf({ cookie: stranger.cookie }), []);
    await server.expect(404, "DELETE", `/oauth_grants/${id}`, { cookie: stranger.cookie });
    assert.equal(await statusOf(tokens.access_token), 200);
  });

  test("an access token is refused after its hour, and the login goes on with its refresh token", async () => {
    const tokens = await logIn(server, person.cookie);
    const id = await idOf(tokens);
    await metadata.query("update oauth_access_tokens set expires_at = now() where grant_id = $1", [id]);
    assert.equal(await statusOf(tokens.access_token), 401);
    const next = await refresh(server, tokens.refresh_token);
    assert.equal(next.status, 200);
    assert.notEqual(next.body.refresh_token, tokens.refresh_token);
    assert.equal(next.body.expires_in, 3600);
    assert.equal(await statusOf(next.body.access_token), 200);
  });

  test("a login that nobody has used for its time cannot be refreshed", async () => {
    const tokens = await logIn(server, person.cookie);
    await metadata.query("update oauth_grants set expires_at = now() where id = $1", [await idOf(tokens)]);
    assert.equal((await refresh(server, tokens.refresh_token)).body.error, "invalid_grant");
  });

  test("two refreshes at once both get good tokens, and nobody is signed out", async () => {
    const tokens = await logIn(server, person.cookie);
    const answers = await Promise.all([1, 2, 3].map(() => refresh(server, tokens.refresh_token)));
    for (const { status, body } of answers) {
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(await statusOf(body.access_token), 200);
    }
    const replays = (await events("oauth_grant.end_on_replay")).length;
    for (const { body } of answers) assert.equal((await refresh(server, body.refresh_token)).status, 200);
    assert.equal((await events("oauth_grant.end_on_replay")).length, replays);
  });

  test("a refresh token presented again after the grace ends that login, no other, and is in the audit log", async () => {
    const other = await logIn(server, person.cookie);
    const stolen = await logIn(server, person.cookie);
    const id = await idOf(stolen);
    const { body: owner } = await refresh(server, stolen.refresh_token);
    await age(id, 31);
    const replay = await refresh(server, stolen.refresh_token);
    assert.deepEqual([replay.status, replay.body.error], [400, "invalid_grant"]);
    assert.equal(replay.headers.get("cache-control"), "no-store");
    assert.equal(await statusOf(owner.access_token), 401);
    assert.equal((await refresh(server, owner.refresh_token)).body.error, "invalid_grant");
    assert.equal(await statusOf(other.access_token), 200);
    assert.equal((await refresh(server, other.refresh_token)).status, 200);
    const found = (await events("oauth_grant.end_on_replay")).filter(({ subject }) => subject === `oauth_grant:${id}`);
    assert.deepEqual(
      found.map(({ principal_kind, user_id }) => [principal_kind, user_id]),
      [["anonymous", person.user_id]],
    );
    // A second replay finds nothing left to end.
    await refresh(server, stolen.refresh_token);
    assert.equal((await events("oauth_grant.end_on_replay")).length, found.length);
  });

  test("a replay and a refresh of the same login at once leave it ended, whoever comes first", async () => {
    for (let round = 0; round < 5; round++) {
      const tokens = await logIn(server, person.cookie);
      const id = await idOf(tokens);
      const { body: owner } = await refresh(server, tokens.refresh_token);
      await age(id, 31);
      const [next] = await Promise.all([refresh(server, owner.refresh_token), refresh(server, tokens.refresh_token)]);
      if (next.status === 200) assert.equal(await statusOf(next.body.access_token), 401);
      assert.equal(await statusOf(owner.access_token), 401);
    }
  });

  test("a code that is used twice ends the login that it was exchanged for, and is in the audit log", async () => {
    const { verifier, challenge } = newVerifier();
    const code = await approve(server, person.cookie, authorizationQuery(challenge));
    const { body } = await exchange(server, code, verifier);
    const id = await idOf(body);
    const again = await exchange(server, code, verifier);
    assert.deepEqual([again.status, again.body.error], [400, "invalid_grant"]);
    assert.equal(await statusOf(body.access_token), 401);
    assert.equal((await refresh(server, body.refresh_token)).body.error, "invalid_grant");
    const [event] = (await events("oauth_grant.end_on_code_reuse")).slice(-1);
    assert.deepEqual([event?.subject, event?.user_id], [`oauth_grant:${id}`, person.user_id]);
  });

  test("of two exchanges of one code at once at most one login is left, and it is ended", async () => {
    const { verifier, challenge } = newVerifier();
    const code = await approve(server, person.cookie, authorizationQuery(challenge));
    const answers = await Promise.all([exchange(server, code, verifier), exchange(server, code, verifier)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    for (const { status, body } of answers) if (status === 200) assert.equal(await statusOf(body.access_token), 401);
  });

  test("a code without its verifier is worth nothing, and a wrong guess burns it, in the audit log too", async () => {
    const wrong: Record<string, object> = {
      "another verifier": { code_verifier: newVerifier().verifier },
      "the challenge itself": { code_verifier: "" },
      "another redirect": { redirect_uri: "http://127.0.0.1:54322/callback" },
      "another client": { client_id: "latchkey" },
    };
    for (const [what, changes] of Object.entries(wrong)) {
      const { verifier, challenge } = newVerifier();
      const code = await approve(server, person.cookie, authorizationQuery(challenge));
      const burnt = (await events("oauth_code.burn")).length;
      const changed = what === "the challenge itself" ? { code_verifier: challenge } : changes;
      const answer = await exchange(server, code, verifier, changed);
      assert.deepEqual([answer.status, answer.body.error], [400, "invalid_grant"], what);
      assert.equal((await events("oauth_code.burn")).length, burnt + 1, what);
      assert.equal((await exchange(server, code, verifier)).body.error, "invalid_grant", `${what}, then the right one`);
    }
  });

  test("a code is good for a minute", async () => {
    const { verifier, challenge } = newVerifier();
    const code = await approve(server, person.cookie, authorizationQuery(challenge));
    const { rows } = await metadata.query<{ seconds: number }>(
      "select extract(epoch from max(expires_at) - now())::float8 as seconds from oauth_codes where used_at is null",
    );
    assert.ok((rows[0]?.seconds ?? 0) <= 60);
    await metadata.query("update oauth_codes set expires_at = now() where used_at is null");
    assert.equal((await exchange(server, code, verifier)).body.error, "invalid_grant");
  });

  test("PKCE with S256 is not optional", async () => {
    const { challenge } = newVerifier();
    for (const changes of [
      { code_challenge: "" },
      { code_challenge_method: "" },
      { code_challenge_method: "plain" },
      { code_challenge: "short" },
      { code_challenge: `${challenge}=` },
    ]) {
      const page = await authorizeAt(server, authorizationQuery(challenge, changes as Record<string, string>));
      assert.equal(page.pathname + page.search, "/oauth/refused?reason=request", JSON.stringify(changes));
    }
  });

  test("the authorization endpoint leads to a page of ours, whatever address a request names", async () => {
    const addresses = [
      "https://evil.example/callback",
      "http://evil.example:80/callback",
      "http://127.0.0.1.evil.example:80/callback",
      "http://127.0.0.1:80@evil.example/callback",
      "http://127.0.0.1:80\\@evil.example/callback",
      "http://evil.example#@127.0.0.1:80/callback",
      "http://127.0.0.1:54321/callback/../../evil",
      "http://127.0.0.1:54321/callback/",
      "http://127.0.0.1:54321/callback?next=https://evil.example",
      "http://127.0.0.1:54321/callback#x",
      "http://127.0.0.1:54321//evil.example/callback",
      "http://127.0.0.1:54321/CALLBACK",
      "http://127.0.0.1:99999/callback",
      "http://127.0.0.1/callback",
      "http://127.1:54321/callback",
      "http://0x7f000001:54321/callback",
      "http://localhost:54321/callback",
      "https://127.0.0.1:54321/callback",
      "//evil.example/callback",
      "javascript:alert(1)//127.0.0.1:1/callback",
      " http://127.0.0.1:54321/callback",
      "",
    ];
    const { challenge } = newVerifier();
    for (const redirect_uri of addresses) {
      const page = await authorizeAt(server, authorizationQuery(challenge, { redirect_uri }));
      assert.equal(page.href, `${server.url}/oauth/refused?reason=redirect`, redirect_uri);
    }
    for (const redirect_uri of [REDIRECT, "http://127.0.0.1:1/callback", "http://[::1]:65535/callback"]) {
      const page = await authorizeAt(server, authorizationQuery(challenge, { redirect_uri }));
      assert.equal(page.origin + page.pathname, `${server.url}/oauth/consent`, redirect_uri);
    }
  });

  test("a request that was changed on its way to the page is checked anew", async () => {
    const { challenge } = newVerifier();
    const packed = await packedRequest(server, authorizationQuery(challenge));
    const parameters = JSON.parse(Buffer.from(packed, "base64url").toString()) as Record<string, unknown>;
    const forged: [string, unknown][] = [
      ["redirect_uri", "https://evil.example/callback"],
      ["redirect_uri", ["http://127.0.0.1:54321/callback"]],
      ["client_id", "somebody"],
      ["client_id", "__proto__"],
      ["code_challenge_method", "plain"],
      ["response_type", "token"],
    ];
    for (const [name, value] of forged) {
      const request = Buffer.from(JSON.stringify({ ...parameters, [name]: value })).toString("base64url");
      const options = { cookie: person.cookie };
      assert.equal((await server.call("GET", `/oauth_authorization?request=${request}`, options)).status, 400, name);
      const answer = await server.call("POST", "/oauth_authorization", { ...options, body: { request } });
      assert.equal(answer.status, 400, name);
    }
    for (const request of ["bm90IGpzb24", "W10", "e30"]) {
      await server.expect(400, "POST", "/oauth_authorization", { cookie: person.cookie, body: { request } });
    }
  });

  test("the answer to an approval goes to the client's address with the state, and says whose code it is", async () => {
    const { challenge } = newVerifier();
    const state = `x & "y" #z`;
    const body = { request: await packedRequest(server, authorizationQuery(challenge, { state })) };
    const answer = await server.call<{ redirect_to: string }>("POST", "/oauth_authorization", {
      cookie: person.cookie,
      body,
    });
    const url = new URL(answer.body.redirect_to);
    assert.equal(url.origin + url.pathname, REDIRECT);
    assert.deepEqual([url.searchParams.get("state"), url.searchParams.get("iss")], [state, server.url]);
    assert.equal(answer.headers.get("cache-control"), "no-store");
  });

  test("a page of another site cannot approve a login with the session of whoever visits it", async () => {
    const { challenge } = newVerifier();
    const body = { request: await packedRequest(server, authorizationQuery(challenge)) };
    const { user_code } = await beginDevice(server);
    const codes = async () => (await metadata.query("select from oauth_codes")).rowCount;
    const before_codes = await codes();
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ]) {
      const options = { headers: { cookie: person.cookie, ...headers } as Record<string, string> };
      await server.expect(403, "POST", "/oauth_authorization", { ...options, body });
      await server.expect(403, "POST", `/oauth_device_requests/${user_code}/approve`, options);
    }
    // A form of another site is no JSON, and no form is taken.
    const form = await fetch(`${server.api}/oauth_authorization`, {
      method: "POST",
      headers: { cookie: person.cookie, "content-type": "application/x-www-form-urlencoded", origin: server.url },
      body: new URLSearchParams(body),
    });
    assert.equal(form.status, 415);
    assert.equal(await codes(), before_codes);
  });

  test("consent is a person's in front of the Console: no key and no token approves a login", async () => {
    const { access_token } = await logIn(server, person.cookie);
    const { challenge } = newVerifier();
    const body = { request: await packedRequest(server, authorizationQuery(challenge)) };
    const { user_code } = await beginDevice(server);
    for (const key of [person.key, access_token]) {
      await server.expect(403, "POST", "/oauth_authorization", { key, body });
      await server.expect(403, "POST", `/oauth_device_requests/${user_code}/approve`, { key });
      await server.expect(403, "POST", `/oauth_device_requests/${user_code}/deny`, { key });
    }
    await server.expect(401, "POST", "/oauth_authorization", { body });
  });

  test("the pages cannot be framed, and no page of ours is told to others by a referrer", async () => {
    const { challenge } = newVerifier();
    const request = await packedRequest(server, authorizationQuery(challenge));
    for (const path of [`/oauth/consent?request=${request}`, "/oauth/device", "/oauth/refused", "/sign-in"]) {
      const { headers } = await fetch(server.url + path);
      assert.match(headers.get("content-security-policy") ?? "", /frame-ancestors 'none'/, path);
      assert.match(headers.get("x-frame-options") ?? "", /DENY|SAMEORIGIN/, path);
      assert.equal(headers.get("referrer-policy"), "no-referrer");
    }
  });

  test("a client gets no more than it may: no other flow, no other scope, nothing for a client that is not known", async () => {
    const { verifier, challenge } = newVerifier();
    for (const [changes, reason] of [
      [{ response_type: "token" }, "request"],
      [{ response_type: "code id_token" }, "request"],
      [{ response_mode: "fragment" }, "request"],
      [{ request_uri: "https://evil.example/request" }, "request"],
      [{ resource: "https://evil.example" }, "request"],
      [{ client_id: "other" }, "client"],
      [{ client_id: "" }, "client"],
    ] as const) {
      const page = await authorizeAt(server, authorizationQuery(challenge, changes as Record<string, string>));
      assert.equal(page.pathname + page.search, `/oauth/refused?reason=${reason}`, JSON.stringify(changes));
    }
    const twice = authorizationQuery(challenge);
    twice.append("redirect_uri", REDIRECT);
    assert.equal((await authorizeAt(server, twice)).search, "?reason=request");

    const scope = "openid urn:neoncloud:projects:read urn:evil:everything offline_access admin";
    const tokens = await logIn(server, person.cookie, { scope });
    assert.equal(tokens.scope, "offline_access urn:neoncloud:projects:read");
    const more = await refresh(server, tokens.refresh_token, { scope: `${tokens.scope} urn:neoncloud:orgs:delete` });
    assert.deepEqual([more.status, more.body.error], [400, "invalid_scope"]);
    assert.equal((await refresh(server, tokens.refresh_token, { scope: tokens.scope })).status, 200);
    assert.equal((await refresh(server, tokens.refresh_token, { client_id: "latchkey" })).body.error, "invalid_grant");

    const device = await post(server, "device_authorization", { client_id: "neonctl" });
    assert.deepEqual([device.status, device.body.error], [400, "unauthorized_client"]);
    const password = { client_id: "neonctl", username: person.email, password: person.password };
    const grants = {
      password: "unsupported_grant_type",
      client_credentials: "unsupported_grant_type",
      "": "invalid_request",
    };
    for (const [grant_type, error] of Object.entries(grants)) {
      assert.equal((await post(server, "token", { grant_type, ...password })).body.error, error);
    }
    assert.equal((await exchange(server, "code", verifier, { client_id: "other" })).status, 401);
    assert.equal((await exchange(server, "code", verifier, { client_secret: "x" })).body.error, "invalid_client");
  });

  test("without offline_access a login lasts for its first hour and has no refresh token", async () => {
    const tokens = await logIn(server, person.cookie, { scope: "urn:neoncloud:projects:read" });
    assert.equal(tokens.refresh_token, undefined);
    assert.equal(await statusOf(tokens.access_token), 200);
  });

  test("what is no proper form is refused in the form of the standard", async () => {
    const good = { grant_type: "refresh_token", client_id: "neonctl" };
    const answers = await Promise.all([
      post(server, "token", JSON.stringify(good), { "content-type": "application/json" }),
      post(server, "token", "", {}),
      post(server, "token", `${new URLSearchParams(good)}&client_id=neonctl`),
      post(server, "token", good),
      post(server, "token", `${new URLSearchParams(good)}&pad=${"x".repeat(20_000)}`),
    ]);
    assert.deepEqual(
      answers.map(({ status, body }) => [status, body.error]),
      [
        [400, "invalid_request"],
        [401, "invalid_client"],
        [400, "invalid_request"],
        [400, "invalid_request"],
        [400, "invalid_request"],
      ],
    );
    for (const { headers } of answers) assert.equal(headers.get("cache-control"), "no-store");
  });

  test("revocation answers 200 whatever the token was, and ends the login by either of its tokens", async () => {
    for (const kind of ["refresh_token", "access_token"] as const) {
      const other = await logIn(server, person.cookie);
      const tokens = await logIn(server, person.cookie);
      const id = await idOf(tokens);
      const answer = await post(server, "revoke", {
        token: tokens[kind],
        token_type_hint: "refresh_token",
        client_id: "neonctl",
      });
      assert.equal(answer.status, 200);
      assert.equal(await statusOf(tokens.access_token), 401);
      assert.equal((await refresh(server, tokens.refresh_token)).body.error, "invalid_grant");
      assert.equal(await statusOf(other.access_token), 200);
      const [event] = (await events("oauth_grant.revoke")).slice(-1);
      assert.deepEqual([event?.subject, event?.principal_kind], [`oauth_grant:${id}`, "person:oauth"]);
    }
    const rows = (await events("oauth_grant.revoke")).length;
    for (const token of ["nonsense", "lk_rt_unknown", person.key, person.cookie]) {
      assert.equal((await post(server, "revoke", { token, client_id: "neonctl" })).status, 200);
    }
    assert.equal((await events("oauth_grant.revoke")).length, rows);
    assert.equal(await statusOf(person.key), 200);
    assert.equal((await post(server, "revoke", { client_id: "neonctl" })).body.error, "invalid_request");
  });

  test("the session cookie opens nothing at the endpoints of the standards", async () => {
    const answer = await post(
      server,
      "token",
      { grant_type: "authorization_code", client_id: "neonctl", code: "x", code_verifier: newVerifier().verifier },
      { cookie: person.cookie },
    );
    assert.equal(answer.body.error, "invalid_grant");
    for (const path of ["/token", "/oauth2/userinfo", "/api/auth/token"]) {
      const response = await fetch(server.url + path, { headers: { cookie: person.cookie } });
      assert.ok(!/lk_|eyJ/.test(await response.text()), path);
    }
  });

  test("a machine without a browser is let in by the code that it shows", async () => {
    const device = await beginDevice(server, { device_name: "build-7" });
    assert.match(device.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    assert.equal(device.verification_uri, `${server.url}/oauth/device`);
    assert.equal(device.verification_uri_complete, `${server.url}/oauth/device?user_code=${device.user_code}`);
    assert.deepEqual([device.expires_in, device.interval], [600, 5]);
    assert.equal((await pollDevice(server, device.device_code)).body.error, "authorization_pending");
    assert.equal((await pollDevice(server, device.device_code)).body.error, "slow_down");

    const typed = device.user_code.replace("-", "").toLowerCase();
    const shown = await server.expect(200, "GET", `/oauth_device_requests/${typed}`, { cookie: person.cookie });
    assert.deepEqual(
      [shown.user_code, shown.device_name, shown.address, (shown.client as { name: string }).name, shown.offline],
      [device.user_code, "build-7", "127.0.0.1", "Latchkey CLI", true],
    );
    await server.expect(200, "POST", `/oauth_device_requests/${typed}/approve`, { cookie: person.cookie });
    await server.expect(404, "POST", `/oauth_device_requests/${typed}/approve`, { cookie: person.cookie });
    await metadata.query("update oauth_device_requests set polled_at = polled_at - interval '1 minute'");
    assert.equal((await pollDevice(server, device.device_code, "neonctl")).body.error, "unauthorized_client");
    const { status, body } = await pollDevice(server, device.device_code);
    assert.equal(status, 200);
    assert.equal(await statusOf(body.access_token), 200);
    const [grant] = await grantsOf({ key: body.access_token });
    assert.deepEqual([grant?.device_name, grant?.client.id], ["build-7", "latchkey"]);
    assert.equal((await pollDevice(server, device.device_code)).body.error, "invalid_grant");
    assert.equal((await refresh(server, body.refresh_token, { client_id: "latchkey" })).status, 200);
  });

  test("a machine that was refused or came too late gets nothing", async () => {
    const refused = await beginDevice(server);
    await server.expect(200, "POST", `/oauth_device_requests/${refused.user_code}/deny`, { cookie: person.cookie });
    assert.equal((await pollDevice(server, refused.device_code)).body.error, "access_denied");
    const [event] = (await events("oauth_request.deny")).slice(-1);
    assert.equal(event?.subject, `oauth_device_request:${refused.user_code.replace("-", "")}`);

    const late = await beginDevice(server);
    await metadata.query("update oauth_device_requests set expires_at = now() where status = 'waiting'");
    assert.equal((await pollDevice(server, late.device_code)).body.error, "expired_token");
    await server.expect(404, "POST", `/oauth_device_requests/${late.user_code}/approve`, { cookie: person.cookie });
  });

  test("guessing user codes is slowed down", async () => {
    const guesser = await signUp(server, "Guesser");
    const guess = () => server.call("GET", "/oauth_device_requests/BBBB-BBBB", { cookie: guesser.cookie });
    for (let i = 0; i < 20; i++) assert.equal((await guess()).status, 404);
    const { status, headers } = await guess();
    assert.equal(status, 429);
    assert.ok(Number(headers.get("retry-after")) > 0);
    await server.expect(404, "GET", "/oauth_device_requests/BBBB-BBBB", { cookie: person.cookie });
  });

  test("a changed password ends the other sessions and the logins, and what was approved but not fetched", async () => {
    const grace = await signUp(server, "Grace");
    const other = await signIn(server, grace);
    const tokens = await logIn(server, grace.cookie);
    const device = await beginDevice(server);
    await server.expect(200, "POST", `/oauth_device_requests/${device.user_code}/approve`, { cookie: grace.cookie });
    const { verifier, challenge } = newVerifier();
    const code = await approve(server, grace.cookie, authorizationQuery(challenge));

    const change = (current_password: string, new_password: string) =>
      server.call("POST", "/users/me/password", { cookie: grace.cookie, body: { current_password, new_password } });
    assert.equal((await change("wrong", "correct horse battery")).status, 403);
    assert.equal((await change(grace.password, grace.password)).status, 400);
    assert.equal((await change(grace.password, "short")).status, 400);
    const { status, body } = await change(grace.password, "correct horse battery");
    assert.deepEqual([status, body], [200, { sessions_ended: 1, oauth_grants_ended: 1 }]);

    await server.expect(200, "GET", "/users/me", { cookie: grace.cookie });
    await server.expect(200, "GET", "/users/me", { key: grace.key });
    await server.expect(401, "GET", "/users/me", { cookie: other });
    assert.equal(await statusOf(tokens.access_token), 401);
    assert.equal((await refresh(server, tokens.refresh_token)).body.error, "invalid_grant");
    assert.equal((await exchange(server, code, verifier)).body.error, "invalid_grant");
    assert.equal((await pollDevice(server, device.device_code)).body.error, "invalid_grant");
    await server.expect(401, "POST", "/sessions", { body: { email: grace.email, password: grace.password } });
    await signIn(server, { email: grace.email, password: "correct horse battery" });
    const [event] = (await events("user.update_password")).slice(-1);
    assert.deepEqual([event?.principal_kind, event?.user_id], ["person:session", grace.user_id]);
  });

  test("guessing the current password with a stolen session is slowed down", async () => {
    const victim = await signUp(server, "Victim");
    const body = { current_password: "wrong", new_password: "correct horse battery" };
    for (let i = 0; i < 10; i++)
      await server.expect(403, "POST", "/users/me/password", { cookie: victim.cookie, body });
    await server.expect(429, "POST", "/users/me/password", { cookie: victim.cookie, body });
  });

  test("no code, token or verifier is in the log or the database", async () => {
    const { verifier, challenge } = newVerifier();
    const code = await approve(server, person.cookie, authorizationQuery(challenge));
    const { body } = await exchange(server, code, verifier);
    const device = await beginDevice(server);
    const secrets = [code, verifier, body.access_token, body.refresh_token, device.device_code];
    const { rows } = await metadata.query<{ dump: string }>(
      `select coalesce(string_agg(t::text, ''), '') as dump from (
         select to_jsonb(x) as t from oauth_grants x union all select to_jsonb(x) from oauth_codes x
         union all select to_jsonb(x) from oauth_access_tokens x union all select to_jsonb(x) from oauth_refresh_tokens x
         union all select to_jsonb(x) from oauth_device_requests x union all select to_jsonb(x) from audit_events x) all_rows`,
    );
    for (const secret of secrets) {
      assert.ok(!server.output.includes(secret), "in the log");
      assert.ok(!rows[0]?.dump.includes(secret), "in the database");
    }
  });

  test("whoever is refused again and again is slowed down, and is told in the form of the standard", async () => {
    // The last one in here: from then on whatever this address is refused for it is told to wait.
    const tokens = await logIn(server, person.cookie);
    let answer = await refresh(server, "lk_rt_unknown");
    for (let i = 0; i < 100 && answer.status === 400; i++) answer = await refresh(server, "lk_rt_unknown");
    const { status, headers, body } = answer;
    assert.deepEqual([status, body.error], [429, "temporarily_unavailable"]);
    assert.ok(Number(headers.get("retry-after")) > 0);

    const { verifier, challenge } = newVerifier();
    const code = await approve(server, person.cookie, authorizationQuery(challenge));
    assert.equal((await exchange(server, code, verifier)).status, 200, "others behind it are let in");
    assert.equal((await refresh(server, tokens.refresh_token)).status, 200, "and stay so");
    assert.equal((await refresh(server, "lk_rt_unknown")).status, 429);
  });
});
