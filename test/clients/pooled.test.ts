import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, suite, type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import postgres from "postgres";
import { findLeftProcesses } from "../../scripts/leftovers.ts";
import { requestCancel } from "../harness/cancel.ts";
import { ensurePsql, NeonCli, run } from "../harness/neon-cli.ts";
import { ensurePgBouncer } from "../harness/pgbouncer.ts";
import { freePort, type SetupLine, startServer, type TestServer, waitFor } from "../harness/server.ts";
import { type CreatedProject, createProject } from "../harness/world.ts";

/** Clients at the pooler's name, with a real PgBouncer behind it. */

interface Compute extends CreatedProject {
  readonly endpoint_id: string;
  readonly path: string;
}

interface Login {
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly options?: string;
}

const DOMAIN = "db.example.test";
/** 90 % of what the smallest compute takes. */
const POOL = 93;

suite("clients at the pooler's name", () => {
  let server: TestServer;
  let person: SetupLine;
  let shop: Compute;
  let pg_port: number;

  const call = <T>(method: string, path: string, body?: object) =>
    server.expect<T>(200, method, path, { key: person.api_key, ...(body === undefined ? {} : { body }) });
  const stateOf = async ({ path }: Compute) =>
    (await call<{ endpoint: { current_state: string } }>("GET", path)).endpoint.current_state;

  async function create(name: string): Promise<Compute> {
    const made = await createProject(server, person.api_key, person.org_id, name);
    await server.settle(made.project.id, person.api_key);
    const endpoint_id = made.endpoints[0]?.id ?? "";
    return { ...made, endpoint_id, path: `/projects/${made.project.id}/endpoints/${endpoint_id}` };
  }

  async function suspend(compute: Compute): Promise<void> {
    await call("POST", `${compute.path}/suspend`);
    await server.settle(compute.project.id, person.api_key);
    assert.equal(await stateOf(compute), "idle");
  }

  function configOf(compute: Compute, name: string, login: Login = {}): pg.ClientConfig {
    const [role] = compute.roles;
    return {
      ...{ host: "127.0.0.1", port: pg_port, user: role?.name, password: role?.password, database: "neondb" },
      ...{ ssl: { rejectUnauthorized: false, servername: `${name}.${DOMAIN}` }, enableChannelBinding: true },
      connectionTimeoutMillis: 20_000,
      ...login,
    };
  }

  async function openAt(t: TestContext, config: pg.ClientConfig): Promise<pg.Client> {
    const client = new pg.Client(config);
    client.on("error", () => {});
    await client.connect();
    t.after(() => client.end().catch(() => {}));
    return client;
  }
  const pooled = (t: TestContext, login?: Login) => openAt(t, configOf(shop, `${shop.endpoint_id}-pooler`, login));
  const direct = (t: TestContext, login?: Login) => openAt(t, configOf(shop, shop.endpoint_id, login));

  const PID = "select pg_backend_pid() as pid";
  /** Of the session that the pooler gives whoever comes alone: it takes the one that was used last. */
  const pidOf = async (t: TestContext) => String((await (await pooled(t)).query(PID)).rows[0].pid);

  async function pidThroughPsql(uri: string): Promise<string> {
    const { code, stdout, stderr } = await run("psql", [uri, "-XAtc", PID]);
    assert.deepEqual([code, stderr], [0, ""]);
    return stdout.trim();
  }

  const poolers = async () =>
    (await findLeftProcesses(server.data_dir, 0)).filter(({ command }) => command.includes("pgbouncer.ini"));

  before(async () => {
    await ensurePsql();
    pg_port = await freePort();
    server = await startServer(undefined, {
      LATCHKEY_PGBOUNCER: await ensurePgBouncer(),
      LATCHKEY_PG_PORT: String(pg_port),
      LATCHKEY_PG_DOMAIN: DOMAIN,
    });
    person = await server.setup();
    shop = await create("shop");
  });
  after(() => server?.close());

  test("psql and pg get a session through the pooler, which no direct one starts", async (t) => {
    const me = "select current_user, current_database()";
    await (await direct(t)).query(me);
    assert.equal((await poolers()).length, 0);
    const client = new pg.Client(configOf(shop, `${shop.endpoint_id}-pooler`));
    const notices: unknown[] = [];
    client.on("notice", (notice) => notices.push(notice));
    await client.connect();
    t.after(() => client.end());
    assert.deepEqual((await client.query(me)).rows, [{ current_user: "neondb_owner", current_database: "neondb" }]);
    assert.deepEqual(notices, []);
    assert.equal((await poolers()).length, 1);
    const { roles } = shop;
    const uri = `postgresql://${shop.endpoint_id}-pooler.${DOMAIN}:${pg_port}/neondb?sslmode=require&channel_binding=require`;
    const told = await run("psql", [uri, "-XAtc", "select current_user"], {
      ...{ PGHOSTADDR: "127.0.0.1", PGUSER: roles[0]?.name ?? "", PGPASSWORD: roles[0]?.password ?? "" },
    });
    assert.deepEqual([told.code, told.stdout, told.stderr], [0, "neondb_owner\n", ""]);
  });

  test("the project tells the domain and the compute its pooler, which a client may send back", async () => {
    const { project } = await call<{ project: { proxy_host: string } }>("GET", `/projects/${shop.project.id}`);
    const path = `/projects/${shop.project.id}/endpoints/${shop.endpoint_id}`;
    const told = async (method: string, body?: object) =>
      (await call<{ endpoint: { proxy_host: string; pooler_enabled: boolean } }>(method, path, body)).endpoint;
    const { proxy_host, pooler_enabled } = await told("GET");
    assert.deepEqual([project.proxy_host, proxy_host, pooler_enabled], [DOMAIN, DOMAIN, true]);
    assert.equal((await told("PATCH", { endpoint: { pooler_enabled } })).pooler_enabled, true);
  });

  test("neon connection-string --pooled, pooled=true and pooler_host lead to it, with the string as it is", async (t) => {
    const neon = await NeonCli.open(server, person.api_key);
    t.after(() => neon.close());
    const printed = (await neon.ok("connection-string", "--pooled", "--project-id", shop.project.id)).trim();
    const query = "database_name=neondb&role_name=neondb_owner";
    const uri = `/projects/${shop.project.id}/connection_uri?${query}`;
    const { uri: told } = await call<{ uri: string }>("GET", `${uri}&pooled=true`);
    const host = `${shop.endpoint_id}-pooler.${DOMAIN}:${pg_port}`;
    assert.deepEqual([new URL(printed).host, new URL(told).host], [host, host]);
    assert.equal(shop.connection_uris[0]?.connection_parameters.pooler_host, host);
    assert.equal(
      new URL((await call<{ uri: string }>("GET", `${uri}&pooled=false`)).uri).host.includes("-pooler"),
      false,
    );
    for (const string of [printed, told]) {
      // No name server knows the name.
      assert.equal(await pidThroughPsql(`${string}&hostaddr=127.0.0.1`), await pidOf(t));
    }
  });

  test("statements prepared by name work in every transaction, whoever's session it gets", async (t) => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => pooled(t)));
    for (let round = 0; round < 5; round++) {
      const asked = clients.map((client, i) =>
        client.query({ name: "double", text: "select $1::integer * 2 as twice", values: [i] }),
      );
      assert.deepEqual(
        (await Promise.all(asked)).map(({ rows }) => rows[0].twice),
        [0, 2, 4, 6, 8, 10, 12, 14],
      );
    }
    const [role] = shop.roles;
    const sql = postgres({
      ...{ host: "127.0.0.1", port: pg_port, username: role?.name ?? "", password: role?.password, database: "neondb" },
      ...{ ssl: { rejectUnauthorized: false, servername: `${shop.endpoint_id}-pooler.${DOMAIN}` }, max: 6 },
    });
    try {
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, i) => sql`select ${i}::integer as i, pg_sleep(0.01)`.then(([row]) => row?.i)),
      );
      assert.deepEqual(
        answers,
        Array.from({ length: 60 }, (_, i) => i),
      );
      const total = await sql.begin(async (tx) => {
        await tx`create temporary table held on commit drop as select generate_series(1, 10) as n`;
        return (await tx`select sum(n)::integer as total from held`)[0]?.total;
      });
      assert.equal(total, 55);
    } finally {
      await sql.end();
    }
  });

  test("more clients than the compute takes are all answered, by no more sessions than the pool has", async (t) => {
    const clients = await Promise.all(Array.from({ length: 200 }, () => pooled(t)));
    const rounds = await Promise.all(
      clients.map(async (client) => {
        const pids: number[] = [];
        for (let i = 0; i < 3; i++) {
          const { rows } = await client.query("select pg_backend_pid() as pid, pg_sleep(0.02)");
          pids.push(rows[0].pid);
        }
        return pids;
      }),
    );
    assert.equal(rounds.flat().length, 600);
    const sessions = new Set(rounds.flat()).size;
    assert.ok(sessions <= POOL, `${sessions} sessions`);
    // Those that have one of their own are let in beside them.
    const beside = await direct(t);
    await beside.query("select 1");
    t.diagnostic(`600 transactions of 200 clients in ${sessions} sessions`);
    await Promise.all(clients.map((client) => client.end()));
  });

  test("sessions that nobody uses make way for another role, and for another database", async (t) => {
    const owner = await direct(t);
    const password = "of the other one";
    await owner.query(`create role other login password '${password}'`);
    await owner.query("create database elsewhere");

    /** As many sessions as clients, for each holds its own until all have one. */
    async function fill(clients_count: number, login?: Login): Promise<void> {
      const clients = await Promise.all(Array.from({ length: clients_count }, () => pooled(t, login)));
      await Promise.all(clients.map((client) => client.query("begin")));
      await Promise.all(clients.map((client) => client.query("commit")));
      await Promise.all(clients.map((client) => client.end()));
    }
    const sessions = async () =>
      (await owner.query("select from pg_stat_activity where backend_type = 'client backend'")).rowCount ?? 0;

    /** What the pooler keeps would otherwise be in the way of other roles in other databases, until it has been idle for a minute. */
    const endAll = () =>
      owner.query(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
      );
    for (const other of [{ user: "other", password }, { database: "elsewhere" }]) {
      await fill(POOL);
      assert.ok((await sessions()) > POOL, "the pool is full");
      const from = performance.now();
      await fill(20, other);
      assert.ok(performance.now() - from < 30_000, "nothing made way before it was idle for a minute");
      await endAll();
    }
    await owner.query("drop database elsewhere");
    await owner.query("drop role other");
  });

  test("what a client sets for itself stays its own where PostgreSQL tells of it, and in its transaction otherwise", async (t) => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => pooled(t)));
    const [one] = clients;
    await one?.query("set search_path = 'my \"schema\"', public");
    await one?.query("set timezone = 'Asia/Tokyo'");
    await one?.query("begin; set local statement_timeout = '7s'; commit");
    const shown = (client: pg.Client | undefined, name: string) =>
      client?.query(`show ${name}`).then(({ rows }) => Object.values(rows[0])[0]);
    for (let round = 0; round < 3; round++) {
      const paths = await Promise.all(clients.map((client) => shown(client, "search_path")));
      assert.deepEqual(paths, [`"my ""schema""", public`, ...Array.from({ length: 5 }, () => '"$user", public')]);
      const zones = await Promise.all(clients.map((client) => shown(client, "timezone")));
      assert.deepEqual(zones, ["Asia/Tokyo", ...Array.from({ length: 5 }, () => "GMT")]);
      const timeouts = await Promise.all(clients.map((client) => shown(client, "statement_timeout")));
      assert.deepEqual(new Set(timeouts), new Set(["0"]));
    }
    await one?.end();
  });

  test("roles are kept apart, whatever they and their databases are called", async (t) => {
    const owner = await direct(t);
    const names = ["plain", 'a "b"\nc', "ü;'%\\ =", "pgbouncer", "x".repeat(63)];
    for (const name of names) {
      const quoted = pg.escapeIdentifier(name);
      await owner.query(`create role ${quoted} login password ${pg.escapeLiteral(`secret of ${name}`)}`);
      await owner.query(`create database ${quoted} owner ${quoted}`);
    }
    const clients = await Promise.all(
      names.flatMap((user) =>
        names.map(async (database) => {
          const client = await pooled(t, { user, password: `secret of ${user}`, database });
          return { user, database, client };
        }),
      ),
    );
    for (let round = 0; round < 4; round++) {
      await Promise.all(
        clients.map(async ({ user, database, client }) => {
          const { rows } = await client.query("select current_user as me, session_user as i, current_database() as d");
          assert.deepEqual(rows, [{ me: user, i: user, d: database }]);
        }),
      );
    }
    await Promise.all(clients.map(({ client }) => client.end()));
    await assert.rejects(pooled(t, { user: "plain", password: "secret of pgbouncer" }), { code: "28P01" });
    // PgBouncer's console has that name, too.
    const console_client = await pooled(t, {
      user: "pgbouncer",
      password: "secret of pgbouncer",
      database: "pgbouncer",
    });
    await assert.rejects(console_client.query("show config"), { code: "42704" });
  });

  test("whoever has a role's name now has none of the sessions of whoever had it before", async (t) => {
    const owner = await direct(t);
    await owner.query(
      "create role worker login password 'the first worker'; grant create on database neondb to worker",
    );
    const before_it = await pooled(t, { user: "worker", password: "the first worker" });
    const {
      rows: [first],
    } = await before_it.query("select session_user::regrole::oid as id");
    await owner.query("alter role worker rename to retired; create role worker login password 'the second worker'");
    const told = once(before_it, "error");
    const after_it = await pooled(t, { user: "worker", password: "the second worker" });
    assert.ok(await told, "the first one's session has ended");
    const {
      rows: [second],
    } = await after_it.query("select session_user::regrole::oid as id");
    assert.notEqual(second.id, first.id);
    await assert.rejects(pooled(t, { user: "worker", password: "the first worker" }), { code: "28P01" });
    await owner.query("alter role worker nologin");
    await assert.rejects(pooled(t, { user: "worker", password: "the second worker" }), { code: "28P01" });
  });

  test("a client can cancel what it does", async (t) => {
    const client = await pooled(t);
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    const cancelled = assert.rejects(client.query("select pg_sleep(30)"), { code: "57014" });
    const watch = await direct(t);
    const asleep = "select from pg_stat_activity where wait_event = 'PgSleep'";
    await waitFor("the query", async () => (await watch.query(asleep)).rowCount === 1);
    await requestCancel(pg_port, processID, secretKey);
    await cancelled;
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
  });

  test("a suspended compute wakes for it; at the next suspension the client is told, and the pooler ends", async (t) => {
    await suspend(shop);
    assert.deepEqual(await poolers(), []);
    const client = await pooled(t);
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
    assert.equal(await stateOf(shop), "active");
    assert.equal((await poolers()).length, 1);
    const told = once(client, "error");
    const busy = await pooled(t);
    await busy.query("begin");
    const cut_off = assert.rejects(busy.query("select pg_sleep(60)"), { code: "57P01" });
    await suspend(shop);
    await cut_off;
    assert.equal(((await told)[0] as pg.DatabaseError).code, "57P01");
    assert.deepEqual(await poolers(), []);
    assert.deepEqual((await (await pooled(t)).query("select 2 as two")).rows, [{ two: 2 }]);
  });

  test("a stranger at the pooler's name neither wakes a compute nor learns that there is one", async (t) => {
    await suspend(shop);
    const refused = { code: "28P01", message: 'password authentication failed for user "neondb_owner"' };
    await assert.rejects(pooled(t, { password: "npg_wrong" }), refused);
    await assert.rejects(openAt(t, configOf(shop, "ep-no-such-compute-00000000-pooler")), refused);
    assert.equal(await stateOf(shop), "idle");
    assert.deepEqual(await poolers(), []);
  });

  test("idle clients of the pooler do not keep a compute awake, and a transaction of theirs does", async (t) => {
    const IDLE_SECONDS = 2;
    const client = await pooled(t);
    await call("PATCH", shop.path, { endpoint: { suspend_timeout_seconds: IDLE_SECONDS } });
    await client.query("begin");
    await delay(IDLE_SECONDS * 1000 + 3_000);
    assert.equal(await stateOf(shop), "active");
    const told = once(client, "error");
    await client.query("commit");
    await waitFor("the compute to be suspended", async () => (await stateOf(shop)) === "idle");
    assert.equal(((await told)[0] as pg.DatabaseError).code, "57P01");
    await call("PATCH", shop.path, { endpoint: { suspend_timeout_seconds: 0 } });
  });

  test("the list of allowed addresses holds for it", async (t) => {
    const neon = await NeonCli.open(server, person.api_key);
    t.after(() => neon.close());
    await neon.ok("ip-allow", "add", "203.0.113.7", "--project-id", shop.project.id);
    await assert.rejects(pooled(t), { code: "28000", message: /this IP address 127\.0\.0\.1 is not allowed/ });
    await neon.ok("ip-allow", "reset", "--project-id", shop.project.id);
    await (await pooled(t)).query("select 1");
  });

  test("a pooler that is killed is replaced for the next client", async (t) => {
    await pooled(t);
    const [first] = await poolers();
    assert.ok(first);
    process.kill(first.pid, "SIGKILL");
    await waitFor("it to be gone", async () => (await poolers()).every(({ pid }) => pid !== first.pid));
    assert.deepEqual((await (await pooled(t)).query("select 1 as one")).rows, [{ one: 1 }]);
  });

  test("kill -9 of the server leaves no pooler behind once it is back; a stop leaves none at all", async (t) => {
    await pooled(t);
    assert.equal((await poolers()).length, 1);
    await server.kill();
    const [orphan] = await poolers();
    assert.ok(orphan);
    await server.start();
    assert.deepEqual(await poolers(), []);
    assert.deepEqual((await (await pooled(t)).query("select 1 as one")).rows, [{ one: 1 }]);
    await server.stop();
    assert.deepEqual(await poolers(), []);
    await server.start();
  });

  test("without a domain it is told by an option, which clients take with the string as it is", async (t) => {
    await server.stop();
    const { LATCHKEY_PG_DOMAIN = "" } = server.env;
    server.env.LATCHKEY_PG_DOMAIN = "";
    await server.start();
    const query = "database_name=neondb&role_name=neondb_owner&pooled=true";
    const { uri } = await call<{ uri: string }>("GET", `/projects/${shop.project.id}/connection_uri?${query}`);
    assert.match(uri, /@127\.0\.0\.1:\d+\/neondb\?.*&options=endpoint%3Dep-[a-z0-9-]+-pooler$/);
    const first = await pidThroughPsql(uri);
    const client = await openAt(t, { connectionString: uri.replace("sslmode=require", "sslmode=no-verify") });
    assert.equal(String((await client.query(PID)).rows[0].pid), first);
    const sql = postgres(uri, { max: 1, onnotice: (notice) => assert.fail(String(notice.message)) });
    assert.equal(String((await sql`select pg_backend_pid() as pid`)[0]?.pid), first);
    await sql.end();
    await server.stop();
    server.env.LATCHKEY_PG_DOMAIN = LATCHKEY_PG_DOMAIN;
    await server.start();
  });

  test("where there is none, the name gives a session of its own and says so", async (t) => {
    await server.stop();
    const { LATCHKEY_PGBOUNCER = "" } = server.env;
    server.env.LATCHKEY_PGBOUNCER = "off";
    await server.start();
    const client = new pg.Client(configOf(shop, `${shop.endpoint_id}-pooler`));
    const notice = once(client, "notice");
    await client.connect();
    t.after(() => client.end());
    assert.match((await notice)[0].message, /no pooler/);
    await client.query("prepare mine as select 1");
    assert.deepEqual((await client.query("select name from pg_prepared_statements")).rows, [{ name: "mine" }]);
    assert.deepEqual(await poolers(), []);
    server.env.LATCHKEY_PGBOUNCER = LATCHKEY_PGBOUNCER;
  });
});
