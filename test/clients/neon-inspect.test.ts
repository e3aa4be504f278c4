import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import pg from "pg";
import { ensurePsql, NEON_VERSION, NeonCli } from "../harness/neon-cli.ts";
import { type SetupLine, startServer, type TestServer, waitFor } from "../harness/server.ts";
import { createProject } from "../harness/world.ts";

/**
 * Every sub-command of `neon inspect db`, against a database that has what each of them looks for: what it prints is
 * looked at, not only that it ends well.
 */
type Row = Readonly<Record<string, unknown>>;

/** What the rows of a sub-command must show, or what it says where there is nothing or no such extension. */
type Expected =
  | { readonly rows: (rows: readonly Row[]) => void }
  | { readonly empty: RegExp }
  | { readonly fails: RegExp };

const find = (rows: readonly Row[], wanted: Row): Row => {
  const found = rows.find((row) => Object.entries(wanted).every(([name, value]) => row[name] === value));
  assert.ok(found, `no row has ${JSON.stringify(wanted)}: ${JSON.stringify(rows)}`);
  return found;
};

const COUNTED = "select count(*) from notes";
const SLEEP = "select pg_sleep(600) /* asleep */";
const EXPECTED: Readonly<Record<string, Expected>> = {
  "table-sizes": { rows: (rows) => assert.match(String(find(rows, { schema: "public", name: "notes" }).size), /kB$/) },
  "index-sizes": { rows: (rows) => assert.match(String(find(rows, { name: "notes_text" }).size), /kB$/) },
  "unused-indexes": {
    rows: (rows) => assert.equal(Number(find(rows, { table: "public.notes", index: "notes_text" }).index_scans), 0),
  },
  "seq-scans": { rows: (rows) => assert.ok(Number(find(rows, { name: "notes" }).count) > 0) },
  // Nothing of this test runs for five minutes.
  "long-running-queries": { empty: /No long-running queries/ },
  locks: {
    rows: (rows) => assert.equal(find(rows, { relname: "notes", mode: "ShareLock" }).granted, "t"),
  },
  outliers: {
    rows: (rows) => assert.match(String(find(rows, { query: COUNTED, ncalls: "1" }).prop_exec_time), /^\d+\.\d%$/),
  },
  calls: { rows: (rows) => assert.equal(find(rows, { query: COUNTED }).ncalls, "1") },
  "lfc-hit-rate": { fails: /neon/ },
  "working-set": { fails: /neon/ },
  "vacuum-stats": {
    rows: (rows) => {
      const { dead_rowcount, expect_autovacuum } = find(rows, { schema: "public", table: "notes" });
      assert.deepEqual([Number(dead_rowcount), expect_autovacuum], [4000, "yes"]);
    },
  },
  bloat: { rows: (rows) => assert.ok(Number(find(rows, { object_name: "notes" }).bloat) > 1) },
  "replication-slots": { empty: /No replication slots found/ },
  subscriptions: { empty: /No subscriptions found/ },
  // Last: what sleeps has done so for half a minute by then.
  "stalled-queries": {
    rows: (rows) => {
      const { wait_event, role } = find(rows, { query: SLEEP });
      assert.deepEqual([wait_event, role], ["PgSleep", "leader"]);
    },
  },
};

suite(`neon inspect db by neon CLI ${NEON_VERSION}`, () => {
  let server: TestServer;
  let person: SetupLine;
  let cli: NeonCli;
  let project_id: string;
  const sessions: pg.Client[] = [];

  async function open(uri: string): Promise<pg.Client> {
    const connectionString = uri.replace("sslmode=require", "sslmode=no-verify");
    const session = new pg.Client({ connectionString, enableChannelBinding: true });
    session.on("error", () => {});
    await session.connect();
    sessions.push(session);
    return session;
  }

  before(async () => {
    await ensurePsql();
    server = await startServer();
    person = await server.setup();
    cli = await NeonCli.open(server, person.api_key);
    const made = await createProject(server, person.api_key, person.org_id);
    project_id = made.project.id;
    await server.settle(project_id, person.api_key);
    const uri = made.connection_uris[0]?.connection_uri ?? "";
    const sleeper = await open(uri);
    sleeper.query(SLEEP).catch(() => {});
    const session = await open(uri);
    await session.query(`
      create extension pg_stat_statements;
      create table notes (id int primary key, text text) with (autovacuum_enabled = off);
      create index notes_text on notes (text);
      insert into notes select n, repeat('x', 100) || n from generate_series(1, 5000) n`);
    // A session tells what it has counted once a second, and in a transaction not at all.
    const tell = () => session.query("select pg_stat_force_next_flush()");
    await session.query("delete from notes where id <= 4000");
    await tell();
    await session.query("analyze notes");
    await session.query(COUNTED);
    await tell();
    await session.query("begin; lock table notes in share mode");
  });
  after(async () => {
    for (const session of sessions) await session.end().catch(() => {});
    await server?.close();
    await cli?.close();
  });

  test("the sub-commands are those that are looked at here", async () => {
    const help = await cli.ok("inspect", "db", "--help");
    const offered = [...help.matchAll(/^\s*neon inspect db (\S+)/gm)].map(([, name]) => name);
    assert.deepEqual(offered.filter((name) => name !== "<sub-command>").toSorted(), Object.keys(EXPECTED).toSorted());
  });

  for (const [name, expected] of Object.entries(EXPECTED)) {
    const inspect = ["inspect", "db", name, "--project-id"];
    if ("fails" in expected) {
      test(`${name} says what the database has not`, async () => {
        const { code, stdout, stderr } = await cli.run(...inspect, project_id);
        assert.notEqual(code, 0, stdout);
        assert.match(stderr + stdout, expected.fails);
      });
    } else if ("empty" in expected) {
      test(`${name} finds nothing and says so`, async () => {
        assert.deepEqual(await cli.json(...inspect, project_id), []);
        const { code, stdout, stderr } = await cli.run(...inspect, project_id);
        assert.equal(code, 0, stderr);
        assert.match(stderr + stdout, expected.empty);
      });
    } else {
      test(`${name} shows what there is`, async () => {
        if (name === "stalled-queries") {
          await waitFor("a stalled query", async () => (await cli.json<Row[]>(...inspect, project_id)).length > 0);
        }
        expected.rows(await cli.json<Row[]>(...inspect, project_id));
        assert.equal((await cli.run(...inspect, project_id)).code, 0);
      });
    }
  }
});
