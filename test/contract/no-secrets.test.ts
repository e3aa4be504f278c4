import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import pg from "pg";
import { newToken } from "../../server/keys/token.ts";
import { connectToMetadata } from "../harness/metadata.ts";
import { sendRaw } from "../harness/raw-http.ts";
import { commandLines, dumpDatabase, readFiles, Secrets } from "../harness/secrets.ts";
import { type Answer, type CallOptions, runProgram, startServer, type TestServer } from "../harness/server.ts";
import {
  addMember,
  type CreatedProject,
  cookieHeader,
  createOrganization,
  createOrganizationKey,
  createPersonalKey,
  invite,
  type Person,
  setupTokenOf,
  signIn,
  signUp,
  unique,
} from "../harness/world.ts";

/**
 * One run through everything that issues or takes a secret, at the most talkative log level; then every
 * secret is looked for wherever it must not be. Beside those that were issued, this knows the instance's own.
 */
suite("no secret gets out", () => {
  let server: TestServer;
  let admin: Person;
  let org_id: string;
  const secrets = new Secrets();
  /** Bodies and headers of all answers that must hold no secret: errors, and what only lists or reads. */
  const quiet: string[] = [];
  const metrics_token = randomBytes(24).toString("base64url");

  before(async () => {
    server = await startServer(undefined, { LATCHKEY_SIGN_UP: "open", LATCHKEY_METRICS_TOKEN: metrics_token });
    secrets.add("metrics token", metrics_token);
    await signUpAndInvite();
    await useKeys();
    await useProjects();
    await failWithSecretsEverywhere();
    await runSetup();
    // Ends every session and thereby what can still be written about them; the rest is written down by now.
    await call("GET", "/users/me", { key: admin.key });
  });
  after(() => server?.close());

  /** A call whose answer must hold no secret. */
  async function call(method: string, path: string, options: CallOptions): Promise<Answer> {
    const answer = await server.call(method, path, options);
    quiet.push(JSON.stringify([method, path, answer.status, answer.body, [...answer.headers]]));
    return answer;
  }

  function remember(person: Person, who: string): void {
    secrets.add(`${who}'s password`, person.password);
    secrets.add(`${who}'s key`, person.key);
    rememberCookie(person.cookie, who);
  }

  function rememberCookie(cookie: string, who: string): void {
    const value = cookie.slice(cookie.indexOf("=") + 1);
    secrets.add(`${who}'s cookie`, value);
    secrets.add(`${who}'s cookie, decoded`, decodeURIComponent(value));
  }

  async function signUpAndInvite(): Promise<void> {
    const setup_token = setupTokenOf(server);
    secrets.add("setup token", setup_token);
    admin = await signUp(server, "Admin", { setup_token });
    remember(admin, "admin");
    org_id = await createOrganization(server, admin.key);
    const { person: member } = await addMember(server, admin.key, org_id);
    remember(member, "member");
    const late = await signUp(server, "Late");
    remember(late, "late");
    for (const email of [late.email, `${unique("guest")}@example.com`]) {
      const { token, id } = await invite(server, admin.key, org_id, email);
      secrets.add("invitation token", token);
      if (email === late.email)
        await call("POST", "/invitations/accept", { key: late.key, body: { invitation_token: token } });
      else await call("DELETE", `/organizations/${org_id}/invitations/${id}`, { key: admin.key });
    }
    for (let i = 0; i < 2; i++) {
      const cookie = await signIn(server, member);
      rememberCookie(cookie, "member");
      await call("GET", "/sessions", { cookie });
      await call("DELETE", i === 0 ? "/sessions/current" : "/sessions", { cookie });
      await call("GET", "/sessions", { cookie });
    }
    await call("GET", `/organizations/${org_id}/invitations`, { key: admin.key });
    await call("GET", `/organizations/${org_id}/members`, { key: admin.key });
  }

  async function useKeys(): Promise<void> {
    const personal = await createPersonalKey(server, admin.key);
    const shared = await createOrganizationKey(server, admin.key, org_id);
    for (const { key, id, path } of [
      { ...personal, path: "/api_keys" },
      { ...shared, path: `/organizations/${org_id}/api_keys` },
    ]) {
      secrets.add("key", key);
      const cookie = `zenith=${key}; keycloak_token=${key}`;
      await call("GET", "/auth", { key, headers: { cookie, "user-agent": "secret-test/1" } });
      await call("GET", path, { key: admin.key });
      await call("DELETE", `${path}/${id}`, { key: admin.key });
      await call("GET", "/auth", { key });
    }
  }

  async function useProjects(): Promise<void> {
    const { key } = admin;
    const body = { project: { name: "Secretive", org_id } };
    const made = await server.expect<CreatedProject>(201, "POST", "/projects", { key, body });
    const base = `/projects/${made.project.id}`;
    const branch = `${base}/branches/${made.branch.id}`;
    const [{ name: role = "", password = "" } = {}] = made.roles;
    secrets.add("role password", password);
    const project_key = await createOrganizationKey(server, key, org_id, made.project.id);
    secrets.add("project key", project_key.key);
    await server.settle(made.project.id, key);

    const { password: revealed } = await server.expect(200, "GET", `${branch}/roles/${role}/reveal_password`, { key });
    assert.equal(revealed, password);
    const query = `database_name=${made.databases[0]?.name}&role_name=${role}`;
    const { uri } = await server.expect<{ uri: string }>(200, "GET", `${base}/connection_uri?${query}`, { key });
    assert.ok(uri.includes(encodeURIComponent(password)));
    const connection = uri.replace(/([?&])sslmode=[^&]*/, "$1sslmode=no-verify");
    for (const connectionString of [connection, connection.replace(encodeURIComponent(password), "wrong-password-1")]) {
      const client = new pg.Client({ connectionString });
      client.on("error", () => {});
      await client.connect().then(
        () => client.query("select 1"),
        () => {},
      );
      await client.end().catch(() => {});
    }
    for (const path of ["", "/branches", "/endpoints", "/operations"]) {
      await call("GET", base + path, { key: project_key.key });
    }
    await call("GET", `${branch}/roles`, { key });
    await call("GET", `${branch}/roles/${role}`, { key });
    await call("GET", `${branch}/databases`, { key });
    await call("DELETE", base, { key: project_key.key });
    const doomed = await server.expect<CreatedProject>(201, "POST", "/projects", { key, body });
    secrets.add("role password of a deleted project", doomed.roles[0]?.password ?? "");
    await server.settle(doomed.project.id, key);
    await call("DELETE", `/projects/${doomed.project.id}`, { key });
  }

  /** Secrets where people and programs put them by mistake: the answer and the log must not repeat them. */
  async function failWithSecretsEverywhere(): Promise<void> {
    const strays = {
      "stray personal key": newToken("user").token.reveal(),
      "stray organization key": newToken("org").token.reveal(),
      "stray OAuth token": newToken("at").token.reveal(),
      "stray password": `Hunter2-${unique("long-password")}`,
      "stray connection string": `postgresql://role:${unique("pw-of-a-stranger")}@db.example/x`,
      "misspelt key": `${admin.key.slice(0, -1)}~`,
    };
    for (const [what, secret] of Object.entries(strays)) secrets.add(what, secret);
    const all = [...Object.values(strays), admin.key, admin.password];
    for (const secret of all) {
      const text = encodeURIComponent(secret);
      const { key } = admin;
      for (const credential of [`Bearer ${secret}`, `Basic ${Buffer.from(`x:${secret}`).toString("base64")}`, secret]) {
        if (secret === key && credential.startsWith("Bearer")) continue;
        await call("GET", "/users/me", { headers: { authorization: credential } });
      }
      await call("GET", "/users/me", { headers: { cookie: `zenith=${secret}; latchkey.session_token=${secret}` } });
      // Of a password nothing tells that it is one; a token can be recognized.
      if (secret.startsWith("lk_")) await call("GET", "/users/me", { headers: { "x-request-id": secret } });
      await call("GET", `/projects/${text}`, { key });
      await call("GET", `/nothing/${text}?token=${text}`, { key });
      await call("GET", `/projects?org_id=${text}&cursor=${text}&api_key=${text}`, { key });
      await call("GET", `/projects?org_id=${org_id}&cursor=${text}`, { key });
      await call("DELETE", `/api_keys/${text}`, { key });
      await call("POST", "/api_keys", { key, body: { key_name: [secret], secret } });
      await call("POST", "/projects", { key, body: { project: { org_id: secret, pg_version: secret } } });
      await call("POST", "/projects", {
        key,
        body: { project: { org_id, branch: { role_name: `pg_${secret}`.slice(0, 63) } } },
      });
      await call("POST", "/sessions", { body: { email: admin.email, password: `${secret}x` } });
      await call("POST", "/sessions", { body: { email: "nobody@example.com", password: secret, token: secret } });
      await call("POST", "/sessions", { body: { email: secret, password: secret } });
      await call("POST", "/users", { body: { email: admin.email, password: secret, name: "Twice" } });
      await call("POST", "/users", {
        body: { email: "x@example.com", password: secret, name: "X", setup_token: secret },
      });
      await call("POST", "/invitations/accept", { key, body: { invitation_token: secret } });
      const head = `POST /api/v2/api_keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n`;
      const json = "Content-Type: application/json\r\n";
      for (const bytes of [
        `${head}${json}Content-Length: ${secret.length + 2}\r\n\r\n{"${secret}`,
        `${head}Content-Type: ${secret}\r\nContent-Length: 2\r\n\r\n{}`,
        `GET /${secret} ${secret}\r\n\r\n`,
        `GET /api/v2/auth HTTP/1.1\r\nHost: x\r\n${secret}\r\n\r\n`,
      ]) {
        const answer = await sendRaw(server.port, bytes);
        quiet.push(JSON.stringify(answer));
      }
      await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${secret}` } }).then((r) => r.text());
      quiet.push(await fetch(`${server.url}/docs/${text}`).then((r) => r.text()));
    }
  }

  async function runSetup(): Promise<void> {
    const password = unique("password-for-the-console");
    secrets.add("password given to setup", password);
    const args = ["--email", "ops@example.com", "--name", "Ops", "--org", "Ops", "--password-stdin"];
    const run = await runProgram("server/setup.ts", args, server.env, password);
    assert.equal(run.code, 0, run.stderr);
    const { api_key } = JSON.parse(run.stdout) as { api_key: string };
    secrets.add("key from setup", api_key);
    quiet.push(run.stderr);
    const session = await server.call("POST", "/sessions", { body: { email: "ops@example.com", password } });
    assert.equal(session.status, 201);
    rememberCookie(cookieHeader(session.cookies), "ops");
  }

  test("the run has issued what it should, and the search finds what is there", () => {
    assert.ok(secrets.size > 30, String(secrets.size));
    for (const text of [
      admin.key,
      `x${encodeURIComponent(admin.password)}y`,
      Buffer.from(admin.key).toString("base64"),
    ]) {
      assert.ok(secrets.foundIn(`before ${text} after`).length > 0);
    }
  });

  test("not in any answer but the one that issues it", () => {
    for (const text of quiet) {
      // What a caller asked for is theirs to see again; only the path is repeated here, by this test.
      const [, , ...answer] = text.startsWith("[") ? (JSON.parse(text) as unknown[]) : [0, 0, text];
      assert.deepEqual(secrets.foundIn(JSON.stringify(answer)), [], text.slice(0, 300));
    }
  });

  test("not in the log, at its most talkative, nor on the terminal, but for the setup link", () => {
    const { output } = server;
    assert.ok(output.includes('"level":20'), "the log is not at level debug");
    assert.ok(output.includes("request.done") && output.includes("credential.refused"));
    const lines = output.split("\n").filter((line) => !/^ +Sign up +http\S+\/setup#/.test(line));
    for (const line of lines) assert.deepEqual(secrets.foundIn(line), [], line.slice(0, 200));
  });

  test("not in the audit log, and nowhere else in the metadata database", async () => {
    const metadata = await connectToMetadata(server.data_dir);
    try {
      const dump = await dumpDatabase(metadata);
      assert.match(dump, /-- public\.audit_events: [1-9]\d+ rows/);
      assert.match(dump, /-- public\.api_keys: [1-9]/);
      for (const line of dump.split("\n")) assert.deepEqual(secrets.foundIn(line), [], line.slice(0, 300));
    } finally {
      await metadata.end();
    }
  });

  test("not in the metrics", async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(text, /latchkey_credentials_refused_total/);
    assert.deepEqual(secrets.foundIn(text), []);
  });

  test("not in any process's command line", async () => {
    // Those of the instance itself too: its database's password and its secret key.
    for (const name of ["postgres.password", "secret-key"]) {
      const [text] = (
        await readFiles(
          server.data_dir,
          (_, path) => path.endsWith(name),
          () => false,
        )
      ).values();
      secrets.add(name, text?.trim() ?? "");
    }
    const lines = commandLines();
    assert.ok(lines.includes(join(server.data_dir, "postgres")), "the database's command line is not to be seen");
    assert.deepEqual(secrets.foundIn(lines), []);
  });

  test("not in a file that another account of the machine can read", async () => {
    const { mode } = await stat(server.data_dir);
    const all = await readFiles(
      server.data_dir,
      (file_mode) => (file_mode & 0o004) !== 0,
      // As if a parent could be entered: one wrong mode further up must not give everything away.
      () => true,
    );
    for (const [path, text] of all) {
      if (path.startsWith(join(server.data_dir, "postgres", "data"))) continue;
      assert.deepEqual(secrets.foundIn(text), [], path);
    }
    assert.equal(mode & 0o006, 0, "others can list the data directory");
  });

  test("not in the files of the database's or a project's log", async () => {
    const logs = await readFiles(
      server.data_dir,
      (_, path) => path.endsWith(".log"),
      () => true,
    );
    assert.ok(logs.size >= 2, "there are no logs to look at");
    for (const [path, text] of logs) assert.deepEqual(secrets.foundIn(text), [], path);
  });
});
