import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startServer, type TestServer } from "../harness/server.ts";
import { assertAllRun, type Ran, RESOURCE_TOPICS, type RunOptions, useBuiltCli } from "./built-cli.ts";

const TOKEN = /^lk_(user|org|proj)_[0-9A-Za-z]{49}$/;

interface Key {
  readonly id: number;
  readonly name: string;
  readonly project_id?: string;
}

describe("the built command against a real server", () => {
  const built = useBuiltCli();
  let server: TestServer;
  let org_id = "";
  let person_key = "";
  let project_id = "";

  before(async () => {
    server = await startServer();
    const setup = await server.setup();
    org_id = setup.org_id;
    person_key = setup.api_key;
    built.cli.env = { NEON_API_KEY: setup.api_key, LATCHKEY_URL: server.url };
  });
  after(() => server?.close());

  /** Both outputs of a command: what programs read, and the table that people read. */
  async function both<T>(words: readonly string[], options: RunOptions = {}): Promise<{ data: T; table: string }> {
    const [data, table] = await Promise.all([
      built.cli.json<T>(words, options),
      built.cli.run([...words, "-o", "table"], options),
    ]);
    assert.equal(table.code, 0, table.stderr);
    return { data, table: table.stdout };
  }

  async function well(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const ran = await built.cli.run(words, options);
    assert.equal(ran.code, 0, `latchkey ${words.join(" ")}: ${ran.stderr}`);
    return ran;
  }

  const keys = (...more: string[]) => built.cli.json<Key[]>(["api-keys", "list", ...more]);

  test("me and status say who calls, where", async () => {
    const me = await both<{ email: string }>(["me"]);
    assert.equal(me.data.email, "ada@example.com");
    assert.match(me.table, /^Email +ada@example\.com$/m);
    const status = await both<Record<string, string>>(["status"]);
    assert.equal(status.data.credential, "NEON_API_KEY");
    assert.equal(status.data.account, "ada@example.com");
    assert.equal(status.data.host, server.api);
    assert.match(status.table, /^Server version +\d/m);
  });

  test("a new token is alone on stdout, ready for a pipe, and works", async () => {
    const { stdout, stderr } = await well(["api-keys", "create", "--name", "ci"]);
    assert.match(stdout.trimEnd(), TOKEN);
    assert.equal(stderr, "");
    const piped = await built.cli.bash(
      "latchkey api-keys create --name piped | { read -r token; NEON_API_KEY=$token latchkey me; }",
    );
    assert.match(piped.stdout, /ada@example\.com/);
    const whole = await built.cli.json<{ key: string; name: string }>([
      "api-keys",
      "create",
      "--name",
      "json",
      "-o",
      "json",
    ]);
    assert.match(whole.key, TOKEN);
    assert.equal(whole.name, "json");
  });

  test("keys are listed for programs and for people, never with a token", async () => {
    const { data, table } = await both<Key[]>(["api-keys", "list"]);
    assert.deepEqual(data.map(({ name }) => name).slice(0, 3), ["json", "piped", "ci"]);
    assert.match(table, /^ID +Name +Hint +Created at/);
    assert.ok(!/lk_/.test(table) && !/lk_/.test(JSON.stringify(data)));
    const yaml = await well(["api-keys", "list", "-o", "yaml"]);
    assert.match(yaml.stdout, /^- id: \d+\n {2}name: json$/m);
  });

  test("rotating makes a successor of the same reach, and the old key works until it is told not to", async () => {
    const first = await well(["api-keys", "create", "--name", "deploy"]);
    const old_env = { NEON_API_KEY: first.stdout.trim() };
    const old = (await keys()).find(({ name }) => name === "deploy");
    const rotated = await well(["api-keys", "rotate", String(old?.id)]);
    assert.match(rotated.stdout.trimEnd(), TOKEN);
    assert.match(rotated.stderr, new RegExp(`latchkey api-keys revoke ${old?.id}`));
    await well(["me"], { env: old_env });
    await well(["me"], { env: { NEON_API_KEY: rotated.stdout.trim() } });

    const again = await well(["api-keys", "rotate", String(old?.id), "--revoke-old", "--name", "deploy, new"]);
    assert.equal((await built.cli.run(["me"], { env: old_env })).code, 3);
    await well(["me"], { env: { NEON_API_KEY: again.stdout.trim() } });
    const names = (await keys()).map(({ name }) => name);
    assert.deepEqual(names.slice(0, 2), ["deploy, new", "deploy (2)"]);
    assert.ok(!names.includes("deploy"));
  });

  test("a revoked key is refused on its next use, and revoking asks first", async () => {
    const { stdout } = await well(["api-keys", "create", "--name", "doomed"]);
    const id = String((await keys()).find(({ name }) => name === "doomed")?.id);
    const asked = await built.cli.run(["api-keys", "revoke", id]);
    assert.equal(asked.code, 2);
    assert.match(asked.stderr, /--yes/);
    await well(["me"], { env: { NEON_API_KEY: stdout.trim() } });
    const revoked = await built.cli.json<{ revoked: boolean }>(["api-keys", "revoke", id, "--yes"]);
    assert.equal(revoked.revoked, true);
    assert.equal((await built.cli.run(["me"], { env: { NEON_API_KEY: stdout.trim() } })).code, 3);
    assert.equal((await built.cli.run(["api-keys", "revoke", id, "--yes"])).code, 5);
  });

  test("organizations are listed, got, created and renamed", async () => {
    const { data, table } = await both<{ id: string; name: string }[]>(["orgs", "list"]);
    assert.ok(data.some(({ id }) => id === org_id));
    assert.match(table, new RegExp(`^${org_id} +Acme$`, "m"));
    const created = await built.cli.json<{ id: string }>(["orgs", "create", "--name", "Beta"]);
    await well(["orgs", "update", created.id, "--name", "Gamma"]);
    const got = await both<{ name: string }>(["orgs", "get", created.id]);
    assert.equal(got.data.name, "Gamma");
    assert.match(got.table, /^Name +Gamma$/m);
    assert.equal((await built.cli.run(["orgs", "get"])).code, 2);
    assert.equal((await built.cli.run(["orgs", "update", "--name", "Delta"])).code, 2);
  });

  test("members are listed and got, and the last admin is kept", async () => {
    const of = ["--org-id", org_id];
    const { data, table } = await both<{ member: { id: string } }[]>(["members", "list", ...of]);
    assert.equal(data.length, 1);
    assert.match(table, /ada@example\.com +Ada +admin/);
    const got = await both<{ id: string }>(["members", "get", "ADA@example.com", ...of]);
    assert.equal(got.data.id, data[0]?.member.id);
    const demoted = await built.cli.run(["members", "update", "ada@example.com", "--role", "member", ...of]);
    assert.ok(demoted.code === 4 || demoted.code === 6, demoted.stderr);
    assert.match(demoted.stderr, /request id: /);
    const removed = await built.cli.run(["members", "remove", "ada@example.com", "--yes", ...of]);
    assert.ok(removed.code === 4 || removed.code === 6, removed.stderr);
    assert.equal((await built.cli.run(["members", "remove", "nobody@example.com", "--yes", ...of])).code, 5);
  });

  test("a project is created and waited for; psql gets in at once", async () => {
    const words = ["projects", "create", "--name", "shop", "--org-id", org_id, "--database", "shop", "--set-context"];
    const created = await built.cli.json<{ project: { id: string }; connection_uris: { connection_uri: string }[] }>(
      words,
    );
    project_id = created.project.id;
    assert.match(created.connection_uris[0]?.connection_uri ?? "", /^postgresql:\/\/shop_owner:/);
    const query = await well(["psql", "--", "-Atc", "select current_database()"]);
    assert.equal(query.stdout, "shop\n");
    assert.equal((await well(["psql", "main", "--", "-Atc", "select 2"])).stdout, "2\n");
    const failed = await built.cli.run(["psql", "--", "-v", "ON_ERROR_STOP=1", "-c", "select nonsense"]);
    assert.equal(failed.code, 1);
  });

  test("--no-wait returns while operations are under way, and operations wait waits for them", async () => {
    const words = ["projects", "create", "--name", "later", "--org-id", org_id, "--no-wait", "--no-secrets"];
    const { stdout } = await well(words);
    assert.ok(!stdout.includes("postgresql://"));
    const { project } = JSON.parse(stdout);
    const of = ["--project-id", project.id];
    await well(["operations", "wait", ...of]);
    const { data, table } = await both<{ id: string; status: string }[]>(["operations", "list", ...of]);
    assert.ok(data.length > 0 && data.every(({ status }) => status === "finished"));
    const ended = JSON.parse((await well(["operations", "cancel", data[0]?.id ?? "", ...of])).stdout);
    assert.equal(ended.status, "finished", "what has ended is told as it is");
    assert.match(table, /^ID +Action +Status +Created at\n/);
    const got = await both<{ status: string }>(["operations", "get", data[0]?.id ?? "", ...of]);
    assert.equal(got.data.status, "finished");
    await well(["projects", "delete", project.id, "--yes"]);
  });

  test("projects are listed, got and renamed", async () => {
    const { data, table } = await both<{ projects: { id: string }[] }>(["projects", "list"]);
    assert.ok(data.projects.some(({ id }) => id === project_id));
    assert.match(table, new RegExp(`^${project_id} +shop`, "m"));
    const of_org = await built.cli.json<{ id: string }[]>(["projects", "list", "--org-id", org_id]);
    assert.ok(of_org.some(({ id }) => id === project_id));
    await well(["projects", "update", project_id, "--name", "store"]);
    const got = await both<{ name: string }>(["projects", "get", project_id]);
    assert.equal(got.data.name, "store");
    assert.match(got.table, /^Name +store$/m);
  });

  test("a linked directory says what later commands are about", async () => {
    await well(["link", "--clear"]);
    assert.equal((await built.cli.run(["status", "--current-branch"])).code, 1);
    const { data } = await both<Record<string, string>>(["link", "--project-id", project_id]);
    assert.deepEqual(data, { orgId: org_id, projectId: project_id, branch: "main" });
    assert.deepEqual(JSON.parse(await readFile(join(built.cli.directory, ".neon"), "utf8")), data);
    assert.equal((await well(["status", "--current-branch"])).stdout, "main\n");
    await well([
      "link",
      "--no-checks",
      "--org-id",
      "o",
      "--project-id",
      "p",
      "--branch",
      "b",
      "--context-file",
      "other.neon",
    ]);
    await well(["set-context", "--project-id", project_id, "--context-file", "raw.neon"]);
    const raw = await readFile(join(built.cli.directory, "raw.neon"), "utf8");
    assert.deepEqual(JSON.parse(raw), { projectId: project_id });
  });

  test("a connection string is alone on stdout, and has its parts on request", async () => {
    const { stdout, stderr } = await well(["connection-string", "main"]);
    assert.match(stdout, /^postgresql:\/\/shop_owner:\S+@\S+\/shop\?sslmode=require\S*\n$/);
    assert.equal(stderr, "");
    assert.match((await well(["cs", "--ssl", "omit"])).stdout, /\/shop\n$/);
    const parts = await both<Record<string, string>>(["cs", "--extended"]);
    assert.equal(parts.data.database, "shop");
    assert.equal((await built.cli.json<{ role_name: string }>(["cs", "-o", "json"])).role_name, "shop_owner");
    assert.equal((await built.cli.run(["cs", "nowhere"])).code, 5);
  });

  test("a project's key reaches its project without naming it, and nothing else", async () => {
    const { stdout } = await well(["api-keys", "create", "--name", "narrow", "--project-id", project_id]);
    const listed = await both<Key[]>(["api-keys", "list", "--org-id", org_id]);
    assert.equal(listed.data[0]?.project_id, project_id);
    assert.match(listed.table, /Project ID/);
    const env = { NEON_API_KEY: stdout.trim() };
    const away = ["--context-file", join(built.cli.directory, "none.neon")];
    assert.equal((await built.cli.json<unknown[]>(["branches", "list", ...away], { env })).length, 1);
    const { projects } = await built.cli.json<{ projects: { id: string }[] }>(["projects", "list", ...away], { env });
    assert.deepEqual(
      projects.map(({ id }) => id),
      [project_id],
    );
    const me = await built.cli.json<{ auth_method: string }>(["me"], { env });
    assert.equal(me.auth_method, "api_key_org");
    const minting = await built.cli.run(["api-keys", "create", "--name", "x", "--org-id", org_id], { env });
    assert.ok(minting.code === 4 || minting.code === 5, minting.stderr);

    // A successor has the reach of the old key, not of whoever rotates it.
    const id = String(listed.data[0]?.id);
    const rotated = await well(["api-keys", "rotate", id, "--org-id", org_id, "--revoke-old"]);
    assert.match(rotated.stdout, /^lk_proj_/);
    assert.equal((await keys("--org-id", org_id))[0]?.project_id, project_id);
  });

  test("any route can be called, with fields, data, a query and headers", async () => {
    type Orgs = { organizations: unknown[] };
    const first = await built.cli.json<Orgs>(["api", "GET", "/users/me/organizations"]);
    assert.deepEqual(await built.cli.json<Orgs>(["api", "/api/v2/users/me/organizations"]), first);
    const project = await built.cli.json<{ project: { name: string } }>([
      ...["api", `/projects/${project_id}`, "-X", "PATCH", "-F", "project.name=from-api"],
    ]);
    assert.equal(project.project.name, "from-api");
    const piped = await built.cli.json<{ name: string }>(["api", "POST", "/api_keys", "-d", "-"], {
      input: '{"key_name":"from-stdin"}',
    });
    assert.equal(piped.name, "from-stdin");
    const list = await well(["api", "GET", "/projects", "-Q", `org_id=${org_id}`, "-i", "-H", "x-request-id: mine-1"]);
    assert.match(list.stdout, /^HTTP 200\n[\s\S]*x-request-id: mine-1\n[\s\S]*\n\n\{/);
    assert.match((await well(["api", "/auth", "-o", "yaml"])).stdout, /^auth_method: api_key_user$/m);
    const wrong = await built.cli.run(["api", "POST", "/api_keys", "-F", "nme=x", "-H", "x-request-id: mine-2"]);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /request id: mine-2/);
    assert.equal((await built.cli.run(["api", "GET", "/nothing/here"])).code, 5);
  });

  test("a profile keeps a key for its server only, in a file that only its owner reads", async () => {
    const env = { NEON_API_KEY: "" };
    assert.equal((await built.cli.run(["me"], { env })).code, 3);
    const signed_in = await well(["auth", "--api-key-stdin"], { env, input: `${person_key}\n` });
    assert.equal(signed_in.stdout, "");
    assert.match(signed_in.stderr, /Signed in to .* as ada@example\.com/);
    assert.ok(!signed_in.stderr.includes(person_key));
    await well(["me"], { env });
    await well(["me"], { env: { ...env, LATCHKEY_URL: "" } });
    assert.equal((await stat(join(built.cli.directory, "config/profiles.json"))).mode & 0o777, 0o600);

    await well(["profile", "create", "work", "--api-key", "-"], { env, input: person_key });
    const { data, table } = await both<{ name: string }[]>(["profile", "list"]);
    assert.deepEqual(
      data.map(({ name }) => name),
      ["DEFAULT", "work"],
    );
    assert.ok(!table.includes("lk_"));
    await well(["me", "--profile", "work"]);
    const elsewhere = await built.cli.run(["me", "--profile", "work", "--host", "http://127.0.0.1:9"]);
    assert.equal(elsewhere.code, 3);
    assert.match(elsewhere.stderr, /is not sent to http:\/\/127\.0\.0\.1:9/);

    assert.equal((await built.cli.run(["profile", "remove", "work"])).code, 2);
    await well(["profile", "remove", "work", "--yes"]);
    await well(["auth", "logout"]);
    assert.equal((await built.cli.run(["me"], { env })).code, 3);
    assert.ok(!(await readFile(join(built.cli.directory, "config/profiles.json"), "utf8")).includes("lk_"));
    const refused = await built.cli.run(["auth", "--api-key-stdin"], { env, input: `lk_user_${"x".repeat(49)}` });
    assert.equal(refused.code, 3);
    assert.deepEqual(await built.cli.json<unknown[]>(["profile", "list"]), []);
  });

  test("a profile's key is replaced by a fresh one, and the old one is dead", async () => {
    const { stdout } = await well(["api-keys", "create", "--name", "laptop"]);
    const env = { NEON_API_KEY: "" };
    await well(["profile", "create", "laptop", "--api-key", "-"], { env, input: stdout });
    const rotated = await well(["profile", "rotate-key", "laptop"]);
    assert.ok(!rotated.stdout.includes("lk_"));
    await well(["me", "--profile", "laptop"]);
    assert.equal((await built.cli.run(["me"], { env: { NEON_API_KEY: stdout.trim() } })).code, 3);
    const names = (await keys()).map(({ name }) => name);
    assert.ok(names.includes("laptop (2)") && !names.includes("laptop"));
    await well(["profile", "remove", "laptop", "--yes"]);
  });

  test("a key that a profile holds is replaced there before the old one is revoked", async () => {
    const token = (await well(["api-keys", "create", "--name", "held"])).stdout;
    const env = { NEON_API_KEY: "" };
    for (const name of ["held", "twin"])
      await well(["profile", "create", name, "--api-key", "-"], { env, input: token });
    const id = async (name: string) => String((await keys()).find((key) => key.name === name)?.id);
    const as = ["--profile", "held"];
    const rotated = await well(["api-keys", "rotate", await id("held"), ...as, "--revoke-old"], { env });
    assert.match(rotated.stderr, /Profile held holds the new key now[\s\S]*Profile twin holds[\s\S]*is revoked/);
    for (const name of ["held", "twin"]) await well(["me", "--profile", name], { env });
    assert.equal((await built.cli.run(["me"], { env: { NEON_API_KEY: token.trim() } })).code, 3);

    // A disk that takes no more: nothing is lost, and no key is left that nobody holds.
    const before = await keys();
    const full = await built.cli.bash(
      `trap '' XFSZ; ulimit -f 0; latchkey api-keys rotate ${await id("held (2)")} --profile held --revoke-old`,
      { env },
    );
    assert.equal(full.code, 1, full.stderr);
    assert.equal(full.stdout, "");
    assert.match(full.stderr, /cannot keep its successor: [\s\S]*the old key still works/);
    assert.deepEqual(
      (await keys()).map(({ id }) => id),
      before.map(({ id }) => id),
    );
    await well(["me", ...as], { env });

    // One that is given by hand cannot be replaced here; that is said.
    const by_hand = { NEON_API_KEY: rotated.stdout.trim() };
    await well(["profile", "remove", "twin", "--yes"]);
    await well(["profile", "remove", "held", "--yes"]);
    const told = await well(["api-keys", "rotate", await id("held (2)"), "--revoke-old"], { env: by_hand });
    assert.match(told.stderr, /NEON_API_KEY still holds the old key: put the new one there/);
    assert.equal((await built.cli.run(["me"], { env: by_hand })).code, 3);

    await well(["profile", "create", "held", "--api-key", "-"], { env, input: told.stdout });
    const revoked = await well(["api-keys", "revoke", await id("held (3)"), "--yes"]);
    assert.match(revoked.stderr, /Profile held held it: sign in again/);
    await well(["profile", "remove", "held", "--yes"]);
  });

  test("exit codes tell what happened, and errors carry the request id", async () => {
    const code = async (words: string[], options?: RunOptions) => (await built.cli.run(words, options)).code;
    assert.equal(await code(["me"], { env: { NEON_API_KEY: `lk_user_${"x".repeat(49)}` } }), 3);
    assert.equal(await code(["me"], { env: { NEON_API_KEY: "napi_abc" } }), 3);
    assert.equal(await code(["orgs", "get", "org-none-none-00000000"]), 4);
    assert.equal(await code(["projects", "get", "none-none-00000000"]), 5);
    assert.equal(await code(["api-keys", "create", "--name", "ci"]), 6);
    assert.equal(await code(["me", "--host", "http://127.0.0.1:9"]), 7);
    const { stderr } = await built.cli.run(["projects", "get", "no-such-project"]);
    assert.match(stderr, /^latchkey: .+\n {2}.+\n {2}request id: \S+\n$/);
  });

  test("a reader that stops reading is no failure", async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash's
    const { stdout, stderr } = await built.cli.bash('latchkey api-keys list | head -c 1; echo " ${PIPESTATUS[0]}"');
    assert.deepEqual([stdout, stderr], ["[ 0\n", ""]);
  });

  test("a project is deleted with its name confirmed, by --yes where nobody is there", async () => {
    const asked = await built.cli.run(["projects", "delete", project_id]);
    assert.equal(asked.code, 2);
    assert.match(asked.stderr, /--yes/);
    const deleted = await built.cli.json<{ id: string }>(["projects", "delete", project_id, "--yes"]);
    assert.equal(deleted.id, project_id);
    assert.equal((await built.cli.run(["projects", "get", project_id])).code, 5);
    assert.equal((await built.cli.run(["projects", "delete", "--yes"])).code, 2);
  });

  test("a deleted project is listed, and brought back with its data", async () => {
    const { data, table } = await both<{ id: string }[]>(["projects", "list", "--recoverable-only"]);
    assert.ok(data.some(({ id }) => id === project_id));
    assert.match(table, /^ID +Name +Deleted at +Recoverable until\n/);
    const recovered = await built.cli.json<{ id: string }>(["projects", "recover", project_id]);
    assert.equal(recovered.id, project_id);
    assert.equal((await well(["psql", "main", "--", "-Atc", "select current_database()"])).stdout, "shop\n");
    await well(["projects", "delete", project_id, "--yes"]);
    assert.match((await well(["projects", "recover", project_id, "-o", "table"])).stdout, /^Name +from-api$/m);
  });

  // `completion.test.ts` runs that one.
  test("every command of the other topics has been run", () =>
    assertAllRun(built.cli, (name) => name !== "completion" && !RESOURCE_TOPICS.has(name)));
});
