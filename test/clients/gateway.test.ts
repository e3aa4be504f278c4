import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import postgres from "postgres";
import { ensurePsql, NeonCli, run } from "../harness/neon-cli.ts";
import { freePort, type SetupLine, startServer, type TestServer, waitFor } from "../harness/server.ts";
import { type CreatedProject, createProject } from "../harness/world.ts";

/** Postgres clients as they are, with the connection string as it is, at computes that sleep and wake. */

interface Endpoint {
  readonly id: string;
  readonly host: string;
  readonly current_state: string;
  readonly suspend_timeout_seconds: number;
}

interface Compute extends CreatedProject {
  readonly uri: string;
  readonly path: string;
}

const IDLE_SECONDS = 2;

suite("Postgres clients at the gateway", () => {
  let server: TestServer;
  let person: SetupLine;
  let shop: Compute;
  let other: Compute;
  let shared_port: number;

  const call = <T>(method: string, path: string, body?: object) =>
    server.expect<T>(200, method, path, { key: person.api_key, ...(body === undefined ? {} : { body }) });
  const endpointOf = async ({ path }: Compute) => (await call<{ endpoint: Endpoint }>("GET", path)).endpoint;
  const stateOf = async (compute: Compute) => (await endpointOf(compute)).current_state;
  const configure = (compute: Compute, endpoint: object) => call("PATCH", compute.path, { endpoint });

  async function create(name: string): Promise<Compute> {
    const made = await createProject(server, person.api_key, person.org_id, name);
    await server.settle(made.project.id, person.api_key);
    const path = `/projects/${made.project.id}/endpoints/${made.endpoints[0]?.id}`;
    return { ...made, path, uri: made.connection_uris[0]?.connection_uri ?? "" };
  }

  async function suspend(compute: Compute): Promise<void> {
    await waitFor("the suspension to be taken", async () => {
      const { status } = await server.call("POST", `${compute.path}/suspend`, { key: person.api_key });
      assert.ok([200, 423].includes(status), String(status));
      return status === 200;
    });
    await server.settle(compute.project.id, person.api_key);
    assert.equal(await stateOf(compute), "idle");
  }

  /** A session of `pg`, bound to the channel. */
  async function open(uri: string, change: pg.ClientConfig = {}): Promise<pg.Client> {
    const { hostname, port, username, password, pathname } = new URL(uri);
    const client = new pg.Client({
      ...{ host: hostname, port: Number(port), user: username, password, database: pathname.slice(1) },
      ...{ ssl: { rejectUnauthorized: false }, enableChannelBinding: true, connectionTimeoutMillis: 20_000 },
      ...change,
    });
    client.on("error", () => {});
    await client.connect();
    return client;
  }

  async function psql(uri: string, sql: string): Promise<string> {
    const args = ["--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command", sql, uri];
    const { code, stdout, stderr } = await run("psql", args);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  }

  before(async () => {
    await ensurePsql();
    shared_port = await freePort();
    server = await startServer(undefined, { LATCHKEY_PG_PORT: String(shared_port) });
    person = await server.setup();
    [shop, other] = [await create("shop"), await create("other")];
    await psql(shop.uri, "create table accounts as select id, 100 as balance from generate_series(1, 10) id");
  });
  after(() => server?.close());

  test("a compute that was suspended wakes for psql, for pg and for postgres.js, with the string as it is", async (t) => {
    assert.match(shop.uri, /\?sslmode=require&channel_binding=require$/);
    const took: string[] = [];
    const clients: [name: string, ask: () => Promise<string>][] = [
      ["psql", () => psql(shop.uri, "select sum(balance) from accounts")],
      [
        "pg",
        async () => {
          const client = await open(shop.uri);
          const { rows } = await client.query("select sum(balance)::text from accounts");
          await client.end();
          return rows[0].sum;
        },
      ],
      [
        "postgres.js",
        async () => {
          const sql = postgres(shop.uri, { max: 1, onnotice: () => {} });
          const [row] = await sql`select sum(balance)::text from accounts`;
          await sql.end();
          return row?.sum;
        },
      ],
    ];
    for (const [name, ask] of clients) {
      await suspend(shop);
      const began = performance.now();
      assert.equal(await ask(), "1000", name);
      took.push(`${name} ${Math.round(performance.now() - began)} ms`);
      assert.equal(await stateOf(shop), "active");
    }
    t.diagnostic(`first query at a suspended compute: ${took.join(", ")}`);
  });

  test("who says the endpoint at the port that all share gets there, whose name is in no domain here", async () => {
    const uri = new URL(shop.uri);
    uri.port = String(shared_port);
    await assert.rejects(open(uri.href), { code: "28000", message: /Endpoint ID is not specified/ });
    uri.searchParams.set("options", `endpoint=${shop.endpoints[0]?.id}`);
    assert.equal(await psql(uri.href, "select count(*) from accounts"), "10");
  });

  test("a stranger neither wakes a compute nor learns that there is one", async () => {
    await suspend(shop);
    const uri = new URL(shop.uri);
    const told = async (endpoint_id: string | undefined, user: string, password: string) => {
      const config = { port: shared_port, user, password, options: `endpoint=${endpoint_id}` };
      const error: pg.DatabaseError = await open(shop.uri, config).then(
        () => assert.fail("let in"),
        (error) => error,
      );
      return { code: error.code, severity: error.severity, message: error.message.replace(user, "USER") };
    };
    const [id, elsewhere] = [shop.endpoints[0]?.id, other.endpoints[0]?.id];
    const expected = {
      code: "28P01",
      severity: "FATAL",
      message: 'password authentication failed for user "USER"',
    };
    assert.deepEqual(await told(id, uri.username, "npg_wrong"), expected, "a wrong password");
    assert.deepEqual(await told(id, "nobody", "npg_wrong"), expected, "an unknown role");
    assert.deepEqual(
      await told("ep-no-such-compute-00000000", uri.username, "npg_wrong"),
      expected,
      "no such endpoint",
    );
    assert.deepEqual(await told(id, "latchkey_admin", "npg_wrong"), expected, "the superuser");
    // The other project's role has the same name: only its password is another one.
    const [theirs] = other.roles;
    assert.deepEqual(await told(id, theirs?.name ?? "", theirs?.password ?? ""), expected, "another project's role");
    assert.deepEqual(await told(elsewhere, uri.username, uri.password), expected, "at another project");
    assert.equal(await stateOf(shop), "idle");
  });

  test("connections that are left half open do not keep anybody out", async () => {
    const port = Number(new URL(shop.uri).port);
    const flood: Socket[] = [];
    try {
      for (let i = 0; i < 700; i++) {
        const socket = connect({ host: "127.0.0.1", port }).on("error", () => {});
        flood.push(socket);
        if (i % 50 === 0) await once(socket, "connect");
      }
      assert.equal(await psql(shop.uri, "select 1"), "1");
    } finally {
      for (const socket of flood) socket.destroy();
    }
  });

  test("a compute that nobody uses is suspended after its time, not before, and wakes again", async () => {
    assert.equal((await endpointOf(shop)).suspend_timeout_seconds, 0, "new ones have Neon's default");
    await configure(shop, { suspend_timeout_seconds: IDLE_SECONDS });
    const session = await open(shop.uri);
    await session.query("begin");
    await delay(IDLE_SECONDS * 1000 + 3_000);
    assert.equal(await stateOf(shop), "active", "a transaction is open");
    await session.query("commit");
    const told = once(session, "error");
    await waitFor("the compute to be suspended", async () => (await stateOf(shop)) === "idle");
    const [error] = (await told) as [pg.DatabaseError];
    assert.equal(error.code, "57P01");
    assert.equal(await psql(shop.uri, "select count(*) from accounts"), "10");
    assert.equal(await stateOf(shop), "active");
    await configure(shop, { suspend_timeout_seconds: -1 });
    await delay(IDLE_SECONDS * 1000 + 3_000);
    assert.equal(await stateOf(shop), "active", "never means never");
  });

  test("the settings of a project say when its new computes are suspended; what is no time is refused", async () => {
    const base = `/projects/${other.project.id}`;
    await call("PATCH", base, { project: { default_endpoint_settings: { suspend_timeout_seconds: 3600 } } });
    const { endpoints } = await server.expect<{ endpoints: Endpoint[] }>(201, "POST", `${base}/branches`, {
      key: person.api_key,
      body: { endpoints: [{ type: "read_write" }] },
    });
    assert.equal(endpoints[0]?.suspend_timeout_seconds, 3600);
    for (const suspend_timeout_seconds of [-2, 604_801, 1.5]) {
      const body = { endpoint: { suspend_timeout_seconds } };
      assert.equal((await server.call("PATCH", other.path, { key: person.api_key, body })).status, 400);
    }
  });

  test("money moves through thirty suspensions and wakes, and none is lost or made", async (t) => {
    const CLIENTS = 4;
    const SUSPENSIONS = 30;
    let [moved, cut_off, running] = [0, 0, true];
    const worker = async () => {
      while (running) {
        // Nobody is refused: a compute that sleeps, or is on its way down or up, is waited for.
        const client = await open(shop.uri);
        try {
          for (let i = 0; i < 20 && running; i++) {
            const [from, to] = [1 + Math.floor(Math.random() * 10), 1 + Math.floor(Math.random() * 10)];
            await client.query("begin");
            for (const [id, by] of [[from, -1] as const, [to, 1] as const].sort(([a], [b]) => a - b)) {
              await client.query("update accounts set balance = balance + $1 where id = $2", [by, id]);
            }
            await client.query("commit");
            moved++;
          }
        } catch (error) {
          // The one who suspends ends what is under way, as at Neon.
          const { code, message } = error as pg.DatabaseError;
          assert.ok(
            ["57P01", "57P02", "40P01"].includes(code ?? "") || /terminated|closed|not queryable/.test(message),
            message,
          );
          cut_off++;
        } finally {
          await client.end().catch(() => {});
        }
      }
    };
    const workers = Array.from({ length: CLIENTS }, worker);
    const suspender = async () => {
      for (let i = 0; i < SUSPENSIONS; i++) {
        const before_ms = moved;
        await server.call("POST", `${shop.path}/suspend`, { key: person.api_key });
        await waitFor("work to go on after it", () => moved > before_ms + 10);
      }
    };
    try {
      await Promise.race([suspender(), Promise.all(workers)]);
    } finally {
      running = false;
    }
    await Promise.all(workers);
    assert.equal(await psql(shop.uri, "select sum(balance) from accounts"), "1000");
    assert.ok(cut_off > 0, "no suspension met anybody at work");
    t.diagnostic(`${moved} transfers, ${cut_off} sessions ended under their work by ${SUSPENSIONS} suspensions`);
  });

  test("neon ip-allow shuts out everybody who is not on the list, from the next connection on", async () => {
    const neon = await NeonCli.open(server, person.api_key);
    try {
      const of = ["--project-id", shop.project.id];
      await neon.ok("ip-allow", "add", "203.0.113.7", ...of);
      const refused = { code: "28000", message: /this IP address 127\.0\.0\.1 is not allowed/ };
      await assert.rejects(open(shop.uri), refused);
      await assert.rejects(open(shop.uri, { password: "wrong" }), { code: "28P01" });
      await neon.ok("ip-allow", "add", "127.0.0.0/8", ...of);
      assert.match(await neon.ok("ip-allow", "list", ...of), /127\.0\.0\.0\/8, 203\.0\.113\.7/);
      await (await open(shop.uri)).end();
      await neon.ok("ip-allow", "remove", "127.0.0.0/8", ...of);
      await assert.rejects(open(shop.uri), refused);
      await neon.ok("ip-allow", "add", "203.0.113.7", "--protected-only", ...of);
      await (await open(shop.uri)).end();
      await neon.ok("ip-allow", "reset", ...of);
      await (await open(shop.uri)).end();
    } finally {
      await neon.close();
    }
  });

  test("at a stop a client at work may finish, an idle one is told why, and both find everything after it", async () => {
    const [idle, busy] = [await open(shop.uri), await open(shop.uri)];
    const told = once(idle, "error");
    await busy.query("create table waited ()");
    const work = busy.query("select pg_sleep(2), 'done' as outcome");
    const asleep = "select from pg_stat_activity where wait_event = 'PgSleep'";
    await waitFor("the work to begin", async () => (await idle.query(asleep)).rowCount === 1);
    const stopped = server.stop();
    assert.equal(((await told)[0] as pg.DatabaseError).code, "57P01");
    assert.equal((await work).rows[0].outcome, "done");
    assert.equal(await stopped, 0);
    await server.start();
    assert.equal(await psql(shop.uri, "select count(*) from waited"), "0");
  });

  test("with a domain, and several processes, a compute has a name that a client can verify, and its own port leads there still", async () => {
    await server.stop();
    server.env.LATCHKEY_PG_DOMAIN = "db.example.test:15432";
    server.env.LATCHKEY_WORKERS = "2";
    await server.start();
    const { id, host } = await endpointOf(shop);
    assert.equal(host, `${id}.db.example.test:15432`);
    const query = "database_name=neondb&role_name=neondb_owner";
    const { uri } = await call<{ uri: string }>("GET", `/projects/${shop.project.id}/connection_uri?${query}`);
    assert.equal(new URL(uri).host, host);
    // No name server knows the name, and what leads 15432 here is missing: psql is told both.
    const here = uri.replace(":15432", `:${shared_port}`).replace("sslmode=require", "sslmode=verify-full");
    const certificate = join(server.data_dir, "gateway/server.crt");
    assert.equal(await psql(`${here}&hostaddr=127.0.0.1&sslrootcert=${certificate}`, "select 1"), "1");
    const misnamed = here.replace(`${id}.`, "ep-other.").replace("verify-full", "require");
    await assert.rejects(psql(`${misnamed}&hostaddr=127.0.0.1`, "select 1"), /password authentication failed/);
    assert.equal(await psql(shop.uri, "select 1"), "1");
  });
});
