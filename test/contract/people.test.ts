import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { freePort, runProgram, startServer, TestServer } from "../harness/server.ts";
import { smtpSink } from "../harness/smtp-sink.ts";
import {
  addMember,
  cookieHeader,
  createOrganization,
  createOrganizationKey,
  invite,
  memberIdOf,
  type Person,
  setupTokenOf,
  signIn,
  signUp,
  unique,
} from "../harness/world.ts";

interface Message {
  message: string;
}

suite("people", () => {
  let server: TestServer;
  let admin: Person;

  before(async () => {
    server = await startServer();
  });
  after(() => server?.close());

  test("the setup link that the server printed makes the first person, once, and is in no log", async () => {
    const setup_token = setupTokenOf(server);
    const logged = server.output.split("\n").filter((line) => line.startsWith("{"));
    assert.ok(logged.length > 0 && logged.every((line) => !line.includes(setup_token)));
    assert.deepEqual((await server.expect(200, "GET", "/instance")).needs_setup, true);

    const body = { email: "eve@example.com", password: "correct horse", name: "Eve" };
    await server.expect(403, "POST", "/users", { body });
    await server.expect(403, "POST", "/users", { body: { ...body, setup_token: `${setup_token}x` } });
    admin = await signUp(server, "Ada", { setup_token });
    assert.equal((await server.expect(200, "GET", "/users/me", { cookie: admin.cookie })).instance_admin, true);
    assert.deepEqual((await server.expect(200, "GET", "/instance")).needs_setup, false);
    await server.expect(409, "POST", "/users", { body: { ...body, setup_token } });
  });

  test("after the first person nobody signs up without an invitation", async () => {
    const { sign_up } = await server.expect(200, "GET", "/instance");
    assert.equal(sign_up, "invitation");
    const body = { email: "eve@example.com", password: "correct horse", name: "Eve" };
    const { message } = await server.expect<Message>(403, "POST", "/users", { body });
    assert.match(message, /needs an invitation/);
    await server.expect(404, "POST", "/users", { body: { ...body, invitation_token: "lk_invitation_no" } });
  });

  test("a session is told by GET /auth and by the list of sessions", async () => {
    const auth = await server.expect(200, "GET", "/auth", { cookie: admin.cookie });
    assert.deepEqual(auth, { account_id: admin.user_id, auth_method: "session_cookie" });
    const second = await signIn(server, admin);
    const { sessions } = await server.expect<{ sessions: { id: string; current: boolean; address: string }[] }>(
      200,
      "GET",
      "/sessions",
      { cookie: second },
    );
    assert.deepEqual(
      sessions.map(({ current, address }) => [current, address]),
      [
        [true, "127.0.0.1"],
        [false, "127.0.0.1"],
      ],
    );
    await server.expect(200, "DELETE", `/sessions/${sessions[0]?.id}`, { cookie: admin.cookie });
    await server.expect(401, "GET", "/users/me", { cookie: second });
    await server.expect(404, "DELETE", `/sessions/${sessions[0]?.id}`, { cookie: admin.cookie });
    await server.expect(404, "DELETE", "/sessions/not-an-id", { cookie: admin.cookie });
  });

  test("signing out ends the session and makes the browser forget its cookie", async () => {
    const cookie = await signIn(server, admin);
    const { status, cookies } = await server.call("DELETE", "/sessions/current", { cookie });
    assert.equal(status, 200);
    assert.match(cookies[0] ?? "", /^latchkey\.session_token=; Max-Age=0;/);
    await server.expect(401, "GET", "/users/me", { cookie });
    await server.expect(200, "GET", "/users/me", { cookie: admin.cookie });
  });

  test("signing out everywhere ends every session at once, and no key", async () => {
    const cookies = await Promise.all([signIn(server, admin), signIn(server, admin), signIn(server, admin)]);
    await server.expect(200, "DELETE", "/sessions", { cookie: cookies[0] ?? "" });
    for (const cookie of [...cookies, admin.cookie]) await server.expect(401, "GET", "/users/me", { cookie });
    await server.expect(200, "GET", "/users/me", { key: admin.key });
    admin.cookie = await signIn(server, admin);
  });

  test("with a key there is no current session to sign out of, but sessions can be listed and ended", async () => {
    const { message } = await server.expect<Message>(400, "DELETE", "/sessions/current", { key: admin.key });
    assert.match(message, /not a session/);
    const { sessions } = await server.expect<{ sessions: { id: string }[] }>(200, "GET", "/sessions", {
      key: admin.key,
    });
    await server.expect(200, "DELETE", `/sessions/${sessions[0]?.id}`, { key: admin.key });
    await server.expect(401, "GET", "/users/me", { cookie: admin.cookie });
    admin.cookie = await signIn(server, admin);
  });

  test("guessing a password is slowed down, and the owner of the account is told when to come back", async () => {
    const body = { email: "victim@example.com", password: "wrong" };
    for (let i = 0; i < 10; i++) {
      const { message } = await server.expect<Message>(401, "POST", "/sessions", { body });
      assert.equal(message, "e-mail or password is not right");
    }
    const { status, headers } = await server.call("POST", "/sessions", { body });
    assert.equal(status, 429);
    assert.ok(Number(headers.get("retry-after")) > 200);
    await signIn(server, admin);
  });

  test("a page of another site cannot change anything with the session of whoever visits it", async () => {
    const change = (headers: Record<string, string>) =>
      server.call("POST", "/organizations", {
        headers: { cookie: admin.cookie, ...headers },
        body: { organization: { name: unique("org") } },
      });
    const foreign = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: `${server.url}.evil.example` },
      { origin: "http://127.0.0.1:1" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ];
    for (const headers of foreign) assert.equal((await change(headers)).status, 403, JSON.stringify(headers));
    for (const headers of [{ origin: server.url }, { "sec-fetch-site": "same-origin" }]) {
      assert.equal((await change(headers)).status, 201, JSON.stringify(headers));
    }
    // Nor can it sign its visitor in to an account of its own.
    const { email, password } = admin;
    const headers = { origin: "https://evil.example" };
    await server.expect(403, "POST", "/sessions", { headers, body: { email, password } });
  });

  test("a session whose cookie is sent with a bad key stays unused: the key decides alone", async () => {
    await server.expect(401, "GET", "/users/me", { cookie: admin.cookie, key: `${admin.key.slice(0, -1)}_` });
  });

  test("an invitation brings a new person in, and one who has an account", async () => {
    const org_id = await createOrganization(server, admin.key, "Acme");
    const email = `${unique()}@example.com`;
    const { invitations } = await server.expect<{ invitations: { accept_url: string; expires_at: string }[] }>(
      200,
      "POST",
      `/organizations/${org_id}/invitations`,
      { key: admin.key, body: { invitations: [{ email: email.toUpperCase(), role: "member" }] } },
    );
    const [url, token] = invitations[0]?.accept_url.split("#") ?? [];
    assert.equal(url, `${server.url}/invitations/accept`);
    const bob = await signUp(server, "Bob", { invitation_token: token ?? "" }, email);
    const organizations = async (person: Person) =>
      (
        await server.expect<{ organizations: { id: string; name: string; personal: boolean }[] }>(
          200,
          "GET",
          "/users/me/organizations",
          { key: person.key },
        )
      ).organizations.map(({ name, personal }) => [name, personal]);
    assert.deepEqual(await organizations(bob), [
      ["Bob", true],
      ["Acme", false],
    ]);

    const second = await createOrganization(server, admin.key, "Second");
    const { token: invitation_token } = await invite(server, admin.key, second, bob.email, "admin");
    const accept = { body: { invitation_token } };
    await server.expect(403, "POST", "/invitations/accept", { cookie: admin.cookie, ...accept });
    const joined = await server.expect(200, "POST", "/invitations/accept", { cookie: bob.cookie, ...accept });
    assert.equal(joined.id, second);
    await server.expect(404, "POST", "/invitations/accept", { cookie: bob.cookie, ...accept });
    await server.expect(409, "POST", `/organizations/${second}/invitations`, {
      key: admin.key,
      body: { invitations: [{ email: bob.email, role: "member" }] },
    });
  });

  test("an open invitation is listed without its link, and opens nothing once withdrawn", async () => {
    const org_id = await createOrganization(server, admin.key);
    const email = `${unique()}@example.com`;
    const { id, token } = await invite(server, admin.key, org_id, email);
    const path = `/organizations/${org_id}/invitations`;
    const { invitations } = await server.expect<{ invitations: object[] }>(200, "GET", path, { key: admin.key });
    assert.equal(invitations.length, 1);
    assert.ok(!JSON.stringify(invitations).includes(token));
    await server.expect(200, "DELETE", `${path}/${id}`, { key: admin.key });
    await server.expect(404, "DELETE", `${path}/${id}`, { key: admin.key });
    const body = { email, password: "correct horse", name: "Late", invitation_token: token };
    await server.expect(404, "POST", "/users", { body });
  });

  test("the last admin stays, a removed member's key loses the organization at once, and members leave freely", async () => {
    const org_id = await createOrganization(server, admin.key);
    const admin_member = await memberIdOf(server, admin.key, org_id, admin.user_id);
    const members = `/organizations/${org_id}/members`;
    const demotion = { key: admin.key, body: { role: "member" } };
    await server.expect(422, "PATCH", `${members}/${admin_member}`, demotion);
    await server.expect(422, "DELETE", `${members}/${admin_member}`, { key: admin.key });

    const { person, member_id } = await addMember(server, admin.key, org_id);
    const other = await addMember(server, admin.key, org_id);
    await server.expect(403, "DELETE", `${members}/${other.member_id}`, { key: person.key });
    await server.expect(200, "GET", `/organizations/${org_id}`, { key: person.key });
    await server.expect(200, "DELETE", `${members}/${member_id}`, { key: admin.key });
    await server.expect(403, "GET", `/organizations/${org_id}`, { key: person.key });
    await server.expect(200, "DELETE", `${members}/${other.member_id}`, { key: other.person.key });
    await server.expect(403, "GET", `/organizations/${org_id}`, { key: other.person.key });
  });

  test("an organization key lists members and changes roles, but neither removes nor invites", async () => {
    const org_id = await createOrganization(server, admin.key);
    const { member_id } = await addMember(server, admin.key, org_id);
    const { key } = await createOrganizationKey(server, admin.key, org_id);
    const member = `/organizations/${org_id}/members/${member_id}`;
    assert.equal((await server.expect(200, "PATCH", member, { key, body: { role: "admin" } })).role, "admin");
    assert.equal((await server.expect(200, "GET", member, { key })).role, "admin");
    await server.expect(403, "DELETE", member, { key });
    const body = { invitations: [{ email: "x@example.com", role: "member" }] };
    await server.expect(403, "POST", `/organizations/${org_id}/invitations`, { key, body });
    await server.expect(200, "GET", `/organizations/${org_id}/invitations`, { key });
    const { organizations } = await server.expect<{ organizations: { id: string }[] }>(
      200,
      "GET",
      "/users/me/organizations",
      { key },
    );
    assert.deepEqual(
      organizations.map(({ id }) => id),
      [org_id],
    );
  });

  test("pages of members end with one that names no next", async () => {
    const org_id = await createOrganization(server, admin.key);
    for (let i = 0; i < 2; i++) await addMember(server, admin.key, org_id);
    const seen: string[] = [];
    let next: string | undefined;
    do {
      const query = `sort_by=email&sort_order=desc&limit=2${next === undefined ? "" : `&cursor=${next}`}`;
      const page = await server.expect<{ members: { user: { email: string } }[]; pagination: { next?: string } }>(
        200,
        "GET",
        `/organizations/${org_id}/members?${query}`,
        { key: admin.key },
      );
      seen.push(...page.members.map(({ user }) => user.email));
      next = page.pagination.next;
    } while (next !== undefined);
    assert.deepEqual(seen, [...new Set(seen)].sort().reverse());
    assert.equal(seen.length, 3);
    await server.expect(400, "GET", `/organizations/${org_id}/members?cursor=nonsense`, { key: admin.key });
  });
});

