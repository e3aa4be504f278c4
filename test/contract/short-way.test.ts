import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { sendRaw } from "../harness/raw-http.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { buildWorld, type CreatedKey, unique, type World } from "../harness/world.ts";

/**
 * `GET /auth` with a key that memory knows is answered ahead of the HTTP library (`server/http/memory-path.ts`).
 * A question mark behind the path makes the same request one for the library: nobody may be able to tell.
 */
const SHORT = "/auth";
const LONG = "/auth?";

suite("the short way of a request", () => {
  let server: TestServer;
  let world: World;

  before(async () => {
    server = await startServer(undefined, { LATCHKEY_SIGN_UP: "open" });
    world = await buildWorld(server);
  });
  after(() => server?.close());

  async function ask(path: string, key: string, headers: Record<string, string> = {}) {
    const response = await fetch(server.api + path, { headers: { authorization: `Bearer ${key}`, ...headers } });
    const { date: _, "x-request-id": request_id, ...rest } = Object.fromEntries(response.headers);
    return { status: response.status, headers: rest, request_id, text: await response.text() };
  }

  test("answers as the long one does, for every kind of credential", async () => {
    for (const key of [
      world.admin.key,
      world.org_key,
      world.project_key,
      world.login_token,
      world.revoked_key,
      "lk_org_junk",
    ]) {
      // The first makes memory know the key.
      await ask(LONG, key);
      const { request_id: _, ...long } = await ask(LONG, key);
      const { request_id: __, ...short } = await ask(SHORT, key);
      if (long.status !== 200) {
        // An error's body names its request.
        assert.deepEqual([short.status, short.headers], [long.status, long.headers]);
      } else assert.deepEqual(short, long);
    }
  });

  test("names the request as its sender did, and never by a token", async () => {
    assert.equal((await ask(SHORT, world.org_key, { "x-request-id": "trace-1" })).request_id, "trace-1");
    const { request_id } = await ask(SHORT, world.org_key, { "x-request-id": world.org_key });
    assert.match(request_id ?? "", /^[0-9a-f-]{36}$/);
  });

  test("is counted and logged like any other", async () => {
    const count = async () => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      const line =
        /^latchkey_http_request_duration_seconds_count\{[^}]*route="\/api\/v2\/auth"[^}]*status="200"\} (\d+)/m;
      return Number(line.exec(text)?.[1]);
    };
    await ask(LONG, world.org_key);
    const before = await count();
    await ask(SHORT, world.org_key, { "x-request-id": "counted-and-logged" });
    await ask(LONG, world.org_key);
    assert.equal((await count()) - before, 2);
    const line = server.output.split("\n").find((line) => line.includes("counted-and-logged")) ?? "{}";
    const { principal, route, status } = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual(
      [principal, route, status],
      [`organization:${world.org_id}:${world.org_key_id}`, "/api/v2/auth", 200],
    );
  });

  test("ends with the key", async () => {
    const { key, id } = await server.expect<CreatedKey>(200, "POST", `/organizations/${world.org_id}/api_keys`, {
      key: world.admin.key,
      body: { key_name: unique() },
    });
    for (let i = 0; i < 3; i++) assert.equal((await ask(SHORT, key)).status, 200);
    await server.expect(200, "DELETE", `/organizations/${world.org_id}/api_keys/${id}`, { key: world.admin.key });
    assert.equal((await ask(SHORT, key)).status, 401);
  });

  test("is for plain requests: others are answered all the same", async () => {
    const { authorization } = { authorization: `authorization: Bearer ${world.org_key}\r\n` };
    const send = (head: string, body = "") =>
      sendRaw(server.port, `${head} HTTP/1.1\r\nhost: localhost\r\n${authorization}${body}`);
    assert.equal((await send("GET /api/v2/auth", "\r\n"))?.status, 200);
    assert.equal((await send("GET /api/v2/auth", "content-length: 2\r\n\r\n{}"))?.status, 200);
    assert.equal((await send("GET /api/v2/auth", "transfer-encoding: chunked\r\n\r\n0\r\n\r\n"))?.status, 200);
    assert.equal((await send("POST /api/v2/auth", "\r\n"))?.status, 404);
    assert.equal((await send("GET /api/v2/auth/", "\r\n"))?.status, 404);
  });

  test("a change that states a JSON body and sends none, not even its length, is answered", async () => {
    const head = `host: localhost\r\nauthorization: Bearer ${world.org_key}\r\ncontent-type: application/json\r\n\r\n`;
    const path = `/api/v2/organizations/${world.org_id}/api_keys`;
    assert.equal((await sendRaw(server.port, `DELETE ${path}/999999999 HTTP/1.1\r\n${head}`))?.status, 404);
    assert.equal((await sendRaw(server.port, `POST ${path} HTTP/1.1\r\n${head}`))?.status, 403);
    // A form without parameters is refused by the rules of the token endpoint, not for want of a body.
    const form = "host: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n\r\n";
    const answer = await sendRaw(server.port, `POST /oauth2/token HTTP/1.1\r\n${form}`);
    assert.deepEqual([answer?.status, JSON.parse(answer?.body ?? "{}").error], [401, "invalid_client"]);
  });
});
