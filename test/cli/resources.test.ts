import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startServer, type TestServer } from "../harness/server.ts";
import { assertAllRun, type Ran, RESOURCE_TOPICS, type RunOptions, useBuiltCli } from "./built-cli.ts";
import { has_terminals, Terminal } from "./terminal.ts";

interface Branch {
  readonly id: string;
  readonly name: string;
  readonly default: boolean;
  readonly protected: boolean;
  readonly parent_id?: string;
  readonly expires_at?: string;
  readonly last_reset_at?: string;
}

interface Endpoint {
  readonly id: string;
  readonly branch_id: string;
  readonly current_state: string;
  readonly name?: string;
}

/** What a project holds, made and changed by the built command against a real server and real PostgreSQL. */
describe("branches, computes, roles, databases and people, changed by the built command", () => {
  const built = useBuiltCli();
  let server: TestServer;
  let org_id = "";

  before(async () => {
    server = await startServer();
    const setup = await server.setup();
    org_id = setup.org_id;
    built.cli.env = { NEON_API_KEY: setup.api_key, LATCHKEY_URL: server.url };
    await well("projects", "create", "--name", "shop", "--org-id", org_id, "--database", "shop", "--set-context");
    await query("main", "create table items (id int); insert into items values (1)");
  });
  after(() => server?.close());

  const json = <T>(...words: string[]) => built.cli.json<T>(words);
  const code = async (...words: string[]) => (await built.cli.run(words)).code;

  async function well(...words: string[]): Promise<Ran> {
    const ran = await built.cli.run(words);
    assert.equal(ran.code, 0, `latchkey ${words.join(" ")}: ${ran.stderr}`);
    return ran;
  }
  const table = async (...words: string[]) => (await well(...words, "-o", "table")).stdout;

  /** What psql prints, with the words that `latchkey psql` takes before it. */
  async function query(branch: string, sql: string, ...words: string[]): Promise<string> {
    return (await well("psql", branch, ...words, "--", "-qAtc", sql)).stdout.trimEnd();
  }

  const count = (branch: string) => query(branch, "select count(*) from items");
  const branchOf = (name: string) => json<Branch>("branches", "get", name);

  test("branches, computes, databases and roles are listed and got", async () => {
    const [branch] = await json<Branch[]>("branches", "list");
    assert.match(await table("branches", "list"), /^main +br-/m);
    assert.equal((await branchOf("main")).id, branch?.id);
    assert.match(await table("branches", "get"), /^Name +main$/m);

    const [endpoint] = await json<Endpoint[]>("endpoints", "list");
    const id = endpoint?.id ?? "";
    assert.match(await table("endpoints", "list"), /read_write/);
    assert.equal((await json<Endpoint[]>("endpoints", "list", "--branch", "main")).length, 1);
    assert.equal((await json<Endpoint>("endpoints", "get", id)).branch_id, branch?.id);
    assert.match(await table("endpoints", "get"), /^Current state +active$/m);
    await built.cli.run(["psql", "main", "--", "-c", "select 'hunter2' from nowhere"]);
    const logged = (await well("endpoints", "logs", id)).stdout;
    assert.match(logged, /^20\S+Z ERROR: {2}relation "nowhere" does not exist at character 23$/m);
    assert.doesNotMatch(logged, /hunter2/);
    const records = await json<{ entity_id: string }[]>("endpoints", "logs", "--limit", "1", "-o", "json");
    assert.equal(records[0]?.entity_id, id);
    assert.equal(await code("endpoints", "logs", "--since", "yesterday"), 2);

    assert.equal((await json<unknown[]>("databases", "list")).length, 1);
    assert.match(await table("databases", "list"), /^shop +shop_owner/m);
    assert.equal((await json<{ name: string }>("db", "get", "shop")).name, "shop");
    // The only one needs no name where nothing is changed.
    assert.match(await table("databases", "get"), /^Owner name +shop_owner$/m);

    assert.equal((await json<unknown[]>("roles", "list")).length, 1);
    assert.match(await table("roles", "list"), /^shop_owner +\d{4}/m);
    assert.equal((await json<{ name: string }>("roles", "get", "shop_owner")).name, "shop_owner");
    assert.match(await table("roles", "get"), /^Name +shop_owner$/m);
    const password = (await well("roles", "reveal-password")).stdout.trimEnd();
    assert.ok((await well("cs")).stdout.includes(password));
  });

  test("a branch is created with its parent's data, and answers when the command ends", async () => {
    const created = await json<{ branch: Branch; endpoints: Endpoint[]; connection_uris: unknown[] }>(
      ...["branches", "create", "--name", "preview"],
    );
    assert.equal(created.branch.parent_id, (await branchOf("main")).id);
    assert.deepEqual([created.endpoints.length, created.connection_uris.length], [1, 1]);
    assert.equal(await count("preview"), "1");
    await query("preview", "insert into items values (2)");
    assert.deepEqual([await count("preview"), await count("main")], ["2", "1"]);

    const shown = await table(
      ...["branches", "create", "--name", "cold", "--parent", "preview", "--no-compute", "--no-secrets"],
    );
    assert.match(shown, /^Name +cold$/m);
    assert.ok(!shown.includes("postgresql://"));
    assert.equal((await branchOf("cold")).parent_id, created.branch.id);
    assert.equal(await code("branches", "create", "--name", "cold"), 6);
    assert.equal(await code("branches", "create", "--parent", "nowhere"), 5);
    const uri = await table("branches", "create", "--name", "shown");
    assert.match(uri, /^Connection URIs\nConnection URI\npostgresql:\/\/shop_owner:/m);
  });

  test("a branch is renamed, given an end, protected, and made the default one", async () => {
    assert.equal((await json<Branch>("branches", "rename", "shown", "renamed")).name, "renamed");
    assert.match(await table("branches", "rename", "renamed", "other"), /^Name +other$/m);
    const ending = await json<Branch>("branches", "set-expiration", "other", "--expires-at", "2100-01-02T03:04:05Z");
    assert.equal(ending.expires_at, "2100-01-02T03:04:05.000Z");
    assert.match(await table("branches", "list"), /^Name .*Expires at\n/);
    assert.ok(!(await table("branches", "set-expiration", "other")).includes("Expires at"));
    assert.equal(await code("branches", "set-expiration", "other", "--expires-at", "soon"), 2);

    assert.equal((await json<Branch>("branches", "protect", "other")).protected, true);
    const refused = await built.cli.run(["branches", "delete", "other", "--yes"]);
    assert.equal(refused.code, 6);
    assert.match(refused.stderr, /protected/);
    assert.match(await table("branches", "unprotect", "other"), /^Protected +false$/m);

    assert.equal((await json<Branch>("branches", "set-default", "preview")).default, true);
    assert.match(await table("branches", "set-default", "main"), /^Default +true$/m);
  });

  test("a branch gets the data of its parent or of another one, and what it had is kept on request", async () => {
    const asked = await built.cli.run(["branches", "reset", "other"]);
    assert.equal(asked.code, 2);
    assert.match(asked.stderr, /--yes/);
    await query("main", "insert into items values (3), (4)");
    const reset = await json<Branch>("branches", "reset", "other", "--parent", "--yes");
    assert.ok(reset.last_reset_at);
    assert.equal(await count("other"), "3");
    assert.match(await table("branches", "reset", "other", "--yes"), /^Last reset at +\d{4}-/m);

    // Nothing is lost, so nothing is asked.
    const restored = await json<{ restored_branch: Branch; backup_branch: Branch }>(
      ...["branches", "restore", "other", "preview", "--preserve-under-name", "before"],
    );
    assert.equal(restored.restored_branch.name, "other");
    assert.equal(restored.backup_branch.name, "before");
    assert.equal(await count("other"), "2");
    assert.match(await table("branches", "restore", "other", "^parent", "--yes"), /^Name +other$/m);
    assert.equal(await count("other"), "3");
    assert.equal(await code("branches", "restore", "main", "^parent", "--yes"), 2);
    assert.equal(await code("branches", "restore", "other", "main@2020-01-01T00:00:00Z", "--yes"), 2);
    assert.equal(await code("branches", "reset", "main", "--yes"), 2);
  });

  test("a compute is made, changed, stopped, started and deleted, each waited for", async () => {
    assert.match(await table("branches", "add-compute", "cold"), /^Host +\S+$/m);
    assert.equal(await count("cold"), "2");
    assert.equal(await code("endpoints", "create", "--branch", "cold"), 6);
    const [cold] = await json<Endpoint[]>("endpoints", "list", "--branch", "cold");
    const id = cold?.id ?? "";
    assert.equal(await code("endpoints", "delete", id), 2);
    assert.equal((await json<Endpoint>("endpoints", "delete", id, "--yes")).id, id);
    assert.deepEqual(await json<Endpoint[]>("endpoints", "list", "--branch", "cold"), []);

    const made = await json<Endpoint>(
      "compute",
      "create",
      "--branch",
      "cold",
      "--name",
      "spare",
      "--set",
      "work_mem=5MB",
    );
    assert.equal(await query("cold", "show work_mem"), "5MB");
    const update = ["endpoints", "update", made.id];
    const renamed = await json<Endpoint>(...update, "--name", "busy", "--set", "statement_timeout=1min");
    assert.deepEqual([renamed.name, renamed.current_state], ["busy", "active"]);
    assert.equal(
      await query("cold", "select current_setting('work_mem') || current_setting('statement_timeout')"),
      "5MB1min",
    );
    await well(...update, "--unset", "work_mem");
    assert.equal(await query("cold", "show work_mem"), "4MB");
    assert.equal(await code(...update), 2);
    assert.equal(await code(...update, "--set", "archive_command=true"), 2);

    assert.equal((await json<Endpoint>("endpoints", "suspend", made.id)).current_state, "idle");
    assert.match(await table("endpoints", "start", made.id), /^Current state +active$/m);
    assert.equal((await json<Endpoint>("endpoints", "restart", made.id)).current_state, "active");
    assert.equal(await count("cold"), "2");
    assert.match(await table(...update, "--disable"), /^Current state +idle$/m);
    assert.equal(await code("endpoints", "start", made.id), 6);
    assert.match(await table(...update, "--enable"), /^Current state +active$/m);
    const got = await table("endpoints", "get", made.id);
    assert.match(got, /statement_timeout/);
  });

  test("a compute says after how long it rests", async () => {
    const [cold] = await json<Endpoint[]>("endpoints", "list", "--branch", "cold");
    const update = ["endpoints", "update", cold?.id ?? "", "--suspend-timeout"];
    const changed = await json<{ suspend_timeout_seconds: number }>(...update, "3600");
    assert.equal(changed.suspend_timeout_seconds, 3600);
    await well(...update, "-1");
    assert.match(await table("endpoints", "get", cold?.id ?? ""), /^Suspend timeout seconds +-1$/m);
    assert.equal(await code(...update, "soon"), 2);
  });

  test("a compute is made of a size, and gets another one", async () => {
    interface Sized extends Endpoint {
      readonly autoscaling_limit_min_cu: number;
      readonly autoscaling_limit_max_cu: number;
    }
    const [cold] = await json<Endpoint[]>("endpoints", "list", "--branch", "cold");
    const resize = (size: string) => ["endpoints", "update", cold?.id ?? "", "--cu", size];
    const { autoscaling_limit_min_cu, autoscaling_limit_max_cu } = await json<Sized>(...resize("0.25-0.5"));
    assert.deepEqual([autoscaling_limit_min_cu, autoscaling_limit_max_cu], [0.25, 0.5]);
    assert.match(await table("endpoints", "get", cold?.id ?? ""), /^Autoscaling limit max cu +0\.5$/m);
    assert.equal((await json<Sized>(...resize("0.25"))).autoscaling_limit_max_cu, 0.25);
    assert.equal(await code(...resize("large")), 2);
    assert.equal(await code(...resize("0.3")), 2);
  });

  test("schemas of branches are compared, as text and as JSON", async () => {
    await query("preview", "alter table items add column note text");
    const diff = (...words: string[]) => well("branches", "schema-diff", ...words);
    const with_parent = await diff("preview");
    assert.match(with_parent.stdout, /^\+ +note text/m);
    assert.equal(with_parent.stderr, "");
    assert.equal((await diff("main", "preview", "--database", "shop")).stdout, with_parent.stdout);
    assert.match((await diff("preview", "main")).stdout, /^- +note text/m);
    assert.equal((await diff("main", "main")).stdout, "");
    const [of_shop] = await json<{ database: string; diff: string }[]>("branches", "sd", "preview", "-o", "json");
    assert.deepEqual(of_shop, { database: "shop", diff: with_parent.stdout });
    assert.equal(await code("branches", "schema-diff", "main"), 2);
    assert.equal(await code("branches", "schema-diff", "main", "nowhere"), 5);
  });

  test("a change waits for another one that is under way, and with --no-wait is told of it", async () => {
    const [main] = await json<Endpoint[]>("endpoints", "list", "--branch", "main");
    const id = main?.id ?? "";
    await well("endpoints", "restart", id, "--no-wait");
    assert.equal((await json<Endpoint>("endpoints", "restart", id)).current_state, "active");
    // The SDK tries a few times in the first second by itself.
    await well("branches", "create", "--name", "slow", "--parent", "main");
    assert.equal(await count("main"), "3");
  });

  test("a role is created, connects, gets a new password, and is deleted", async () => {
    const role = await json<{ name: string; password: string }>("roles", "create", "--name", "app");
    assert.ok(role.password.length > 10);
    const several = await built.cli.run(["roles", "get"]);
    assert.equal(several.code, 2);
    assert.match(several.stderr, /there are several roles; name one\n {2}/);
    assert.equal(await query("main", "select current_user", "--role-name", "app"), "app");
    assert.match(await table("roles", "create", "--name", "group", "--no-login"), /^Name +group$/m);
    assert.equal(
      await query("main", "select rolcanlogin from pg_roles where rolname = 'group'", "--role-name", "app"),
      "f",
    );

    assert.equal(await code("roles", "reset-password", "app"), 2);
    const { stdout, stderr } = await well("roles", "reset-password", "app", "--yes");
    assert.deepEqual([stdout.trim().split("\n").length, stderr], [1, ""]);
    assert.notEqual(stdout.trim(), role.password);
    assert.equal((await well("roles", "reveal-password", "app")).stdout, stdout);
    assert.equal(await query("main", "select current_user", "--role-name", "app"), "app");
    assert.ok((await json<{ password: string }>("roles", "reset-password", "app", "-y", "-o", "json")).password);

    assert.equal(await code("roles", "delete", "group"), 2);
    assert.match(await table("roles", "delete", "group", "--yes"), /^Name +group$/m);
    assert.equal(await code("roles", "delete", "group", "--yes"), 5);
    assert.equal(await code("roles", "delete", "shop_owner", "--yes"), 6);
  });

  test("a database is created for an owner, handed over, renamed and deleted", async () => {
    const several = await built.cli.run(["databases", "create", "--name", "orders"]);
    assert.equal(several.code, 2);
    assert.match(several.stderr, /--owner-name\n[\s\S]*shop_owner/);
    const made = await json<{ owner_name: string }>("databases", "create", "--name", "orders", "--owner-name", "app");
    assert.equal(made.owner_name, "app");
    const to = ["--role-name", "shop_owner", "--database-name"];
    assert.equal(await query("main", "select current_database()", ...to, "orders"), "orders");
    // In a branch with one role there is no question.
    assert.match(
      await table("databases", "create", "--branch", "preview", "--name", "orders"),
      /^Owner name +shop_owner$/m,
    );

    const handed = await json<{ owner_name: string }>("databases", "update", "orders", "--owner-name", "shop_owner");
    assert.equal(handed.owner_name, "shop_owner");
    assert.match(await table("db", "update", "orders", "--name", "sales"), /^Name +sales$/m);
    assert.equal(await query("main", "select current_database()", ...to, "sales"), "sales");
    assert.equal(await code("databases", "update", "sales"), 2);

    assert.equal(await code("databases", "delete", "sales"), 2);
    assert.match(await table("databases", "delete", "sales", "--yes"), /^Name +sales$/m);
    assert.equal(await code("databases", "delete", "sales", "--yes"), 5);
    assert.equal((await json<{ name: string }[]>("databases", "list")).length, 1);
  });

  test("a branch is deleted with its name confirmed, and never one that was not named", async () => {
    const unnamed = await built.cli.run(["branches", "delete", "--yes"]);
    assert.equal(unnamed.code, 2);
    assert.match(unnamed.stderr, /which branch\? Name it\n {2}see `latchkey branches list/);
    for (const words of [
      ["branches", "delete", ""],
      ["roles", "delete"],
      ["databases", "delete"],
      ["endpoints", "delete"],
    ]) {
      assert.notEqual(await code(...words, "--yes"), 0, words.join(" "));
    }
    assert.equal((await json<Branch>("branches", "delete", "slow", "--yes")).name, "slow");
    assert.match(await table("branches", "delete", "cold", "--yes"), /^Name +cold$/m);
    assert.equal(await code("branches", "get", "cold"), 5);
    assert.equal(await code("branches", "delete", "main", "--yes"), 6);
  });

  test(`a person picks what is to be deleted, and confirms it${has_terminals ? "" : " (no `script` here)"}`, {
    skip: !has_terminals,
  }, async () => {
    await well("roles", "create", "--name", "gone");
    const terminal = new Terminal(built.cli, "latchkey roles delete");
    await terminal.shows("Number or name:");
    assert.match(terminal.screen, /Which role\?\r\n {2}1\) /);
    terminal.type("gone\r");
    await terminal.shows("Type gone to confirm:");
    terminal.type("gone\r");
    assert.equal(await terminal.ended(), 0, terminal.screen);
    assert.equal(await code("roles", "get", "gone"), 5);
  });

  test("people are invited, join, change their role, and leave; an invitation is withdrawn", async () => {
    const of = ["--org-id", org_id];
    interface Invitation {
      readonly id: string;
      readonly email: string;
      readonly role: string;
      readonly accept_url: string;
    }
    const [invited] = await json<Invitation[]>("invitations", "create", "eve@example.com", ...of);
    assert.deepEqual([invited?.email, invited?.role], ["eve@example.com", "member"]);
    const shown = await table("invitations", "invite", "bob@example.com", "kim@example.com", "--role", "admin", ...of);
    assert.match(shown, /^bob@example\.com +admin +\S+ +http:\S+#/m);
    assert.equal((await json<Invitation[]>("invitations", "list", ...of)).length, 3);
    assert.match(await table("invitations", "list", ...of), /eve@example\.com +member/);

    const eve = await server.setup("eve@example.com", "Eve", "Evening");
    const as_eve: RunOptions = { env: { NEON_API_KEY: eve.api_key } };
    const joined = await built.cli.run(["invitations", "accept", invited?.accept_url ?? ""], as_eve);
    assert.equal(joined.code, 0, joined.stderr);
    assert.equal(JSON.parse(joined.stdout).id, org_id);
    assert.equal(
      (await json<{ role: string }>("members", "update", "eve@example.com", "--role", "admin", ...of)).role,
      "admin",
    );
    assert.match(await table("members", "update", "eve@example.com", "--role", "member", ...of), /^Role +member$/m);
    assert.equal(await code("members", "remove", "eve@example.com", ...of), 2);
    assert.equal((await json<{ role: string }>("members", "remove", "eve@example.com", "--yes", ...of)).role, "member");

    assert.match(await table("invitations", "revoke", "BOB@example.com", ...of), /^Email +bob@example\.com$/m);
    const [kim] = await json<Invitation[]>("invitations", "list", ...of);
    assert.equal((await json<Invitation>("invitations", "revoke", kim?.id ?? "", ...of)).email, "kim@example.com");
    assert.equal(await code("invitations", "revoke", "bob@example.com", ...of), 5);
    assert.equal(await code("invitations", "create", ...of), 2);
    assert.equal(await table("invitations", "list", ...of), "No invitation is open.\n");
  });

  test("every command about these has been run", () => assertAllRun(built.cli, (name) => RESOURCE_TOPICS.has(name)));
});
