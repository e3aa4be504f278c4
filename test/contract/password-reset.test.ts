import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { connectToMetadata } from "../harness/metadata.ts";
import { runProgram, startServer, type TestServer, waitFor } from "../harness/server.ts";
import { smtpSink } from "../harness/smtp-sink.ts";
import { createPersonalKey, fromElsewhere, type Person, setupTokenOf, signUp } from "../harness/world.ts";

suite("forgotten passwords", () => {
  const closing: (() => unknown)[] = [];
  let server: TestServer;
  let sink: Awaited<ReturnType<typeof smtpSink>>;
  let ada: Person;

  before(async () => {
    sink = await smtpSink({ after: (close) => closing.push(close) });
    server = await startServer(undefined, { LATCHKEY_SMTP_URL: sink.url, LATCHKEY_TRUST_PROXY: "1" });
    ada = await signUp(server, "Ada", { setup_token: setupTokenOf(server) }, "ada@example.com");
  });
  after(async () => {
    await server?.close();
    for (const close of closing) await close();
  });

  const request = (email: string) =>
    server.call("POST", "/password_resets", { body: { email }, headers: fromElsewhere() });
  const use = (reset_token: string, new_password: string) =>
    server.call("POST", "/password_resets/use", { body: { reset_token, new_password }, headers: fromElsewhere() });

  test("the answer is the same whoever has the address, and only who has it gets mail", async () => {
    const [known, unknown] = [await request("Ada@Example.com"), await request("nobody@example.com")];
    assert.deepEqual([known.status, known.body], [200, { by_mail: true }]);
    assert.deepEqual([unknown.status, unknown.body], [known.status, known.body]);
    const names = (answer: typeof known) => [...answer.headers.keys()].filter((name) => name !== "date").sort();
    assert.deepEqual(names(unknown), names(known));
    await waitFor("the mail", async () => sink.messages.length > 0);
    assert.deepEqual(
      sink.messages.map(({ to }) => to),
      ["ada@example.com"],
    );
  });

  test("the mailed token sets the password and ends sessions; keys stay; it is in no log and in no row", async () => {
    const token = /#(lk_reset_[\w-]{43})/.exec((sink.messages[0]?.data ?? "").replaceAll("=\n", ""))?.[1] ?? "";
    const { key } = await createPersonalKey(server, ada.key);
    assert.equal((await use(token, "short")).status, 400);
    assert.deepEqual((await use(token, "four unrelated words")).body, {});
    assert.equal((await use(token, "four unrelated words")).status, 404);
    assert.equal((await server.call("GET", "/users/me", { cookie: ada.cookie })).status, 401);
    assert.equal((await server.call("GET", "/users/me", { key })).status, 200);
    const signIn = (password: string) => server.call("POST", "/sessions", { body: { email: ada.email, password } });
    assert.equal((await signIn(ada.password)).status, 401);
    assert.equal((await signIn("four unrelated words")).status, 201);
    assert.ok(!server.output.includes(token.slice(9)));
    const metadata = await connectToMetadata(server.data_dir);
    const { rows } = await metadata.query(
      "select action, user_id, subject from audit_events where action like 'password_reset.%' order by id",
    );
    await metadata.end();
    assert.deepEqual(rows, [
      { action: "password_reset.create", user_id: ada.user_id, subject: `user:${ada.user_id}` },
      { action: "password_reset.create", user_id: null, subject: "user:unknown" },
      { action: "password_reset.use", user_id: ada.user_id, subject: `user:${ada.user_id}` },
    ]);
  });

  test("whoever's password is set anew or changed is told so by mail, with where it came from and without a secret", async () => {
    const told = () =>
      sink.messages.filter(({ data }) => /^Subject: Your password for Latchkey was changed$/m.test(data));
    await waitFor("the mail about the reset", async () => told().length === 1);
    const session = { email: ada.email, password: "four unrelated words" };
    const signed_in = await server.call("POST", "/sessions", { body: session });
    const cookie = (signed_in.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
    const body = { current_password: session.password, new_password: "five quite unrelated words" };
    const headers = { ...fromElsewhere(), origin: server.url };
    assert.equal((await server.call("POST", "/users/me/password", { cookie, body, headers })).status, 200);
    await waitFor("the mail about the change", async () => told().length === 2);
    for (const { to, data } of told()) {
      assert.equal(to, "ada@example.com");
      const text = data.replaceAll("=\n", "").replaceAll("=3D", "=");
      assert.match(text, /was changed on \d{4}-\d\d-\d\d \d\d:\d\d UTC, from [\d.]+\./);
      assert.ok(text.includes(`${server.url}/forgot-password`));
      assert.doesNotMatch(text, /unrelated words|lk_/);
    }
    // A change that is refused is no change.
    assert.equal((await server.call("POST", "/users/me/password", { cookie, body, headers })).status, 403);
    assert.equal(told().length, 2);
  });

  test("an address is not flooded, be it somebody's or not", async () => {
    for (const email of ["flooded@example.com", ada.email]) {
      let answer = await request(email);
      for (let i = 0; i < 6; i++) answer = await request(email);
      assert.equal(answer.status, 429);
      assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
    }
  });

  test("whoever runs the server makes a link there, for somebody who is there, without a key", async () => {
    const token = await server.resetToken("ADA@example.com");
    assert.equal((await use(token, "handed over by hand")).status, 200);
    const run = (args: string[]) => runProgram("server/setup.ts", args, server.env);
    const nobody = await run(["--email", "nobody@example.com", "--reset-link"]);
    assert.deepEqual([nobody.code, nobody.stdout], [1, ""]);
    assert.match(nobody.stderr, /nobody here has the e-mail nobody@example.com/);
    assert.equal((await run(["--email", "ada@example.com", "--reset-link", "--org", "Acme"])).code, 2);
  });

  test("a server that sends no mail says so", async (t) => {
    const silent = await startServer(t);
    await signUp(silent, "Eve", { setup_token: setupTokenOf(silent) }, "eve@example.com");
    const body = { email: "eve@example.com" };
    assert.deepEqual((await silent.call("POST", "/password_resets", { body })).body, { by_mail: false });
    const { sends_mail } = await silent.expect<{ sends_mail: boolean }>(200, "GET", "/instance");
    assert.equal(sends_mail, false);
  });
});
