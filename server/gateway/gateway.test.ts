import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import pg from "pg";
import { scramVerifier } from "../postgres/scram.ts";
import { until } from "../postgres/testing.ts";
import { DOMAIN, ENDPOINT, makeStage, openFront, openSession, PASSWORD, type Stage, Wire } from "./test-gateway.ts";
import { encodeStartup, parseFirstPacket } from "./wire.ts";

const run = promisify(execFile);
const psql = await run("psql", ["--version"]).then(
  () => true,
  () => false,
);

describe("the gateway", () => {
  let stage: Stage;
  const closing: (() => unknown)[] = [];
  before(async () => {
    stage = await makeStage({ after: (work) => void closing.push(work as () => unknown) });
  });
  after(async () => {
    for (const work of closing) await work();
  });

  const ask = async (config: pg.ClientConfig, text = "SELECT current_user AS me") => {
    const session = await openSession(config);
    try {
      return (await session.query(text)).rows;
    } finally {
      await session.end();
    }
  };
  const me = [{ me: "owner" }];

  it("lets a client in with its password: over TLS with and without channel binding, and over plain TCP", async (t) => {
    const { config } = await openFront(t, stage);
    assert.deepEqual(await ask(config()), me);
    assert.deepEqual(await ask(config({ enableChannelBinding: false })), me);
    assert.deepEqual(await ask(config({ ssl: false })), me);
  });

  it("offers no channel binding where the certificate gives nothing to bind to", async (t) => {
    const { config } = await openFront(t, stage, { tls: () => ({ ...stage.tls, end_point_hash: undefined }) });
    assert.deepEqual(await ask(config()), me);
  });

  it("refuses plain TCP where it must, and says so before a password is asked for", async (t) => {
    const front = await openFront(t, stage, { plaintext: "refused" });
    assert.deepEqual(await ask(front.config()), me);
    await assert.rejects(ask(front.config({ ssl: false })), { code: "28000", message: "connection is insecure" });
    assert.equal(front.wakes, 1);
  });

  it("takes plain connections from this machine and none from others, where that is wished", async (t) => {
    const outside = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ family, internal }) => family === "IPv4" && !internal);
    if (!outside) return t.skip("this machine has no address but loopback");
    const front = await openFront(t, stage, { plaintext: "loopback" });
    const port = await front.gateway.openPort(ENDPOINT, { host: "0.0.0.0", port: 0 });
    assert.deepEqual(await ask(front.config({ port, ssl: false })), me);
    const from_outside = front.config({ port, host: outside.address });
    assert.deepEqual(await ask(from_outside), me);
    await assert.rejects(ask({ ...from_outside, ssl: false }), { code: "28000", message: "connection is insecure" });
  });

  it("finds the compute by its name in TLS, by the option and by the port", async (t) => {
    const { config, gateway } = await openFront(t, stage);
    const bare = config();
    delete bare.options;
    const named = (servername: string) => ({ ...bare, ssl: { rejectUnauthorized: false, servername } });
    assert.deepEqual(await ask(named(`${ENDPOINT}.${DOMAIN}`)), me);
    assert.deepEqual(await ask(named(`${ENDPOINT}-pooler.${DOMAIN}`)), me);
    assert.deepEqual(await ask(config({ options: `endpoint%3D${ENDPOINT} -c geqo=off` }), "SHOW geqo"), [
      { geqo: "off" },
    ]);
    const port = await gateway.openPort(ENDPOINT, { host: "127.0.0.1", port: 0 });
    assert.deepEqual(await ask({ ...bare, port }), me);
    assert.deepEqual([...gateway.openPorts()], [[ENDPOINT, port]]);
    await assert.rejects(ask(bare), { code: "28000", message: "Endpoint ID is not specified" });
    await assert.rejects(ask({ ...bare, port, options: "endpoint=ep-other" }), { code: "28000" });
    gateway.closePort(ENDPOINT);
    await assert.rejects(ask({ ...bare, port }), { code: "ECONNREFUSED" });
  });

  it("tells a client at the pooler's name that its session is one of its own", async (t) => {
    const { config } = await openFront(t, stage);
    const ssl = { rejectUnauthorized: false, servername: `${ENDPOINT}-pooler.${DOMAIN}` };
    const session = new pg.Client(config({ ssl }));
    const notice = once(session, "notice");
    await session.connect();
    assert.match((await notice)[0].message, /no pooler/);
    await session.end();
  });

  it("lets psql in with the connection string that the API gives", { skip: !psql }, async (t) => {
    const { gateway } = await openFront(t, stage);
    const port = await gateway.openPort(ENDPOINT, { host: "127.0.0.1", port: 0 });
    const ask = (more: string) => {
      const uri = `postgresql://owner:${PASSWORD}@127.0.0.1:${port}/app?${more}`;
      return run("psql", [
        uri,
        "-XAtc",
        "SELECT current_user, count(*) FROM generate_series(1, 100000)",
        "-c",
        "SELECT 2",
      ]);
    };
    assert.equal((await ask("sslmode=require&channel_binding=require")).stdout, "owner|100000\n2\n");
    assert.equal((await ask("sslmode=disable")).stdout, "owner|100000\n2\n");
    assert.equal((await ask(`sslmode=prefer&options=endpoint%3D${ENDPOINT}`)).stdout, "owner|100000\n2\n");
  });

  it("has the port that the compute had, where the compute is reached through its unix socket alone", async (t) => {
    const { compute } = stage.drivers;
    const start = () => compute.ensureRunning(ENDPOINT, { ...stage.spec, tcp: false });
    await start();
    await assert.rejects(openSession({ host: "127.0.0.1", port: stage.spec.port, user: "owner" }), {
      code: "ECONNREFUSED",
    });
    const { gateway, config } = await openFront(t, stage, { directory: { wake: start } });
    const { port } = stage.spec;
    await gateway.openPort(ENDPOINT, { host: "127.0.0.1", port });
    const { options: _, ...rest } = config({ port });
    assert.deepEqual(await ask(rest), me);
    await gateway.close(0);
    await stage.start();
  });

  it("wakes a compute that sleeps, once for all who come meanwhile", async (t) => {
    const front = await openFront(t, stage);
    await stage.drivers.compute.suspend(ENDPOINT, "fast");
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(front.config())));
    assert.deepEqual(
      answers,
      Array.from({ length: 8 }, () => me),
    );
    assert.equal(front.wakes, 1);
  });

  it("waits for a compute that is found going down, and wakes it again", async (t) => {
    let wakes = 0;
    const front = await openFront(t, stage, {
      directory: {
        wake: async () => {
          const address = await stage.start();
          if (++wakes === 1) await stage.drivers.compute.suspend(ENDPOINT, "fast");
          return address;
        },
      },
    });
    assert.deepEqual(await ask(front.config()), me);
    assert.equal(wakes, 2);
  });

  it("begins anew for a client whose session is ended while it begins, as a shutdown does", async (t) => {
    const sql = (text: string) => stage.drivers.compute.query(ENDPOINT, { database: "app", text });
    await stage.start();
    await sql(`create sequence public.beginnings;
      create function public.end_the_first() returns event_trigger language plpgsql security definer as $$ begin
        if session_user = 'owner' and nextval('public.beginnings') = 1 then
          perform pg_terminate_backend(pg_backend_pid()), pg_sleep(10);
        end if;
      end $$;
      create event trigger end_the_first on login execute function public.end_the_first()`);
    t.after(() =>
      sql("drop event trigger end_the_first; drop function public.end_the_first; drop sequence public.beginnings"),
    );
    const front = await openFront(t, stage);
    assert.deepEqual(await ask(front.config()), me);
    assert.deepEqual(await sql("select last_value::int from public.beginnings"), [{ last_value: 2 }]);
  });

  it("counts a client out that goes while its compute is woken", async (t) => {
    const { promise: woken, resolve: wakeNow } = Promise.withResolvers<void>();
    const front = await openFront(t, stage, {
      directory: { wake: () => woken.then(() => stage.start()) },
    });
    const connecting = [1, 2, 3].map(() => openSession(front.config({ connectionTimeoutMillis: 300 })));
    await until("they wait", () => front.gateway.trafficOf(ENDPOINT).opening === 3);
    const outcomes = await Promise.allSettled(connecting);
    assert.ok(outcomes.every(({ status }) => status === "rejected"));
    wakeNow();
    await until("they are counted out", () => front.gateway.trafficOf(ENDPOINT).opening === 0);
    assert.equal(front.gateway.trafficOf(ENDPOINT).open, 0);
    assert.deepEqual(
      front.events.filter(({ event }) => event === "failed"),
      [],
    );
  });

  it("says that the compute does not start, to clients that have proved themselves", async (t) => {
    const front = await openFront(t, stage, {
      directory: { wake: () => Promise.reject(new Error("no disk at /secret/path")) },
    });
    await assert.rejects(ask(front.config()), { code: "57P03", message: "the compute did not start, try again" });
    await assert.rejects(ask(front.config({ password: "wrong" })), { code: "28P01" });
    assert.deepEqual(front.gateway.trafficOf(ENDPOINT).opening, 0);
  });

  it("waits for no compute that hangs: not for ever, and not for a client that has gone", async (t) => {
    const waiting = new Set<Socket>();
    const hanging = createServer((socket) => {
      waiting.add(socket.resume().on("close", () => waiting.delete(socket)));
    });
    const socket_directory = await mkdtemp(join(tmpdir(), "latchkey-hanging-"));
    t.after(async () => {
      hanging.close();
      await rm(socket_directory, { recursive: true });
    });
    await once(hanging.listen(join(socket_directory, ".s.PGSQL.5432")), "listening");
    const directory = { wake: async () => ({ socket_directory, port: 5432 }) };

    const hasty = await openFront(t, stage, { directory, limits: { wake_ms: 100, sign_in_ms: 200 } });
    const message = "the compute does not take connections, try again";
    await assert.rejects(ask(hasty.config()), { code: "57P03", message });
    await until("it is left alone", () => hasty.gateway.sessions === 0 && waiting.size === 0);

    const patient = await openFront(t, stage, { directory });
    const session = new pg.Client(patient.config());
    session.on("error", () => {});
    const refused = assert.rejects(session.connect());
    await until("it waits", () => waiting.size === 1);
    session.connection.stream.destroy();
    await refused;
    await until("it is counted out", () => patient.gateway.sessions === 0 && waiting.size === 0);
  });

  it("passes on what the compute refuses, in the compute's own words", async (t) => {
    const { config } = await openFront(t, stage);
    await assert.rejects(ask(config({ database: "none" })), {
      code: "3D000",
      message: 'database "none" does not exist',
    });
    await assert.rejects(ask(config({ options: `endpoint=${ENDPOINT} -c nonsense=1` })), { code: "42704" });
  });

  it("lets nobody in with a password that the compute no longer has", async (t) => {
    const old = await scramVerifier("the former password");
    const front = await openFront(t, stage, { directory: { findVerifier: async () => old } });
    await assert.rejects(ask(front.config({ password: "the former password" })), { code: "28P01" });
    assert.ok(front.events.some((event) => event.event === "refused" && event.reason === "verifier_changed"));
  });

  it("carries much in both directions, at the pace of the slower side", async (t) => {
    const { config } = await openFront(t, stage);
    for (const ssl of [false, { rejectUnauthorized: false }]) {
      const session = await openSession(config({ ssl }));
      const text = "x".repeat(16 * 1024 * 1024);
      const { rows } = await session.query("SELECT md5($1::text), repeat('y', 16 * 1024 * 1024) AS back", [text]);
      assert.equal(rows[0].md5, (await import("node:crypto")).createHash("md5").update(text).digest("hex"));
      assert.equal(rows[0].back.length, text.length);
      await session.end();
    }
  });

  it("does not take in what its client does not read", async (t) => {
    const { config } = await openFront(t, stage);
    const session = await openSession(config({ ssl: false }));
    const before_bytes = process.memoryUsage().rss;
    const stream = (session as unknown as { connection: { stream: import("node:net").Socket } }).connection.stream;
    stream.pause();
    const answer = session.query("SELECT repeat('y', 300 * 1024 * 1024) AS back");
    const text = "SELECT FROM pg_stat_activity WHERE usename = 'owner' AND wait_event = 'ClientWrite'";
    const isStuck = async () => (await stage.drivers.compute.query(ENDPOINT, { text })).length === 1;
    // A slow machine takes fifteen seconds to make so long a text.
    await until("the compute cannot go on", isStuck, 60_000);
    assert.ok(process.memoryUsage().rss - before_bytes < 150 * 1024 * 1024);
    stream.destroy();
    await assert.rejects(answer);
  });

  it("cancels what a client asks to be cancelled, and nothing for one who guesses the key", async (t) => {
    const front = await openFront(t, stage, { plaintext: "refused" });
    const session = await openSession(front.config());
    const { processID, secretKey } = session as unknown as { processID: number; secretKey: number };
    const cancel = async (pid: number, secret: number) => {
      const packet = Buffer.alloc(16);
      for (const [at, value] of [16, 80877102, pid, secret].entries()) packet.writeInt32BE(value, at * 4);
      assert.equal(parseFirstPacket(packet).kind, "cancel");
      const wire = await Wire.open(front.port);
      wire.socket.write(packet);
      await wire.closed;
      assert.equal(wire.received.length, 0);
    };
    const sleeping = session.query("SELECT pg_sleep(20)");
    const outcome = sleeping.then(
      () => "slept",
      (error) => error.code,
    );
    await until("the query runs", () => front.gateway.trafficOf(ENDPOINT).busy === 1);
    await cancel(processID, secretKey ^ 1);
    await cancel(processID ^ 1, secretKey);
    assert.equal(await Promise.race([outcome, new Promise((r) => setTimeout(r, 100, "still"))]), "still");
    await cancel(processID, secretKey);
    assert.equal(await outcome, "57014");
    assert.deepEqual((await session.query("SELECT 1 AS one")).rows, [{ one: 1 }]);
    await session.end();
    const gone = until("the session is counted out", () => front.gateway.trafficOf(ENDPOINT).open === 0);
    await gone;
  });

  it("speaks protocol 3.2 and answers later ones and unknown options just as PostgreSQL does", async (t) => {
    const { port } = await openFront(t, stage);
    const startup = (minor: number, more: [string, string][] = []) => {
      const packet = encodeStartup(
        new Map([["user", "nobody"], ["database", "app"], ...more, ["options", `endpoint=${ENDPOINT}`]]),
      );
      packet.writeInt16BE(minor, 6);
      return packet;
    };
    for (const [minor, more] of [
      [9999, []],
      [0, [["_pq_.x", "1"]]],
    ] as [number, [string, string][]][]) {
      const [ours, theirs] = [await Wire.open(port), await Wire.open(stage.spec.port)];
      for (const wire of [ours, theirs]) wire.socket.write(startup(minor, more));
      const bytes = 13 + more.reduce((sum, [name]) => sum + name.length + 1, 0);
      assert.deepEqual(
        (await ours.waitFor(bytes)).subarray(0, bytes),
        (await theirs.waitFor(bytes)).subarray(0, bytes),
      );
      ours.socket.destroy();
      theirs.socket.destroy();
    }
    const plain = await Wire.open(port);
    plain.socket.write(startup(2));
    assert.equal((await plain.waitFor(1)).toString("latin1", 0, 1), "R", "3.2 is not negotiated about");
    plain.socket.destroy();
  });

  it("takes TLS from the first byte, from clients that say they speak Postgres", async (t) => {
    const { port } = await openFront(t, stage);
    const open = async (ALPNProtocols: string[]) => {
      const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols });
      await once(socket, "secureConnect");
      socket.write(
        encodeStartup(
          new Map([
            ["user", "owner"],
            ["options", `endpoint=${ENDPOINT}`],
          ]),
        ),
      );
      const [chunk] = await once(socket, "data");
      socket.destroy();
      return (chunk as Buffer).toString("latin1");
    };
    assert.match(await open(["postgresql"]), /^R.*SCRAM-SHA-256-PLUS/s);
    assert.match(await open([]), /^E.*ALPN/s);
    await assert.rejects(open(["http/1.1"]));
  });

  it("takes up a new certificate for new connections, and keeps old ones", async (t) => {
    const { generate } = await import("selfsigned");
    const made = await generate([{ name: "commonName", value: "second" }], { keyType: "ec", algorithm: "sha384" });
    const { makeTlsIdentity } = await import("./tls-identity.ts");
    let tls = stage.tls;
    const { config } = await openFront(t, stage, { tls: () => tls });
    const session = await openSession(config());
    tls = makeTlsIdentity(made.cert, made.private);
    assert.equal(tls.end_point_hash?.length, 48);
    assert.deepEqual(await ask(config()), me);
    assert.deepEqual((await session.query("SELECT current_user AS me")).rows, me);
    await session.end();
  });

  it("lets so many clients in at a time, and counts them out when they go", async (t) => {
    const front = await openFront(t, stage);
    front.target = { allowed_ips: [], max_connections: 3 };
    const sessions = await Promise.all([1, 2, 3].map(() => openSession(front.config())));
    await assert.rejects(openSession(front.config()), { code: "53300" });
    assert.deepEqual(front.gateway.trafficOf(ENDPOINT).open, 3);
    await sessions.pop()?.end();
    await until("one has gone", () => front.gateway.trafficOf(ENDPOINT).open === 2);
    sessions.push(await openSession(front.config()));
    for (const session of sessions) await session.end();
    await until("all have gone", () => front.gateway.trafficOf(ENDPOINT).open === 0);
  });

  it("counts pooled clients apart from those that have a session of their own", async (t) => {
    // Any socket will do for a pooler's.
    const front = await openFront(t, stage, {
      directory: { pool: async () => ({ ...(await stage.start()), pooled: true }) },
    });
    front.target = { allowed_ips: [], max_connections: 1, max_pooled_connections: 2 };
    const pooled = front.config({ options: `endpoint=${ENDPOINT}-pooler` });
    const sessions = await Promise.all([front.config(), pooled, pooled].map((config) => openSession(config)));
    for (const config of [front.config(), pooled]) await assert.rejects(openSession(config), { code: "53300" });
    const { open, busy } = front.gateway.trafficOf(ENDPOINT);
    assert.deepEqual([open, busy], [3, 0]);
    await sessions[2]?.query("select 1");
    assert.ok(front.gateway.trafficOf(ENDPOINT).sent_bytes > 0);
    for (const session of sessions) await session.end();
  });

  it("counts pooled clients among the others where there is no pooler", async (t) => {
    const front = await openFront(t, stage);
    front.target = { allowed_ips: [], max_connections: 1 };
    const pooled = front.config({ options: `endpoint=${ENDPOINT}-pooler` });
    const session = await openSession(pooled);
    for (const config of [front.config(), pooled]) await assert.rejects(openSession(config), { code: "53300" });
    await session.end();
  });

  it("tells who uses an endpoint: an idle client is not a busy one, a transaction is", async (t) => {
    const { config, gateway } = await openFront(t, stage);
    assert.equal(gateway.trafficOf(ENDPOINT).last_activity_ms, undefined);
    const session = await openSession(config());
    const counts = () => {
      const { open, busy } = gateway.trafficOf(ENDPOINT);
      return { open, busy };
    };
    assert.deepEqual(counts(), { open: 1, busy: 0 });
    await session.query("BEGIN");
    assert.deepEqual(counts(), { open: 1, busy: 1 });
    const during = gateway.trafficOf(ENDPOINT).last_activity_ms ?? 0;
    await session.query("COMMIT");
    assert.deepEqual(counts(), { open: 1, busy: 0 });
    await session.query("LISTEN news");
    await session.query("NOTIFY news");
    assert.deepEqual(counts(), { open: 1, busy: 0 });
    assert.ok((gateway.trafficOf(ENDPOINT).last_activity_ms ?? 0) > during);
    await session.end();
  });

  it("ends a session whose compute dies, and tells a client that is idle why", async (t) => {
    const { config, gateway } = await openFront(t, stage);
    const session = await openSession(config());
    const raw = await openSession(config({ ssl: false }));
    const errors: { code?: string }[] = [];
    session.on("error", (error) => errors.push(error as { code?: string }));
    const ends = [session, raw].map(ended);
    const busy = raw.query("SELECT pg_sleep(20)").catch((error) => error);
    await until("the query runs", () => gateway.trafficOf(ENDPOINT).busy === 1);
    const status = await stage.drivers.compute.status(ENDPOINT);
    process.kill(status?.pid ?? 0, "SIGQUIT");
    await Promise.all(ends);
    assert.ok((await busy) instanceof Error);
    assert.match(errors[0]?.code ?? "", /^57P0[123]$/);
    await until("they are counted out", () => gateway.trafficOf(ENDPOINT).open === 0);
    await until(
      "the driver has noticed",
      async () => (await stage.drivers.compute.status(ENDPOINT))?.state === "stopped",
    );
    assert.deepEqual(await ask(config()), me, "and the next client wakes it");
  });

  it("lets its clients finish when it closes: idle ones are told at once, busy ones when they are done", async (t) => {
    const { config, gateway, port } = await openFront(t, stage);
    const [idle, busy] = [await openSession(config()), await openSession(config())];
    const errors: { code?: string }[] = [];
    idle.on("error", (error) => errors.push(error as { code?: string }));
    const idle_end = ended(idle);
    const slow = busy.query("SELECT pg_sleep(0.5), 'done' AS done");
    await until("the query runs", () => gateway.trafficOf(ENDPOINT).busy === 1);
    const closed = gateway.close(10_000);
    await idle_end;
    assert.equal(errors[0]?.code, "57P01");
    await assert.rejects(openSession(config()), { code: "ECONNREFUSED" }, `port ${port}`);
    assert.equal((await slow).rows[0].done, "done");
    await closed;
  });

  it("waits for no client beyond its deadline when it closes", async (t) => {
    const { config, gateway } = await openFront(t, stage);
    const session = await openSession(config());
    const busy = session.query("SELECT pg_sleep(20)").catch((error) => error);
    await until("the query runs", () => gateway.trafficOf(ENDPOINT).busy === 1);
    await gateway.close(50);
    assert.ok((await busy) instanceof Error);
  });

  it("ends the sessions of an endpoint that is to be no more", async (t) => {
    const { config, gateway } = await openFront(t, stage);
    const session = await openSession(config());
    const end = ended(session);
    gateway.disconnect(ENDPOINT);
    await end;
  });
});

/** Not `once`, which an error before the end would reject. */
const ended = (session: pg.Client) => new Promise<void>((resolve) => session.once("end", resolve));
