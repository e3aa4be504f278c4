import assert from "node:assert/strict";
import { after, before, beforeEach, describe, type TestContext, test } from "node:test";
import { openTestDatabase, type TestDatabase } from "../../test/harness/database.ts";
import { waitFor } from "../../test/harness/server.ts";
import { type Clock, systemClock } from "../clock.ts";
import { NodeHold, NodeTaken, SILENT_MS } from "./hold.ts";
import { hasEnded, thisProcess } from "./machine.ts";
import { chooseNode, listDataNodes } from "./store.ts";

const elsewhere = JSON.stringify({ ...JSON.parse(thisProcess()), pids: "another machine" });
const ended = JSON.stringify({ ...JSON.parse(thisProcess()), started: "long ago" });

describe("the hold on a node", () => {
  let database: TestDatabase;
  before(async () => {
    database = await openTestDatabase();
  });
  after(() => database.close());
  beforeEach(async () => {
    await database.db.deleteFrom("data_nodes").execute();
  });

  async function take(
    t: TestContext,
    { clock = systemClock, onTaken = () => {}, alone = false } = {},
  ): Promise<NodeHold> {
    const { connection, log } = database;
    const hold = await NodeHold.take({ connection, node_id: "node-a", alone, clock, log, onTaken });
    t.after(() => hold.release());
    return hold;
  }

  const insertHolder = (holder_process: string) =>
    database.db
      .insertInto("data_nodes")
      .values({ id: "node-a", holder: "00000000-0000-4000-8000-000000000000", holder_process })
      .execute();

  test("a process is told apart from one that ended, and one of another machine never counts as ended", () => {
    assert.deepEqual([thisProcess(), ended, elsewhere].map(hasEnded), [false, true, false]);
  });

  test("a second server on the name of one that lives is refused, and the first goes on", async (t) => {
    const first = await take(t);
    await assert.rejects(take(t), NodeTaken);
    assert.equal(await first.mayStart(), true);
  });

  test("the node of a holder that gave it up, or that ended on this machine, is taken at once", async (t) => {
    await insertHolder(ended);
    const began_ms = performance.now();
    const first = await take(t);
    await first.release();
    assert.equal(await first.mayStart(), false);
    await take(t);
    assert.ok(performance.now() - began_ms < SILENT_MS);
  });

  test("a holder of another machine is believed until it has been silent for the whole time", async (t) => {
    await insertHolder(elsewhere);
    let ahead_ms = 0;
    const clock: Clock = {
      now_ms: systemClock.now_ms,
      monotonic_ms: () => systemClock.monotonic_ms() + ahead_ms,
      async sleep(ms, signal) {
        // The taker's waiting is skipped, the holder's renewing is not.
        if (signal !== undefined) return await systemClock.sleep(ms, signal);
        ahead_ms += ms;
      },
    };
    await take(t, { clock });
    assert.ok(ahead_ms >= SILENT_MS - 1_000, `waited ${ahead_ms} ms`);
  });

  test("where the database is in the data directory itself, nobody is waited for", async (t) => {
    await insertHolder(elsewhere);
    const began_ms = performance.now();
    await take(t, { alone: true });
    assert.ok(performance.now() - began_ms < SILENT_MS);
  });

  test("a process that was cut off or frozen for longer than its hold may start nothing until it has renewed", async (t) => {
    let ahead_ms = 0;
    const monotonic_ms = () => systemClock.monotonic_ms() + ahead_ms;
    const hold = await take(t, { clock: { ...systemClock, monotonic_ms } });
    assert.equal(hold.isHeld(), true);
    ahead_ms += SILENT_MS;
    assert.equal(hold.isHeld(), false);
    assert.equal(await hold.mayStart(), true);
  });

  test("a process whose node another one has taken starts nothing more and is told to end", async (t) => {
    let told = 0;
    let ahead_ms = 0;
    const monotonic_ms = () => systemClock.monotonic_ms() + ahead_ms;
    const clock = { ...systemClock, monotonic_ms };
    const hold = await take(t, { clock, onTaken: () => void told++ });
    const holder = "00000000-0000-4000-8000-000000000001";
    await database.db.updateTable("data_nodes").set({ holder }).execute();
    ahead_ms += SILENT_MS;
    assert.equal(await hold.mayStart(), false);
    await waitFor("the word that it is over", () => told === 1);
    await hold.release();
    const [row] = await database.db.selectFrom("data_nodes").select("holder").execute();
    assert.equal(row?.holder, holder, "what is another's is not given up");
  });
});

test("a new project goes where the fewest are, of the nodes that live, can be reached, have its version and room for it", async (t) => {
  const { db } = await openTestDatabase(t);
  const insert = (id: string, values: object = {}) =>
    db
      .insertInto("data_nodes")
      .values({
        ...{ id, holder: "00000000-0000-4000-8000-000000000000", holder_process: ended, network: "here" },
        ...{ address: "127.0.0.1:1", certificate_digest: null, pg_versions: [18], ...values },
      })
      .execute();
  const choose = (pg_version = 18, size_cu = 0.25) => chooseNode(db, "own", { pg_version, size_cu });
  assert.equal(await choose(), undefined);
  await insert("own", { address: null });
  assert.equal(await choose(), "own");
  assert.equal(await choose(17), undefined);
  await insert("another-17", { pg_versions: [17] });
  await insert("silent", { renewed_at: "2020-01-01T00:00:00Z" });
  await insert("stopped", { holder: null });
  await insert("elsewhere", { network: "there" });
  await insert("unreachable", { address: null });
  assert.equal(await choose(17), "another-17");
  assert.equal(await choose(18, 1), undefined, "nothing is known of their machines");
  await insert("small", { cpus: 4, memory_bytes: 4e9 });
  assert.deepEqual([await choose(18, 1), await choose(18, 2)], ["small", undefined]);
  await db.deleteFrom("data_nodes").where("id", "=", "small").execute();

  const user_id = "00000000-0000-4000-8000-000000000002";
  await db
    .insertInto("users")
    .values({
      id: user_id,
      name: "a",
      email: "a@example.com",
      email_verified: true,
      image: null,
      instance_admin: false,
    })
    .execute();
  await db.insertInto("organizations").values({ id: "o", name: "o", handle: "o", personal_of: null }).execute();
  await db
    .insertInto("projects")
    .values({
      id: "p",
      org_id: "o",
      name: "p",
      region_id: "local",
      pg_version: 18,
      created_by: user_id,
      deleted_at: null,
    })
    .execute();
  await db
    .insertInto("branches")
    .values({
      ...{
        id: "br",
        project_id: "p",
        node_id: "own",
        storage_id: "br",
        parent_id: null,
        name: "main",
        is_default: true,
      },
      ...{ expires_at: null, ttl_interval_seconds: null, current_state: "ready", logical_size: null, created_by: null },
      ...{ admin_password: Buffer.from("sealed"), admin_password_of: "br" },
    })
    .execute();
  assert.equal(await choose(), "own", "no other one will do");
  await insert("far", { network: "there", address: "db2.example.com:4433" });
  assert.equal(await choose(), "far");
  await insert("beside");
  assert.equal(await choose(), "beside");

  const states = new Map((await listDataNodes(db)).map(({ id, state, projects }) => [id, [state, projects]]));
  assert.deepEqual(states.get("own"), ["live", 1]);
  assert.deepEqual(
    [states.get("silent"), states.get("stopped")],
    [
      ["lost", 0],
      ["stopped", 0],
    ],
  );
});
