import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { openTestDatabase, type TestDatabase } from "../../test/harness/database.ts";
import { type Clock, systemClock } from "../clock.ts";
import { ApiError } from "../errors.ts";
import { newUuid } from "../ids.ts";
import type { Log } from "../log.ts";
import type { AccessChange } from "./change.ts";
import { type NodesDatabase, nodesDatabase } from "./database.ts";
import { NodeLease } from "./lease.ts";
import { Peers } from "./peers.ts";
import { Revocations } from "./revocations.ts";
import { acknowledge, appendAccessChanges, deleteOldChanges, extendLease, readHead, readNodes } from "./store.ts";

const DESCRIPTION = { data_node_id: "test", address: "", pid: 1, version: "test" };
/** More would be walked through one by one. */
const MANY = 1_001;

/** A clock whose sleeps take no time and pass it. */
class HurryingClock implements Clock {
  ahead_ms = 0;
  now_ms = () => systemClock.now_ms() + this.ahead_ms;
  monotonic_ms = () => systemClock.monotonic_ms() + this.ahead_ms;
  async sleep(ms: number): Promise<void> {
    this.ahead_ms += ms;
    await delay(1);
  }
}

const change = (subject: string): AccessChange => ({ kind: "key", subject });

describe("what nodes leave in the database and read there", () => {
  let at: TestDatabase;
  let client: pg.Client;
  /** Names of the events, in order. */
  const told: string[] = [];
  let log: Log;

  before(async () => {
    at = await openTestDatabase();
    client = new pg.Client(at.connection as pg.ClientConfig);
    await client.connect();
    log = { ...at.log, metrics: at.log.metrics, event: (name) => void told.push(name) };
  });
  after(async () => {
    await client.end();
    await at.close();
  });

  const append = (changes: readonly AccessChange[]) =>
    at.db.transaction().execute((tx) => appendAccessChanges(tx, changes, false));
  const ids = async () => (await readNodes(client)).map(({ id }) => id);

  test("a node that has missed more changes than it would walk through forgets everything instead", async () => {
    const dropped: string[] = [];
    const memory = {
      drop: ({ subject }: AccessChange) => void dropped.push(subject),
      dropEverything: () => void dropped.push("everything"),
    };
    const peers = new Peers(at.pool, nodesDatabase, systemClock, log);
    const deps = { connection: at.connection, database: nodesDatabase, description: DESCRIPTION, memory, peers };
    const lease = new NodeLease({ ...deps, clock: systemClock, log });
    await lease.start();
    const applied = async (revision: number) => {
      lease.poke();
      for (const until_ms = Date.now() + 20_000; lease.applied_revision < revision; await delay(5)) {
        assert.ok(Date.now() < until_ms, `revision ${revision} is not applied`);
      }
    };
    try {
      assert.deepEqual(dropped.splice(0), ["everything"]);
      const few = Array.from({ length: MANY - 1 }, (_, i) => change(`few ${i}`));
      await applied(await append(few));
      assert.deepEqual(
        dropped.splice(0),
        few.map(({ subject }) => subject),
      );
      const many = Array.from({ length: MANY }, (_, i) => change(`many ${i}`));
      await applied(await append(many));
      assert.deepEqual(dropped.splice(0), ["everything"]);
    } finally {
      await lease.stop();
    }
    assert.ok(!(await ids()).includes(lease.id), "it has left, and its row is still there");
  });

  test("a row is cleared away a minute after its last renewal, and not when it has been renewed meanwhile", async () => {
    const clock = new HurryingClock();
    const peers = new Peers(at.pool, nodesDatabase, clock, log);
    const [gone, back] = [newUuid(), newUuid()];
    await extendLease(client, gone, 1, undefined, DESCRIPTION);
    await extendLease(client, back, 1, undefined, DESCRIPTION);
    await peers.look(client);
    clock.ahead_ms += 59_000;
    await peers.look(client);
    await peers.clearAway(client);
    assert.deepEqual((await ids()).sort(), [gone, back].sort());
    clock.ahead_ms += 2_000;
    await peers.look(client);
    await extendLease(client, back, 2, undefined, DESCRIPTION);
    await peers.clearAway(client);
    assert.deepEqual(await ids(), [back]);
    await client.query("delete from nodes");
  });

  test("changes are deleted when they are an hour old, every node has acknowledged them and later ones are there", async () => {
    const revisions = async () => {
      const { rows } = await client.query("select revision::int from access_changes order by revision");
      return rows.map(({ revision }) => revision);
    };
    const node = newUuid();
    await extendLease(client, node, 1, undefined, DESCRIPTION);
    const first = await append([change("old")]);
    const place = await readHead(client);
    await append([change("old and not acknowledged")]);
    await client.query("update access_changes set at = now() - interval '61 minutes'");
    const before_ = await revisions();
    await deleteOldChanges(client);
    assert.deepEqual(await revisions(), before_, "a node has acknowledged none of them");
    await acknowledge(client, node, place);
    await deleteOldChanges(client);
    assert.deepEqual(await revisions(), [first, first + 1], "where a node stands stays, and what comes after it");
    await acknowledge(client, node, await readHead(client));
    await deleteOldChanges(client);
    assert.deepEqual(await revisions(), [first + 1], "the last one stays");
    await append([change("new")]);
    await acknowledge(client, node, await readHead(client));
    await append([change("newest")]);
    await acknowledge(client, node, await readHead(client));
    await deleteOldChanges(client);
    assert.deepEqual(await revisions(), [first + 2, first + 3], "what is younger than an hour stays");
    await client.query("delete from nodes");
  });

  test("a revocation gives up when it cannot look, and when a node lives and never acknowledges, and does not ask to be repeated", async () => {
    const isUnconfirmed = (error: unknown) =>
      error instanceof ApiError && error.code === "unconfirmed" && /has been made/.test(error.message);
    const clock = new HurryingClock();
    const fails: NodesDatabase = { ...nodesDatabase, readNodes: async () => Promise.reject(new Error("no database")) };
    const began_ms = clock.monotonic_ms();
    await assert.rejects(new Peers(at.pool, fails, clock, log).confirm(1), isUnconfirmed);
    assert.ok(clock.monotonic_ms() - began_ms >= 10_000, "too soon: a database restarts in some seconds");

    const node = newUuid();
    let renewals = 0;
    const deaf: NodesDatabase = {
      ...nodesDatabase,
      async readNodes(at_) {
        await extendLease(client, node, ++renewals, undefined, DESCRIPTION);
        return await nodesDatabase.readNodes(at_);
      },
    };
    await assert.rejects(new Peers(at.pool, deaf, clock, log).confirm(1), isUnconfirmed);
    await client.query("delete from nodes");
  });

  test("a revocation is answered although the note of what it waited for fails or is never answered", async () => {
    const confirm = async (writeConfirmation: NodesDatabase["writeConfirmation"], clock: Clock) => {
      const database: NodesDatabase = { ...nodesDatabase, writeConfirmation };
      const peers = new Peers(at.pool, database, clock, log);
      const rest = { db: at.db, notify: false, pokeOwnNode: () => {}, log };
      await new Revocations({ ...rest, database, peers, clock }).confirm(await append([change("noted")]), 1);
    };
    told.length = 0;
    await confirm(async () => Promise.reject(new Error("no database")), systemClock);
    assert.deepEqual(told, ["access.confirmed", "database.error"]);
    await confirm(() => new Promise(() => {}), new HurryingClock());
  });

  test("a node that freezes between its change and its commit holds others up for 2 s, and its change has not been made", async () => {
    let thaw = () => {};
    const thawed = new Promise<void>((resolve) => {
      thaw = resolve;
    });
    let given = 0;
    let froze = () => {};
    const frozen = new Promise<void>((resolve) => {
      froze = resolve;
    });
    const doomed = at.db.transaction().execute(async (tx) => {
      given = await appendAccessChanges(tx, [change("of the frozen one")], false);
      froze();
      await thawed;
    });
    const failed = assert.rejects(doomed);
    await frozen;
    const began_ms = performance.now();
    const next = await append([change("of another")]);
    const took_ms = performance.now() - began_ms;
    assert.ok(took_ms > 1_000, `nothing was held up: ${took_ms} ms`);
    assert.equal(next, given, "the revision is given again, without a gap");
    thaw();
    await failed;
    const { rows } = await client.query("select subject from access_changes where revision = $1", [given]);
    assert.deepEqual(rows, [{ subject: "of another" }]);
  });
});
