import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { ensurePsql, NEON_VERSION, NeonCli, run } from "../harness/neon-cli.ts";
import { type SetupLine, startServer, type TestServer, waitFor } from "../harness/server.ts";

/**
 * Branches, databases, roles and operations with the real, unmodified `neon` command. Tests go on from one another: this
 * is one person's session.
 */
interface Branch {
  readonly id: string;
  readonly name: string;
  readonly default: boolean;
  readonly protected: boolean;
  readonly parent_id?: string;
  readonly expires_at?: string;
  readonly last_reset_at?: string;
}

suite(`branches by neon CLI ${NEON_VERSION}`, () => {
  let server: TestServer;
  let person: SetupLine;
  let cli: NeonCli;
  let folder: string;
  let project_id: string;

  before(async () => {
    await ensurePsql();
    server = await startServer();
    person = await server.setup();
    cli = await NeonCli.open(server, person.api_key);
    folder = await mkdtemp(join(tmpdir(), "neon-link-"));
    const made = await cli.json<{ project: { id: string } }>(
      "projects",
      "create",
      "--name",
      "shop",
      "--org-id",
      person.org_id,
    );
    project_id = made.project.id;
    await settle();
  });
  after(async () => {
    await server?.close();
    await cli?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const settle = () => server.settle(project_id, person.api_key);
  const neon = async <T = unknown>(...args: string[]) => await cli.json<T>(...args, "--project-id", project_id);
  const table = async (...args: string[]) => await cli.ok(...args, "--project-id", project_id);
  const branches = () => neon<Branch[]>("branches", "list");

  async function fails(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await cli.run(...args, "--project-id", project_id);
    assert.notEqual(code, 0, `neon ${args.join(" ")} did not fail: ${stdout}`);
    return stderr + stdout;
  }

  /** Runs a statement with the real psql and the connection string that the CLI prints. */
  async function psql(branch: string, sql: string): Promise<string> {
    const args = ["connection-string", branch, "--database-name", "neondb", "--role-name", "neondb_owner"];
    const uri = (await table(...args)).trim();
    const { code, stdout, stderr } = await run("psql", [uri, "-XAtc", sql]);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  }

  test("branches create makes a branch that has its parent's data and goes its own way", async () => {
    await psql("main", "create table notes as select 'shared' as text");
    const made = await neon<{ branch: Branch; endpoints: { id: string }[]; connection_uris: object[] }>(
      ...["branches", "create", "--name", "dev"],
    );
    assert.equal(made.branch.name, "dev");
    assert.equal(made.endpoints.length, 1);
    assert.equal(made.connection_uris.length, 1);
    await settle();
    assert.equal(await psql("dev", "insert into notes values ('mine') returning text"), "mine\nINSERT 0 1");
    assert.equal(await psql("main", "select count(*) from notes"), "1");
    assert.equal(await psql("dev", "select count(*) from notes"), "2");
  });

  test("branches create --psql opens psql on the new branch", async () => {
    const made = await cli.run(
      ...["branches", "create", "--name", "quick", "--psql", "--project-id", project_id, "--", "-XAtc", "select 42"],
    );
    // The CLI connects at once and does not wait for operations: the gateway lets psql wait for the branch.
    assert.equal(made.code, 0, made.stderr + made.stdout);
    assert.match(made.stdout, /^42$/m);
    await settle();
    assert.equal(await psql("quick", "select count(*) from notes"), "1");
  });

  test("psql and connection-string --psql open psql on a branch, and never on its past", async () => {
    const rest = ["--project-id", project_id, "--", "-XAtc", "select count(*) from notes"];
    assert.match(await cli.ok("psql", "dev", ...rest), /^2$/m);
    // The default branch, where none is named.
    assert.match(await cli.ok("psql", ...rest), /^1$/m);
    assert.match(await cli.ok("connection-string", "dev", "--psql", ...rest), /^2$/m);
    assert.match(
      await cli.ok("psql", "dev", "--role-name", "neondb_owner", "--database-name", "neondb", ...rest),
      /^2$/m,
    );
    for (const [past, option] of [
      ["dev@2024-01-01T00:00:00Z", "neon_timestamp"],
      ["dev@0/16B3748", "neon_lsn"],
    ] as const) {
      const { code, stdout, stderr } = await cli.run("psql", past, ...rest);
      assert.notEqual(code, 0, stdout);
      assert.match(stderr, new RegExp(`${option} is not available in Latchkey`));
    }
  });

  test("branches create --protected, --expires-at, --suspend-timeout and --annotation make a branch of that kind", async () => {
    const made = await neon<{ branch: Branch; endpoints: { suspend_timeout_seconds: number }[] }>(
      ...["branches", "create", "--name", "kept", "--protected", "--suspend-timeout", "3600"],
      ...["--annotation", '{"github-commit-ref":"kept"}'],
    );
    assert.deepEqual(
      made.endpoints.map(({ suspend_timeout_seconds }) => suspend_timeout_seconds),
      [3600],
    );
    assert.equal(made.branch.protected, true);
    const brief = ["--name", "brief", "--no-compute", "--expires-at", "2999-01-01T00:00:00Z"];
    await neon("branches", "create", ...brief);
    assert.match((await neon<Branch>("branches", "get", "brief")).expires_at ?? "", /^2999-/);
    await settle();
    assert.match(await fails("branches", "delete", "kept"), /protected/);
    const { id } = await neon<Branch>("branches", "get", "kept");
    const at = `/projects/${project_id}/branches/${id}`;
    const { annotation } = await server.expect<{ annotation: { value: object } }>(200, "GET", at, {
      key: person.api_key,
    });
    assert.deepEqual(annotation.value, { "github-commit-ref": "kept" });
    const unprotect = { key: person.api_key, body: { branch: { protected: false } } };
    await server.expect(200, "PATCH", at, unprotect);
    for (const name of ["kept", "brief"]) {
      await neon("branches", "delete", name);
      await settle();
    }
    const past = ["branches", "create", "--name", "late", "--expires-at", "2001-01-01T00:00:00Z"];
    assert.match(await fails(...past), /"expires_at" must be in the future/);
  });

  test("branches create of a protected branch gives the new one a password of its own, as it prints", async () => {
    const { id } = await neon<Branch>("branches", "get", "main");
    const protect = (wanted: boolean) => {
      const body = { branch: { protected: wanted } };
      return server.expect(200, "PATCH", `/projects/${project_id}/branches/${id}`, { key: person.api_key, body });
    };
    const uriOf = async (branch: string) => new URL((await table("connection-string", branch)).trim());
    const query = async (uri: URL) => await run("psql", [uri.href, "-XAtc", "select current_user"]);
    await protect(true);
    const args = ["branches", "create", "--name", "safe", "--project-id", project_id, "--output", "json"];
    const { code, stdout, stderr } = await cli.run(...args);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /parent branch is protected; a unique role password has been generated for the new branch/);
    const [made] = (JSON.parse(stdout) as { connection_uris: { connection_uri: string }[] }).connection_uris;
    const printed = new URL(made?.connection_uri ?? "");
    // It is tried at once: the gateway lets psql wait for the branch, and nobody in who has the other password.
    assert.equal((await query(printed)).stdout.trim(), "neondb_owner");
    await settle();
    const [own, parents] = [await uriOf("safe"), await uriOf("main")];
    assert.equal(own.password, printed.password);
    assert.notEqual(own.password, parents.password);
    const mixed = Object.assign(new URL(own), { password: parents.password });
    assert.match((await query(mixed)).stderr, /password authentication failed/);
    assert.equal((await query(parents)).stdout.trim(), "neondb_owner");
    await protect(false);
    await neon("branches", "delete", "safe");
    await settle();
  });

  test("branches list, get and create --no-compute, as JSON and as a table", async () => {
    await neon("branches", "create", "--name", "bare", "--no-compute", "--parent", "dev");
    await settle();
    const listed = await branches();
    const dev = listed.find(({ name }) => name === "dev");
    assert.equal(listed.find(({ name }) => name === "bare")?.parent_id, dev?.id);
    assert.equal((await neon<Branch>("branches", "get", "dev")).id, dev?.id);
    const printed = await table("branches", "list");
    for (const { name } of listed) assert.ok(printed.includes(name), name);
    assert.match(await table("branches", "get", "dev"), /dev/);
  });

  test("branches add-compute gives a branch the compute that it has not", async () => {
    const made = await neon<{ id: string; host: string }>(
      ...["branches", "add-compute", "bare", "--type", "read_write"],
    );
    assert.match(made.host, /^127\.0\.0\.1:\d+$|ep-/);
    await settle();
    assert.equal(await psql("bare", "select count(*) from notes"), "2");
    assert.match(await fails("branches", "add-compute", "bare", "--type", "read_write"), /has a compute already/);
    assert.match(await fails("branches", "add-compute", "bare", "--type", "read_only"), /"read_only" is not available/);
  });

  test("branches rename, set-default and set-expiration change what they say", async () => {
    assert.equal((await neon<Branch>("branches", "rename", "quick", "quicker")).name, "quicker");
    assert.equal((await neon<Branch>("branches", "set-default", "dev")).default, true);
    assert.equal((await neon<Branch>("branches", "set-default", "main")).default, true);
    const expires = await neon<Branch>(
      ...["branches", "set-expiration", "quicker", "--expires-at", "2999-01-01T00:00:00Z"],
    );
    assert.match(expires.expires_at ?? "", /^2999-/);
    assert.equal((await neon<Branch>("branches", "set-expiration", "quicker")).expires_at, undefined);
  });

  test("branches reset --parent and restore give a branch other data, and keep the old under a name", async () => {
    await psql("main", "insert into notes values ('news')");
    const reset = await neon<Branch>("branches", "reset", "quicker", "--parent");
    assert.ok(reset.id);
    await settle();
    assert.equal(await psql("quicker", "select string_agg(text, ',' order by text) from notes"), "news,shared");

    await psql("quicker", "insert into notes values ('to be kept')");
    await table("branches", "restore", "quicker", "dev", "--preserve-under-name", "quicker-before");
    await settle();
    assert.equal(await psql("quicker", "select string_agg(text, ',' order by text) from notes"), "mine,shared");
    const kept = (await branches()).find(({ name }) => name === "quicker-before");
    const restored = (await branches()).find(({ name }) => name === "quicker");
    assert.equal(restored?.parent_id, kept?.id, "the CLI shows the parent as the backup");
    assert.ok(restored?.last_reset_at);
  });

  test("branches reset --preserve-under-name keeps what there was, and restore ^parent is a reset", async () => {
    await neon("branches", "create", "--name", "draft", "--parent", "dev");
    await settle();
    await psql("draft", "insert into notes values ('draft')");
    await neon("branches", "reset", "draft", "--parent", "--preserve-under-name", "draft-before");
    await settle();
    assert.equal(await psql("draft", "select string_agg(text, ',' order by text) from notes"), "mine,shared");
    await neon("branches", "add-compute", "draft-before", "--type", "read_write");
    await settle();
    assert.equal(
      await psql("draft-before", "select string_agg(text, ',' order by text) from notes"),
      "draft,mine,shared",
    );

    // Its parent is what was kept, as the CLI shows it.
    await psql("draft", "insert into notes values ('again')");
    await table("branches", "restore", "draft", "^parent");
    await settle();
    assert.equal(await psql("draft", "select string_agg(text, ',' order by text) from notes"), "draft,mine,shared");
    assert.match(await fails("branches", "restore", "draft", "^self"), /not available/);
    for (const name of ["draft", "draft-before"]) {
      await neon("branches", "delete", name);
      await settle();
    }
  });

  test("branches delete refuses what is needed and removes the rest", async () => {
    assert.match(await fails("branches", "delete", "main"), /default branch/);
    assert.match(await fails("branches", "delete", "dev"), /children/);
    for (const name of ["quicker", "quicker-before", "bare"]) {
      await neon("branches", "delete", name);
      await settle();
    }
    assert.deepEqual((await branches()).map(({ name }) => name).toSorted(), ["dev", "main"]);
  });

  test("what needs the past is refused, never answered wrongly", async () => {
    const not = (field: string) => new RegExp(`not available in Latchkey: "${field}"`);
    assert.match(await fails("branches", "create", "--parent", "2024-01-01T00:00:00Z"), not("parent_timestamp"));
    assert.match(await fails("branches", "create", "--parent", "0/16B3748"), not("parent_lsn"));
    assert.match(await fails("branches", "restore", "dev", "^self@0/16B3748"), not("source_lsn"));
    assert.match(await fails("branches", "restore", "dev", "main@2024-01-01T00:00:00Z"), not("source_timestamp"));
    assert.match(await fails("branches", "schema-diff", "main", "dev@2024-01-01T00:00:00Z"), not("timestamp"));
  });

  test("branches create --schema-only makes a root that has the schema and not a row", async () => {
    const made = await neon<{ branch: Branch }>(
      "branches",
      "create",
      "--schema-only",
      "--name",
      "only",
      "--parent",
      "dev",
    );
    assert.equal(made.branch.parent_id, undefined);
    await settle();
    assert.equal(await psql("dev", "select count(*) > 0 from notes"), "t");
    assert.equal(await psql("only", "select count(*) from notes"), "0");
    await neon("branches", "delete", "only");
    await settle();
  });

  test("branches schema-diff and diff show what differs, and nothing where nothing does", async () => {
    assert.ok(
      !(await table("branches", "schema-diff", "main", "dev", "--database", "neondb")).includes("CREATE TABLE"),
    );
    await psql("dev", "alter table notes add column email text");
    const [removed, added] = [/^-\s+text text$/m, /^\+\s+text text,\n\+\s+email text$/m];
    for (const args of [
      ["branches", "schema-diff", "main", "dev", "--database", "neondb"],
      ["diff", "main", "--branch", "dev"],
      ["diff", "--branch", "dev", "--database", "neondb"],
    ]) {
      const shown = await table(...args);
      assert.match(shown, removed, args.join(" "));
      assert.match(shown, added, args.join(" "));
    }
    assert.match(await table("branches", "schema-diff", "dev", "^parent"), added);
    assert.match(await fails("branches", "schema-diff", "main", "dev", "--database", "nowhere"), /does not exist/);
    await psql("dev", "alter table notes drop column email");
  });

  test("databases list, create and delete", async () => {
    const created = await neon<{ name: string; owner_name: string }>(
      ...["databases", "create", "--name", "app data", "--branch", "dev"],
    );
    assert.deepEqual([created.name, created.owner_name], ["app data", "neondb_owner"]);
    await settle();
    assert.match(await table("databases", "list", "--branch", "dev"), /app data/);
    assert.equal(
      await psql("dev", "select pg_get_userbyid(datdba) from pg_database where datname = 'app data'"),
      "neondb_owner",
    );
    await neon("databases", "delete", "app data", "--branch", "dev");
    await settle();
    const left = await neon<{ name: string }[]>("databases", "list", "--branch", "dev");
    assert.deepEqual(
      left.map(({ name }) => name),
      ["neondb"],
    );
  });

  test("roles list, create and delete; the new role connects", async () => {
    await neon("roles", "create", "--name", "guest", "--branch", "dev");
    await settle();
    assert.match(await table("roles", "list", "--branch", "dev"), /guest/);
    const args = ["connection-string", "dev", "--role-name", "guest", "--project-id", project_id];
    const uri = (await cli.ok(...args)).trim();
    const { stdout } = await run("psql", [uri, "-XAtc", "select current_user"]);
    assert.equal(stdout.trim(), "guest");
    await neon("roles", "delete", "guest", "--branch", "dev");
    await settle();
    assert.ok(!(await table("roles", "list", "--branch", "dev")).includes("guest"));
  });

  test("databases and roles that psql makes and drops are listed and are not, and a password of its own is not revealed", async () => {
    const at = ["--branch", "dev"];
    const named = async (what: "databases" | "roles", name: string) =>
      (await neon<{ name: string }[]>(what, "list", ...at)).some((listed) => listed.name === name);
    await psql("dev", "create database ledger");
    await psql("dev", "create role clerk login password 'of psql'");
    await waitFor("what psql has made", async () => (await named("databases", "ledger")) && named("roles", "clerk"));
    const refused = await fails("connection-string", "dev", "--role-name", "clerk", "--database-name", "ledger");
    assert.match(refused, /set with SQL; reset it/);
    await psql("dev", "drop database ledger");
    await psql("dev", "drop role clerk");
    await waitFor(
      "what psql has dropped to go",
      async () => !(await named("databases", "ledger")) && !(await named("roles", "clerk")),
    );
    await neon("databases", "create", "--name", "another", ...at);
    await settle();
    assert.deepEqual([await named("databases", "ledger"), await named("roles", "clerk")], [false, false]);
    assert.equal(await psql("dev", "select count(*) from pg_database where datname = 'ledger'"), "0");
    await neon("databases", "delete", "another", ...at);
    await settle();
  });

  test("operations list tells what was done", async () => {
    const operations = await neon<{ action: string; status: string }[]>("operations", "list");
    const actions = new Set(operations.map(({ action }) => action));
    for (const action of ["create_timeline", "start_compute", "apply_config", "delete_timeline"]) {
      assert.ok(actions.has(action), action);
    }
    assert.ok(operations.every(({ status }) => status === "finished" || status === "skipped"));
  });

  test("ip-allow add, list, remove and reset", async () => {
    await table("ip-allow", "add", "203.0.113.7", "198.51.100.0/24");
    assert.match(await table("ip-allow", "list"), /203\.0\.113\.7[\s\S]*198\.51\.100\.0\/24/);
    await table("ip-allow", "remove", "203.0.113.7");
    assert.ok(!(await table("ip-allow", "list")).includes("203.0.113.7"));
    await table("ip-allow", "reset");
    const { body } = await server.call<{ project: { settings: { allowed_ips: { ips: string[] } } } }>(
      "GET",
      `/projects/${project_id}`,
      { key: person.api_key },
    );
    assert.deepEqual(body.project.settings.allowed_ips.ips, []);
  });

  test("link, checkout, env pull and status work on a folder", async () => {
    const here = (...args: string[]) => cli.in(folder).ok(...args);
    await here("link", "-y", "--org-id", person.org_id, "--project-id", project_id, "--branch", "main");
    await here("checkout", "dev");
    await here("env", "pull");
    const text = await readFile(join(folder, ".env.local"), "utf8");
    const [, uri = ""] = /^DATABASE_URL="?([^"\n]+)"?$/m.exec(text) ?? [];
    const { code, stdout, stderr } = await run("psql", [uri, "-XAtc", "select count(*) from notes"]);
    assert.deepEqual([code, stdout.trim()], [0, "2"], stderr);
    assert.match(text, /DATABASE_URL_UNPOOLED/);
    assert.match(await here("status"), /dev/);
    assert.equal((await here("status", "--current-branch")).trim(), "dev");
    await here("checkout", "main");
    await here("env", "pull");
    assert.notEqual(/^DATABASE_URL="?([^"\n]+)"?$/m.exec(await readFile(join(folder, ".env.local"), "utf8"))?.[1], uri);
    await here("link", "--clear");
    assert.notEqual((await cli.in(folder).run("status", "--current-branch")).code, 0);
  });

  test("checkout --create makes the branch that there is not, and pins it", async () => {
    const here = (...args: string[]) => cli.in(folder).ok(...args);
    await here("link", "-y", "--org-id", person.org_id, "--project-id", project_id, "--branch", "main");
    const missing = await cli.in(folder).run("checkout", "feature");
    assert.notEqual(missing.code, 0);
    assert.match(missing.stderr, /--create/);
    await here("checkout", "feature", "--create");
    await settle();
    assert.equal((await here("status", "--current-branch")).trim(), "feature");
    assert.equal(await psql("feature", "select count(*) from notes"), "2");
    await here("link", "--clear");
    await neon("branches", "delete", "feature");
    await settle();
  });

  test("link --project-name makes a project and links it", async () => {
    const here = (...args: string[]) => cli.in(folder).ok(...args);
    await here("link", "-y", "--org-id", person.org_id, "--project-name", "linked", "--region-id", "local");
    const projects = await cli.json<{ id: string; name: string }[]>("projects", "list", "--org-id", person.org_id);
    const linked = projects.find(({ name }) => name === "linked");
    assert.ok(linked);
    assert.match(await readFile(join(folder, ".neon"), "utf8"), new RegExp(linked.id));
    await server.settle(linked.id, person.api_key);
    assert.match(await here("psql", "--", "-XAtc", "select current_database()"), /^neondb$/m);
    await here("link", "--clear");
  });
});
