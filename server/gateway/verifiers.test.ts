import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Writable } from "node:stream";
import { after, before, describe, it } from "node:test";
import pg from "pg";
import { openTestDatabase, type TestDatabase } from "../../test/harness/database.ts";
import { systemClock } from "../clock.ts";
import { newOrganizationId } from "../ids.ts";
import { createMachinery } from "../jobs/reconcilers.ts";
import { Sealer } from "../keys/seal.ts";
import { Secret } from "../keys/secret.ts";
import { createLog } from "../log.ts";
import { until } from "../postgres/testing.ts";
import { EndpointDirectory } from "./endpoint-directory.ts";
import type { Gateway } from "./gateway.ts";
import { idleJob } from "./jobs.ts";
import { Ports } from "./ports.ts";
import { openLookups } from "./slots.ts";
import { ENDPOINT, makeStage, openFront, openSession, type Stage } from "./test-gateway.ts";
import { Verifiers, type VerifiersDeps } from "./verifiers.ts";

/** Whose compute or node does not answer. */
const HUNG = "ep-hung-river-1";

describe("the gateway, with the control plane's rows", () => {
  let stage: Stage;
  let database: TestDatabase;
  const closing: (() => unknown)[] = [];
  before(async () => {
    stage = await makeStage({ after: (work) => void closing.push(work as () => unknown) });
    database = await openTestDatabase();
    await insertRows(database, stage);
  });
  after(async () => {
    for (const work of closing) await work();
    await database.close();
  });

  /** A gateway as the composition root wires it; each has a memory of its own, as after a restart. */
  async function open(
    t: Parameters<typeof openFront>[0],
    change: Partial<Pick<VerifiersDeps, "observe" | "links" | "lookups">> = {},
  ) {
    const failures: unknown[] = [];
    const { lookups = openLookups() } = change;
    let gateway: Gateway | undefined;
    let queries = 0;
    const { observe } = createMachinery({
      ...{ db: database.db, node_id: "node", clock: systemClock, ...stage.drivers },
      sealer: new Sealer(new Secret(randomBytes(32).toString("base64url"))),
      log: createLog("error", new Writable({ write: (_chunk, _encoding, done) => done() })),
    });
    const verifiers = new Verifiers({
      ...{ db: database.db, lookups, node_id: "node" },
      observe: (id, branch_id, inTurn) => {
        queries++;
        return observe(id, branch_id, inTurn);
      },
      trafficOf: (id) => gateway?.trafficOf(id) ?? { settled: 0 },
      onFailure: (_, error) => failures.push(error),
      ...change,
    });
    const directory = new EndpointDirectory({
      db: database.db,
      lookups,
      verifiers,
      wake: () => stage.start(),
      compute: stage.drivers.compute,
    });
    const front = await openFront(t, stage, {
      directory: {
        findTarget: (id) => directory.findTarget(id),
        findVerifier: (id, role) => directory.findVerifier(id, role),
      },
    });
    gateway = front.gateway;
    return { ...front, front, directory, verifiers, failures, queries: () => queries };
  }

  const update = (values: object) =>
    database.db.updateTable("endpoints").set(values).where("id", "=", ENDPOINT).execute();

  it("lets a role in that was just made with SQL, and one whose password was just set with SQL", async (t) => {
    const { config, failures } = await open(t);
    const owner = await openSession(config());
    for (let i = 0; i < 5; i++) {
      await owner.query(`CREATE ROLE made_${i} LOGIN PASSWORD 'first'`);
      const made = config({ user: `made_${i}`, password: "first" });
      await (await openSession(made)).end();
      await owner.query(`ALTER ROLE made_${i} PASSWORD 'second'`);
      await (await openSession({ ...made, password: "second" })).end();
      await assert.rejects(openSession(made), { code: "28P01" });
      await owner.query(`ALTER ROLE made_${i} NOLOGIN`);
      await assert.rejects(openSession({ ...made, password: "second" }), { code: "28P01" });
    }
    await owner.end();
    assert.deepEqual(failures, []);
  });

  it("sees what was done with SQL since its endpoint was forgotten, as one of a project that is deleted and recovered", async (t) => {
    const { config, gateway, failures } = await open(t);
    const owner = await openSession(config());
    for (let i = 0; i < 5; i++) await owner.query("SELECT 1");
    await owner.query("CREATE ROLE before LOGIN PASSWORD 'before'");
    await (await openSession(config({ user: "before", password: "before" }))).end();
    await owner.end();
    await until("nobody is connected", () => gateway.trafficOf(ENDPOINT).open === 0);
    gateway.closePort(ENDPOINT);
    const again = await openSession(config());
    await again.query("CREATE ROLE afterwards LOGIN PASSWORD 'after'");
    await again.query("ALTER ROLE before PASSWORD 'after'");
    for (const user of ["afterwards", "before"]) await (await openSession(config({ user, password: "after" }))).end();
    await again.end();
    assert.deepEqual(failures, []);
  });

  it("lets nobody in as the control plane's superuser, who has no verifier here", async (t) => {
    const { config } = await open(t);
    const user = "latchkey_admin";
    await assert.rejects(openSession(config({ user, password: stage.spec.admin_password })), { code: "28P01" });
  });

  it("knows roles made with SQL while their compute sleeps, without waking it, after a restart of its own, too", async (t) => {
    const first = await open(t);
    const owner = await openSession(first.config());
    await owner.query("CREATE ROLE sleeper LOGIN PASSWORD 'sleeps'");
    await owner.end();
    await first.verifiers.refresh(ENDPOINT);
    await stage.drivers.compute.suspend(ENDPOINT, "fast");
    const second = await open(t);
    const sleeper = second.config({ user: "sleeper", password: "sleeps" });
    await assert.rejects(openSession({ ...sleeper, password: "wrong" }), { code: "28P01" });
    await assert.rejects(openSession({ ...sleeper, user: "nobody" }), { code: "28P01" });
    assert.equal((await stage.drivers.compute.status(ENDPOINT))?.state, "stopped");
    await (await openSession(sleeper)).end();
    assert.deepEqual(second.failures, []);
  });

  it("takes the API's verifier of a role where the compute was never asked", async (t) => {
    await database.db.deleteFrom("observed_verifiers").execute();
    await stage.drivers.compute.suspend(ENDPOINT, "fast");
    const { config } = await open(t);
    await (await openSession(config())).end();
  });

  it("asks a compute only once, as long as nobody does anything there", async (t) => {
    const { config, queries } = await open(t);
    for (let i = 0; i < 5; i++) await assert.rejects(openSession(config({ password: "wrong" })), { code: "28P01" });
    assert.equal(queries(), 1);
  });

  for (const { what, node_id } of [
    { what: "the node of another does not answer", node_id: "far" },
    { what: "another compute hangs", node_id: "node" },
  ]) {
    it(`lets people in at one endpoint while ${what}`, async (t) => {
      const hanging = Promise.withResolvers<undefined>();
      let waiting = 0;
      const hang = () => {
        waiting++;
        return hanging.promise;
      };
      const { config, directory } = await open(t, {
        links: { askVerifier: hang },
        observe: (id) => (id === HUNG ? hang() : Promise.resolve(undefined)),
      });
      await insertBranch(database, { id: "br-hung", node_id }, HUNG);
      const others = Array.from({ length: 8 }, (_, n) => directory.findVerifier(HUNG, `role_${n}`));
      try {
        await until("somebody waits", () => waiting > 0);
        await (await openSession(config({ connectionTimeoutMillis: 5_000 }))).end();
        assert.equal(waiting, node_id === "far" ? 4 : 1, "more waits than ought to");
      } finally {
        hanging.resolve(undefined);
        await Promise.all(others);
        await database.db.deleteFrom("branches").where("id", "=", "br-hung").execute();
      }
    });
  }

  it("asks the database no more than four questions at a time, whichever they are", async (t) => {
    const lookups = openLookups();
    const { directory, verifiers } = await open(t, { lookups });
    const { connection } = database;
    const other = new pg.Client("url" in connection ? connection.url : connection);
    await other.connect();
    t.after(() => other.end());
    const waitsIn = async (lock: string, ask: () => Promise<unknown>) => {
      await other.query(`BEGIN; ${lock}`);
      const go_on = Promise.withResolvers<void>();
      const asked = [...Array.from({ length: 3 }, () => lookups.run(() => go_on.promise)), ask()];
      try {
        await until("the database is asked", async () => {
          const { rows } = await other.query("SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted");
          return rows[0]?.n > 0;
        });
        let answered = false;
        const fifth = async () => {
          answered = true;
        };
        asked.push(lookups.run(fifth));
        assert.equal(answered, false, lock);
      } finally {
        await other.query("ROLLBACK");
        go_on.resolve();
        await Promise.all(asked);
      }
    };
    await database.db.updateTable("branches").set({ observed_digest: null }).execute();
    await waitsIn("SELECT FROM branches FOR UPDATE", () => verifiers.refresh(ENDPOINT));
    await waitsIn("LOCK TABLE endpoints", () => directory.findTarget(ENDPOINT));
    await waitsIn("LOCK TABLE endpoints", () => verifiers.find(ENDPOINT, "owner"));
    await stage.drivers.compute.suspend(ENDPOINT, "fast");
    const { verifiers: anew } = await open(t, { lookups });
    await waitsIn("LOCK TABLE observed_verifiers", () => anew.find(ENDPOINT, "owner"));
    await database.db.deleteFrom("observed_verifiers").execute();
    await waitsIn("LOCK TABLE roles", () => anew.find(ENDPOINT, "owner"));
    await stage.start();
  });

  it("honours the project's allowed addresses, for protected branches alone where that is wished", async (t) => {
    const { config } = await open(t);
    const allow = async (allowed_ips: object) => {
      const settings = JSON.stringify({ allowed_ips });
      await database.db.updateTable("projects").set({ settings }).execute();
    };
    await allow({ ips: ["203.0.113.1"] });
    await assert.rejects(openSession(config()), { code: "28000" });
    await allow({ ips: ["203.0.113.1"], protected_branches_only: true });
    await (await openSession(config())).end();
    await allow({ ips: ["127.0.0.1"] });
    await (await openSession(config())).end();
    await allow({});
  });

  it("says that an endpoint is disabled to those alone who have the password", async (t) => {
    const { config } = await open(t);
    await update({ disabled: true });
    await assert.rejects(openSession(config()), { code: "57P03", message: "the endpoint is disabled" });
    await assert.rejects(openSession(config({ password: "wrong" })), { code: "28P01" });
    await update({ disabled: false });
    const exceed = (quota_exceeded: string | null) =>
      database.db.updateTable("projects").set({ quota_exceeded }).execute();
    await exceed("data_transfer_bytes");
    await assert.rejects(openSession(config()), {
      code: "53400",
      message: "Your project has exceeded the data transfer quota.",
      hint: 'Raise the project\'s quota "data_transfer_bytes", or wait for the next month.',
    });
    await assert.rejects(openSession(config({ password: "wrong" })), { code: "28P01" });
    await exceed(null);
    await update({ disabled: false, deleted_at: new Date(0).toISOString() });
    await assert.rejects(openSession(config()), { code: "28P01" });
    await update({ deleted_at: null });
  });

  it("opens a port for each endpoint, and lets a compute rest that nobody has used for so long", async (t) => {
    let now_ms = 1_000_000;
    const clock = { monotonic_ms: () => now_ms };
    const { config, gateway, verifiers } = await openWithClock(t, clock);
    const rested: string[] = [];
    const rows = { db: database.db, gateway, node_id: "node", clock };
    const ports = new Ports({ ...rows, changePort: async () => assert.fail("the port is free") });
    const job = idleJob({
      ...{ ...rows, verifiers, compute: stage.drivers.compute },
      rest: async (id, isIdle) => void (isIdle() && rested.push(id)),
    });
    const run = async () => {
      await ports.sync();
      await job.run(new AbortController().signal);
    };
    await stage.start();
    await update({ current_state: "active", suspend_timeout_seconds: 60, port: 0 });
    await run();
    const port = gateway.openPorts().get(ENDPOINT);
    assert.ok(port);
    const session = await openSession({ ...config(), port, options: "" });
    await session.query("SELECT 1");
    now_ms += 50_000;
    await run();
    assert.deepEqual(rested, [], "used less than a minute ago");
    await session.query("BEGIN");
    now_ms += 120_000;
    await run();
    assert.deepEqual(rested, [], "a transaction is open");
    await session.query("COMMIT");
    now_ms += 61_000;
    await run();
    assert.deepEqual(rested, [], "PostgreSQL's clock says that it was used just now");
    await session.end();
    await run();
    now_ms += 61_000;
    await run();
    assert.deepEqual(rested, [ENDPOINT]);
    await update({ suspend_timeout_seconds: -1 });
    now_ms += 1_000_000;
    await run();
    assert.deepEqual(rested, [ENDPOINT], "it is never to rest");
    await update({ deleted_at: new Date(0).toISOString() });
    await run();
    assert.equal(gateway.openPorts().size, 0);
    await update({ deleted_at: null });
  });

  it("does not put a compute to rest that a branch is copied from, and does once it is copied", async (t) => {
    const { storage, compute } = stage.drivers;
    if (storage.capabilities().branching === "shared") return t.skip("nobody is told of a copy that shares blocks");
    let now_ms = 1_000_000;
    const clock = { monotonic_ms: () => now_ms };
    const { gateway, verifiers } = await openWithClock(t, clock);
    const rest = async (id: string, isIdle: () => boolean) => {
      if (isIdle()) await compute.suspend(id, "fast");
    };
    const job = idleJob({ db: database.db, node_id: "node", gateway, verifiers, compute, clock, rest });
    const runLater = async () => {
      now_ms += 61_000;
      await job.run(new AbortController().signal);
      return (await compute.status(ENDPOINT))?.state;
    };
    await stage.start();
    await update({ current_state: "active", suspend_timeout_seconds: 60 });
    await runLater();
    const copying = Promise.withResolvers<void>();
    const go_on = Promise.withResolvers<void>();
    // A copy comes to its end when somebody has been told of it.
    const onProgress = async () => {
      copying.resolve();
      await go_on.promise;
    };
    const copied = storage.branch("br-copy", "br-a", { onProgress });
    try {
      await copying.promise;
      assert.equal(await runLater(), "running");
    } finally {
      go_on.resolve();
    }
    assert.equal((await copied).from_branch_id, "br-a");
    assert.equal(await runLater(), "stopped");
  });

  it("waits for a port that somebody else has, and only then gives its endpoint another one", async (t) => {
    let now_ms = 1_000_000;
    const { gateway } = await openWithClock(t, { monotonic_ms: () => now_ms });
    const squatter = createServer().listen(0, "127.0.0.1");
    await once(squatter, "listening");
    t.after(() => squatter.close());
    await update({ port: (squatter.address() as AddressInfo).port });
    const changed: string[] = [];
    const ports = new Ports({
      ...{ db: database.db, gateway, node_id: "node", clock: { monotonic_ms: () => now_ms } },
      changePort: async (id) => void changed.push(id),
    });
    for (let i = 0; i < 3; i++) {
      await ports.sync();
      now_ms += 4_000;
    }
    assert.deepEqual([changed, gateway.openPorts().size], [[], 0]);
    now_ms += 4_000;
    await ports.sync();
    assert.deepEqual(changed, [ENDPOINT]);
    squatter.close();
    await once(squatter, "close");
    await ports.sync();
    assert.equal(gateway.openPorts().size, 1);
  });

  async function openWithClock(t: Parameters<typeof openFront>[0], clock: { monotonic_ms(): number }) {
    const opened = await openFront(t, stage, { clock });
    const verifiers = { refresh: async () => true };
    return { ...opened, verifiers };
  }
});

