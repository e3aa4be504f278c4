import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { ensurePsql, NEON_VERSION, NeonCli, run } from "../harness/neon-cli.ts";
import { type SetupLine, startServer, type TestServer } from "../harness/server.ts";

/**
 * The real, unmodified `neon` command, pointed at our server as its users would point it, and `psql` with
 * the connection string that it prints. Tests go on from one another: this is one person's session.
 */
interface Key {
  readonly id: number;
  readonly key: string;
  readonly name: string;
  readonly project_id?: string;
}

suite(`neon CLI ${NEON_VERSION}`, () => {
  let server: TestServer;
  let person: SetupLine;
  let cli: NeonCli;
  let project_id: string;
  let branch_id: string;

  before(async () => {
    await ensurePsql();
    server = await startServer();
    person = await server.setup("ada@example.com", "Ada Lovelace", "Engines");
    cli = await NeonCli.open(server, person.api_key);
  });
  after(async () => {
    await server?.close();
    await cli?.close();
  });

  /** Runs a command that must succeed, and returns what it prints as JSON. */
  const neon = async <T = unknown>(args: string, key = person.api_key) =>
    await cli.withKey(key).json<T>(...args.split(" "));

  const table = async (args: string) => await cli.ok(...args.split(" "));

  async function fails(args: string, key = person.api_key): Promise<string> {
    const { code, stdout, stderr } = await cli.withKey(key).run(...args.split(" "));
    assert.notEqual(code, 0, `neon ${args} did not fail: ${stdout}`);
    return stderr + stdout;
  }

  test("me and orgs list tell who is calling, as JSON and as a table", async () => {
    const me = await neon<{ email: string; login: string }>("me");
    assert.deepEqual([me.email, me.login], ["ada@example.com", "ada@example.com"]);
    assert.match(await table("me"), /ada@example\.com/);
    const orgs = await neon<{ id: string; name: string }[]>("orgs list");
    assert.ok(orgs.some(({ id, name }) => id === person.org_id && name === "Engines"));
    assert.match(await table("orgs list"), /Engines/);
  });

  test("projects create returns a project that is really there, with its connection string", async () => {
    const made = await neon<{ project: { id: string; name: string }; connection_uris: { connection_uri: string }[] }>(
      `projects create --name shop --org-id ${person.org_id}`,
    );
    project_id = made.project.id;
    assert.equal(made.project.name, "shop");
    assert.match(made.connection_uris[0]?.connection_uri ?? "", /^postgres(ql)?:\/\//);
  });

  test("projects list, get and update see and change it", async () => {
    const listed = await neon<{ id: string }[]>(`projects list --org-id ${person.org_id}`);
    assert.deepEqual(
      listed.map(({ id }) => id),
      [project_id],
    );
    assert.match(await table(`projects list --org-id ${person.org_id}`), /shop/);
    assert.equal((await neon<{ id: string }>(`projects get ${project_id}`)).id, project_id);
    const renamed = await neon<{ name: string }>(`projects update ${project_id} --name store`);
    assert.equal(renamed.name, "store");
    assert.match(await fails("projects get no-such-12345678"), /not found/);
  });

  test("branches list works as a table too, which reads the annotations", async () => {
    const branches = await neon<{ id: string; name: string; default: boolean }[]>(
      `branches list --project-id ${project_id}`,
    );
    assert.equal(branches.length, 1);
    branch_id = branches[0]?.id ?? "";
    assert.match(branch_id, /^br-[a-z0-9]+-[a-z0-9]+-[a-z0-9]+$/);
    assert.equal(branches[0]?.default, true);
    assert.match(await table(`branches list --project-id ${project_id}`), new RegExp(branch_id));
  });

  test("roles, databases and operations are listed, by the branch's id and by its name", async () => {
    for (const branch of [branch_id, "main"]) {
      const where = `--project-id ${project_id} --branch ${branch}`;
      const roles = await neon<{ name: string }[]>(`roles list ${where}`);
      const databases = await neon<{ name: string; owner_name: string }[]>(`databases list ${where}`);
      assert.equal(roles.length, 1);
      assert.equal(databases.length, 1);
      assert.equal(databases[0]?.owner_name, roles[0]?.name);
    }
    const operations = await neon<{ action: string; status: string }[]>(`operations list --project-id ${project_id}`);
    assert.deepEqual(operations.map(({ action }) => action).sort(), ["create_timeline", "start_compute"]);
    assert.match(await table(`operations list --project-id ${project_id}`), /create_timeline/);
  });

  test("psql creates a table, writes and reads over the connection string that the CLI prints", async () => {
    await server.settle(project_id, person.api_key);
    const printed = (await table(`connection-string --project-id ${project_id}`)).trim();
    const parameters = new URL(printed).searchParams;
    assert.equal(parameters.get("sslmode"), "require");
    assert.equal(parameters.get("channel_binding"), "require");
    const query = async (sql: string) => {
      const args = ["--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command", sql, printed];
      const { code, stdout, stderr } = await run("psql", args);
      assert.equal(code, 0, stderr);
      return stdout.trim();
    };
    await query("create table orders (id int generated always as identity primary key, what text not null)");
    await query("insert into orders (what) values ('difference engine'), ('loom')");
    assert.equal(await query("select string_agg(what, ',' order by id) from orders"), "difference engine,loom");
    // The compute's own side is the gateway's unix socket: `pg_stat_ssl` would tell of that.
    assert.match(await query("\\conninfo"), /SSL/);
    assert.equal(await query("select rolsuper from pg_roles where rolname = current_user"), "f");
  });

  test("a personal key: create, list, use, revoke; then the CLI says that the API key was rejected", async () => {
    const made = await neon<Key>("api-keys create --name laptop");
    assert.match(made.key, /^lk_user_/);
    assert.ok(!("project_id" in made));
    assert.equal((await neon<{ email: string }>("me", made.key)).email, "ada@example.com");
    const listed = await neon<Key[]>("api-keys list");
    assert.deepEqual([listed[0]?.id, listed[0]?.name], [made.id, "laptop"]);
    assert.match(await table("api-keys list"), /laptop/);
    assert.match(await fails("api-keys create --name laptop"), /choose another unique name for api key/);
    await neon(`api-keys revoke ${made.id}`);
    assert.match(await fails("me", made.key), /rejected the API key/);
    assert.ok(!(await neon<Key[]>("api-keys list")).some(({ id }) => id === made.id));
    await fails(`api-keys revoke ${made.id}`);
  });

  test("an organization key: create, list, use, revoke", async () => {
    const of = `--org-id ${person.org_id}`;
    const made = await neon<Key>(`api-keys create --name deploy ${of}`);
    assert.match(made.key, /^lk_org_/);
    assert.ok(!("project_id" in made));
    assert.ok((await neon<Key[]>(`api-keys list ${of}`)).some(({ id }) => id === made.id));
    const projects = await neon<{ id: string }[]>(`projects list ${of}`, made.key);
    assert.deepEqual(
      projects.map(({ id }) => id),
      [project_id],
    );
    assert.match(await fails("me", made.key), /not allowed for organization API keys/);
    // Without --project-id the CLI finds the only project of the only organization by itself.
    assert.equal((await neon<unknown[]>("branches list", made.key)).length, 1);
    await neon(`api-keys revoke ${made.id} ${of}`);
    assert.match(await fails(`projects list ${of}`, made.key), /rejected the API key/);
  });

  test("a project key: create, use inside its project and not outside, revoke", async () => {
    const made = await neon<Key>(`api-keys create --name ci --project-id ${project_id}`);
    assert.match(made.key, /^lk_proj_/);
    assert.equal(made.project_id, project_id);
    assert.equal((await neon<unknown[]>(`branches list --project-id ${project_id}`, made.key)).length, 1);
    const outside = /not allowed to perform actions outside the project this key is scoped to/;
    assert.match(await fails(`projects list --org-id ${person.org_id}`, made.key), outside);
    await neon(`api-keys revoke ${made.id} --org-id ${person.org_id}`);
    assert.match(await fails(`branches list --project-id ${project_id}`, made.key), /rejected the API key/);
  });

  test("what the server does not offer is told in a sentence", async () => {
    const of = `--project-id ${project_id}`;
    assert.match(await fails(`snapshots create --name now ${of}`), /snapshots not available in Latchkey/);
    assert.match(await fails(`buckets list ${of}`), /object storage not available in Latchkey/);
    assert.match(await fails(`functions list ${of}`), /platform functions not available in Latchkey/);
    assert.match(await fails(`credentials list ${of}`), /platform credentials not available in Latchkey/);
  });

  test("what there is none of is an empty list", async () => {
    const of = `--project-id ${project_id}`;
    assert.deepEqual(await neon(`snapshots list ${of}`), []);
    assert.deepEqual(await neon(`snapshots schedule get ${of}`), []);
    assert.deepEqual(await neon(`vpc project list ${of}`), []);
    assert.deepEqual(await neon(`vpc endpoint list --org-id ${person.org_id} --region-id local`), []);
  });

  test("projects delete ends it", async () => {
    assert.equal((await neon<{ id: string }>(`projects delete ${project_id}`)).id, project_id);
    assert.deepEqual(await neon(`projects list --org-id ${person.org_id}`), []);
  });
});
