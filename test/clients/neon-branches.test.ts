import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { createNeonClient } from "@neon/sdk";
import { ensurePsql, NEON_VERSION, NeonCli, run } from "../harness/neon-cli.ts";
import { type SetupLine, startServer, type TestServer, waitFor } from "../harness/server.ts";

/**
 * Branches, databases, roles and operations with the real, unmodified `neon` command and `@neon/sdk`. Tests go
 * on from one another: this is one person's session.
 */
interface Branch {
  readonly id: string;
  readonly name: string;
  readonly default: boolean;
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
    assert.match(await fails("branches", "add-compute", "bare", "--type", "read_only"), /must be "read_write"/);
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
    assert.match(await fails("branches", "create", "--parent", "2024-01-01T00:00:00Z"), /parent_timestamp/);
    assert.match(await fails("branches", "schema-diff", "main", "dev@2024-01-01T00:00:00Z"), /"timestamp"/);
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

  test("inspect db asks the database itself, and says where it lacks something", async () => {
    const inspect = (...args: string[]) => table("inspect", "db", ...args, "--branch", "dev");
    assert.match(await inspect("table-sizes"), /notes/);
    for (const name of [
      "index-sizes",
      "unused-indexes",
      "seq-scans",
      "long-running-queries",
      "locks",
      "vacuum-stats",
    ]) {
      await inspect(name);
    }
    assert.match(await fails("inspect", "db", "outliers", "--branch", "dev"), /pg_stat_statements/);
  });

  test("@neon/sdk creates a branch and waits for it, then deletes it and waits for that", async () => {
    const sdk = createNeonClient({
      apiKey: person.api_key,
      baseUrl: server.api,
      orgId: person.org_id,
      throwOnError: true,
      wait: { pollIntervalMs: 50 },
    });
    const made = await sdk.branches.create({ projectId: project_id, name: "by-sdk" });
    const branchId = (made as { branch?: Branch }).branch?.id ?? (made as unknown as Branch).id;
    assert.equal((await sdk.branches.get({ projectId: project_id, branchId })).name, "by-sdk");
    assert.equal(await psql("by-sdk", "select count(*) from notes"), "2");
    await sdk.branches.delete({ projectId: project_id, branchId });
    assert.ok(!(await branches()).some(({ id }) => id === branchId));
  });
});