/** A project with one branch and the stage's endpoint, as the API leaves them. */
async function insertRows({ db }: TestDatabase, stage: Stage): Promise<void> {
  const org_id = newOrganizationId();
  await db.insertInto("organizations").values({ id: org_id, name: "o", handle: "o", personal_of: null }).execute();
  const project = {
    id: "calm-river-1",
    org_id,
    name: "p",
    region_id: "r",
    pg_version: 18,
    created_by: null,
    deleted_at: null,
  };
  await db.insertInto("projects").values(project).execute();
  await insertBranch({ db }, { id: "br-a", node_id: "node" }, ENDPOINT, stage.spec.port);
  const role = { branch_id: "br-a", name: "owner", password: Buffer.from("sealed"), verifier: stage.verifier };
  await db.insertInto("roles").values(role).execute();
}

async function insertBranch(
  { db }: Pick<TestDatabase, "db">,
  { id, node_id }: { readonly id: string; readonly node_id: string },
  endpoint_id: string,
  port = 0,
): Promise<void> {
  const project_id = "calm-river-1";
  const branch = { id, project_id, node_id, storage_id: id, parent_id: null, name: id, is_default: id === "br-a" };
  const blank = { expires_at: null, ttl_interval_seconds: null, logical_size: null, created_by: null, reset: null };
  const password = { admin_password: Buffer.from("x"), admin_password_of: endpoint_id };
  await db
    .insertInto("branches")
    .values({ ...branch, ...blank, ...password, current_state: "ready" })
    .execute();
  await db
    .insertInto("endpoints")
    .values({
      ...{ id: endpoint_id, project_id, branch_id: id, name: null, host: "127.0.0.1" },
      ...{ port, current_state: "active", started_at: null },
    })
    .execute();
}