suite("mail", () => {
  test("with SMTP the link goes by mail alone; the inviter gets it for whom no mail went out", async (t) => {
    const sink = await smtpSink(t, { refuse: /^refused/ });
    const server = await startServer(t, { LATCHKEY_SMTP_URL: sink.url });
    const { org_id, api_key } = await server.setup();
    const emails = ["taken@example.com", "refused@example.com"];
    const { invitations } = await server.expect<{ invitations: { accept_url?: string }[] }>(
      200,
      "POST",
      `/organizations/${org_id}/invitations`,
      { key: api_key, body: { invitations: emails.map((email) => ({ email, role: "member" })) } },
    );
    assert.equal(invitations[0]?.accept_url, undefined);
    const link = invitations[1]?.accept_url ?? "";
    const mailed =
      /http\S+\/invitations\/accept#(\S+)/.exec(sink.messages[0]?.data.replaceAll("=\n", "") ?? "")?.[1] ?? "";
    await signUp(server, "Taken", { invitation_token: mailed }, emails[0]);
    await signUp(server, "Refused", { invitation_token: link.split("#")[1] ?? "" }, emails[1]);
    assert.ok(!server.output.includes(mailed));
  });
});

suite("headless setup", () => {
  let server: TestServer;

  before(async () => {
    const data_dir = await mkdtemp(join(tmpdir(), "latchkey-test-"));
    server = new TestServer(await freePort(), data_dir, {});
  });
  after(async () => {
    await server?.stop();
    await rm(server.data_dir, { recursive: true, force: true });
  });

  const run = (args: string[], input?: string) => runProgram("server/setup.ts", args, server.env, input);

  test("before the server has ever run, many at once make one person and one organization", async () => {
    const made = await Promise.all([server.setup(), server.setup(), server.setup()]);
    assert.equal(new Set(made.map(({ user_id }) => user_id)).size, 1);
    assert.equal(new Set(made.map(({ org_id }) => org_id)).size, 1);
    assert.equal(new Set(made.map(({ api_key }) => api_key)).size, 3);
  });

  test("while the server starts both come to a good end, and their keys work", async () => {
    const [, ...made] = await Promise.all([
      server.start(),
      server.setup(),
      server.setup("bob@example.com", "Bob", "Bobs"),
    ]);
    for (const { api_key, user_id } of made) {
      assert.equal((await server.expect(200, "GET", "/users/me", { key: api_key })).id, user_id);
    }
    assert.ok(!server.output.includes("/setup#"), "no setup link where there are people");
  });

  test("beside the running server it prints one line of JSON, and the key in it works at once", async () => {
    const { stdout, stderr, code } = await run(["--email", "ADA@example.com", "--org", "Acme"]);
    assert.deepEqual([code, stderr, stdout.split("\n").length], [0, "", 2]);
    const made = JSON.parse(stdout);
    assert.deepEqual(Object.keys(made), ["user_id", "org_id", "api_key"]);
    const { organizations } = await server.expect<{ organizations: { id: string; name: string }[] }>(
      200,
      "GET",
      "/users/me/organizations",
      { key: made.api_key },
    );
    assert.deepEqual(
      organizations.map(({ name }) => name),
      ["Ada", "Acme"],
    );
    assert.equal(organizations[1]?.id, made.org_id);
  });

  test("a password from standard input opens the Console, and a new one signs out everywhere", async () => {
    const ada = { email: "ada@example.com", password: "correct horse" };
    const { status } = await server.call("POST", "/sessions", { body: ada });
    assert.equal(status, 401);
    const args = ["--email", ada.email, "--password-stdin"];
    assert.equal((await run(args, `${ada.password}\n`)).code, 0);
    const answer = await server.call("POST", "/sessions", { body: ada });
    assert.equal(answer.status, 201);
    assert.equal((await run(args, "battery staple")).code, 0);
    await server.expect(401, "GET", "/users/me", { cookie: cookieHeader(answer.cookies) });
    await signIn(server, { email: ada.email, password: "battery staple" });
  });

  test("after the server it leaves the database stopped as it found it", async () => {
    assert.equal(await server.stop(), 0);
    const { user_id } = await server.setup();
    await server.start();
    const { api_key } = await server.setup();
    assert.equal((await server.expect(200, "GET", "/users/me", { key: api_key })).id, user_id);
  });

  test("a mistake in the arguments ends with 2, a word about it on stderr and nothing on stdout", async () => {
    const mistakes: [string[], RegExp][] = [
      [[], /--email is missing/],
      [["--email", "nobody"], /--email must be an e-mail/],
      [["--email", "a@example.com", "--nmae", "A"], /--nmae/],
      [["--email", "a@example.com", "--name", "a\nb"], /--name must be/],
      [["--email", "a@example.com", "extra"], /extra/],
      [["--email", "a@example.com", "--password-stdin"], /password must be 8 to 128/],
    ];
    for (const [args, words] of mistakes) {
      const { stdout, stderr, code } = await run(args, "short");
      assert.deepEqual([code, stdout], [2, ""], args.join(" "));
      assert.match(stderr, words);
    }
  });
});
