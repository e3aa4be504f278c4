import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { startServer, type TestServer } from "../harness/server.ts";
import { fromElsewhere, type Person, setupTokenOf, signUp } from "../harness/world.ts";

/** Of one address, before its requests without a credential are counted and no longer logged; and so many more a second. */
const LOGGED = 100;
const LOGGED_PER_SECOND = 10;
const SIGN_UPS = 60;

suite("a stranger", () => {
  let server: TestServer;
  let person: Person;
  before(async () => {
    server = await startServer(undefined, {
      LATCHKEY_LOG_LEVEL: "info",
      LATCHKEY_SIGN_UP: "open",
      LATCHKEY_TRUST_PROXY: "1",
    });
    person = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
  });
  after(() => server?.close());

  test("does not write the log full by coming without a credential; each is counted, and slows no other down", async () => {
    const headers = fromElsewhere();
    const began_ms = performance.now();
    for (let i = 0; i < 1000; i += 50) {
      const some = Array.from({ length: 50 }, () => server.call("GET", "/users/me", { headers }));
      for (const { status } of await Promise.all(some)) assert.equal(status, 401);
    }
    const seconds = (performance.now() - began_ms) / 1000;
    const lines = server.output.split("\n").filter((line) => line.includes('"reason":"missing"')).length;
    assert.ok(lines > 0 && lines <= LOGGED + LOGGED_PER_SECOND * (seconds + 1), `${lines} lines in ${seconds} s`);
    assert.ok(lines < 500);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /^latchkey_credentials_refused_total\{reason="missing"\} 1000$/m);
    assert.equal((await server.call("GET", "/users/me", { headers, key: "lk_user_none" })).status, 401);
    assert.equal((await server.call("GET", "/users/me", { headers, key: person.key })).status, 200);
  });

  test("is one and the same whatever port a proxy has seen them come from", async () => {
    const body = { email: person.email, password: "wrong" };
    for (const [address, at] of [
      ["10.0.0.1", "10.0.0.1:"],
      ["2001:db8::1", "[2001:db8::1]:"],
    ]) {
      for (let port = 1; port <= 10; port++) {
        await server.expect(401, "POST", "/sessions", { body, headers: { "x-forwarded-for": `${at}${port}` } });
      }
      for (const from of [`${at}11`, address ?? ""]) {
        await server.expect(429, "POST", "/sessions", { body, headers: { "x-forwarded-for": from } });
      }
    }
  });

  test("signs up no more than sixty times in a quarter of an hour, and others do all the same", async () => {
    const headers = fromElsewhere();
    const body = { email: "eve@example.com", password: "correct horse", name: "Eve" };
    const refused = { ...body, invitation_token: "lk_invitation_none" };
    for (let i = 0; i < SIGN_UPS; i++) await server.expect(404, "POST", "/users", { body: refused, headers });
    const { status, headers: told } = await server.call("POST", "/users", { body, headers });
    assert.equal(status, 429);
    assert.ok(Number(told.get("retry-after")) > 800);
    await server.expect(201, "POST", "/users", { body, headers: fromElsewhere() });
  });
});
