import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { logIn } from "../harness/oauth.ts";
import { startServer, type TestServer, waitFor } from "../harness/server.ts";
import { smtpSink } from "../harness/smtp-sink.ts";
import { createOrganizationKey, fromElsewhere, type Person, setupTokenOf, signUp } from "../harness/world.ts";

/** Of one address, before its requests without a credential are counted and no longer logged; and so many more a second. */
const LOGGED = 100;
const LOGGED_PER_SECOND = 10;
const SIGN_UPS = 60;

suite("a stranger", () => {
  let server: TestServer;
  let person: Person;
  const closing: (() => unknown)[] = [];
  let sink: Awaited<ReturnType<typeof smtpSink>>;
  before(async () => {
    sink = await smtpSink({ after: (close) => closing.push(close) });
    server = await startServer(undefined, {
      LATCHKEY_SMTP_URL: sink.url,
      LATCHKEY_LOG_LEVEL: "info",
      LATCHKEY_SIGN_UP: "open",
      LATCHKEY_TRUST_PROXY: "1",
    });
    person = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
  });
  after(async () => {
    await server?.close();
    for (const close of closing) await close();
  });

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

  test("who signed up with somebody's e-mail keeps nothing once its owner sets a new password by mail", async () => {
    const stranger = await signUp(server, "Mallory", {}, "victim@example.com");
    const { organizations } = await server.expect<{ organizations: { id: string }[] }>(
      200,
      ...(["GET", "/users/me/organizations"] as const),
      { key: stranger.key },
    );
    const of_organization = await createOrganizationKey(server, stranger.key, organizations[0]?.id ?? "");
    const { access_token } = await logIn(server, stranger.cookie);
    const credentials = [
      { key: stranger.key },
      { key: of_organization.key },
      { key: access_token },
      { cookie: stranger.cookie },
    ];
    for (const credential of credentials) await server.expect(200, "GET", "/auth", credential);

    await server.expect(200, "POST", "/password_resets", { body: { email: stranger.email }, headers: fromElsewhere() });
    const mails = () => sink.messages.map(({ data }) => data.replaceAll("=\n", ""));
    const tokenOf = () => /#(lk_reset_[\w-]{43})/.exec(mails().join("\n"))?.[1];
    await waitFor("the mail", () => tokenOf() !== undefined);
    const body = { reset_token: tokenOf(), new_password: "four unrelated words" };
    await server.expect(200, "POST", "/password_resets/use", { body, headers: fromElsewhere() });
    for (const credential of credentials) await server.expect(401, "GET", "/auth", credential);
    await waitFor("the mail about it", () => mails().some((mail) => /So have all API keys/.test(mail)));
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
