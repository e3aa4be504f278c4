import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext, test } from "node:test";
import { Kysely, PostgresDialect, sql } from "kysely";
import { ExternalDatabase } from "../../test/harness/external-database.ts";
import { SwallowingProxy } from "../../test/revocation/swallowing-proxy.ts";
import { createLog } from "../log.ts";
import { inTransaction, isDatabaseLost, openPool, poolConfig, type Tx } from "./pool.ts";
import type { Schema } from "./schema.ts";

const SILENT_MS = 500;

describe("the pool, when the network to the database goes silent", () => {
  let database: ExternalDatabase;
  before(async () => {
    database = await ExternalDatabase.make();
  });
  after(() => database?.close());

  async function open(t: TestContext) {
    const proxy = await SwallowingProxy.open(database.port);
    const pool = openPool(poolConfig({ url: database.urlAt(proxy.port) }, 1), createLog("silent"), SILENT_MS);
    const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
    t.after(async () => {
      proxy.heal();
      await db.destroy();
      await proxy.close();
    });
    const ask = async () =>
      (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)).rows[0]?.pid ?? Number.NaN;
    return { proxy, db, ask };
  }

  it("a statement under way is told that the database is lost, and the next one gets another connection", async (t) => {
    const { proxy, ask } = await open(t);
    const first = await ask();
    proxy.swallows = true;
    await assert.rejects(ask(), isDatabaseLost);
    // What is swallowed on the way to connections that are open stays so.
    proxy.swallows = false;
    assert.notEqual(await ask(), first);
  });

  it("so is a transaction between two statements, and it leaves nothing behind in the pool", async (t) => {
    const { proxy, db, ask } = await open(t);
    const lost = db.transaction().execute(async (tx) => {
      await sql`select 1`.execute(tx);
      proxy.swallows = true;
      await sql`select 1`.execute(tx);
    });
    await assert.rejects(lost, isDatabaseLost);
    proxy.swallows = false;
    assert.ok((await ask()) > 0);
  });

  it("a connection that nobody uses is kept, however long nothing was asked", async (t) => {
    const { ask } = await open(t);
    const first = await ask();
    await database.query(`select pg_sleep(${(2 * SILENT_MS) / 1000})`);
    assert.equal(await ask(), first);
  });
});

test("two changes that wait for each other are both carried out, one of them once it has begun again", async (t) => {
  const database = await ExternalDatabase.make();
  t.after(() => database.close());
  await database.query("create table things (id int primary key, changes int not null)");
  await database.query("insert into things values (1, 0), (2, 0)");
  const pool = openPool(poolConfig({ url: database.url }, 2), createLog("silent"));
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  t.after(() => db.destroy());
  const change = (tx: Tx, id: number) => sql`update things set changes = changes + 1 where id = ${id}`.execute(tx);
  let attempts = 0;
  let begun = 0;
  const both = (first: number, second: number) =>
    inTransaction(db, async (tx) => {
      attempts += 1;
      await change(tx, first);
      begun += 1;
      // The first time until the other one has its row, too.
      while (begun < 2) await new Promise((resolve) => setTimeout(resolve, 5));
      await change(tx, second);
    });
  await Promise.all([both(1, 2), both(2, 1)]);
  assert.equal(attempts, 3);
  assert.deepEqual(await database.query("select changes from things"), [{ changes: 2 }, { changes: 2 }]);
});
