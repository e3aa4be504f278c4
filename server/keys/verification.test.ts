import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { insertTestUser, openTestDatabase, type TestDatabase } from "../../test/harness/database.ts";
import { type Clock, systemClock } from "../clock.ts";
import { KeyMemory } from "./key-memory.ts";
import { LastUsedRecorder } from "./last-used.ts";
import { openKeys } from "./open-keys.ts";
import { type KeyUses, writeKeyUses } from "./store.ts";
import { newToken } from "./token.ts";
import type { KeyVerifier } from "./verifier.ts";

describe("verification without a lease", () => {
  let at: TestDatabase;
  let user_id: string;
  let verifier: KeyVerifier;

  after(() => at.close());
  before(async () => {
    at = await openTestDatabase();
    user_id = await insertTestUser(at.db);
    // Never started: without a lease each request asks the database.
    ({ verifier } = openKeys({
      config: { key_cache_bytes: 2 ** 20, listen: "off" },
      ...at,
      description: { data_node_id: "test", address: "", pid: process.pid, version: "test" },
      clock: systemClock,
    }));
  });

  async function insertKey(name: string) {
    const { token, digest, hint } = newToken("user");
    const { id } = await at.db
      .insertInto("api_keys")
      .values({ kind: "user", user_id, name, token_digest: digest, hint, created_by: user_id })
      .returning("id")
      .executeTakeFirstOrThrow();
    return { id, token };
  }

  const lookups = async () => (await at.log.metrics.key_lookups.get()).values[0]?.value ?? 0;

  test("a live key is accepted, and refused by the first verification after its revocation", async () => {
    const { id, token } = await insertKey("revoked soon");
    assert.deepEqual(await verifier.verify(token.reveal()), {
      key: { id, kind: "user", user_id, org_id: null, project_id: null },
    });
    await at.db.updateTable("api_keys").set({ revoked_at: new Date().toISOString() }).where("id", "=", id).execute();
    assert.deepEqual(await verifier.verify(token.reveal()), { refused: "unknown_or_revoked" });
  });

  test("what cannot be a key costs no query; a well-formed unknown token costs one", async () => {
    const before_ = await lookups();
    const wrong = newToken("user").token.reveal();
    const last = wrong.endsWith("0") ? "1" : "0";
    for (const junk of ["", "x", "lk_user_", wrong.slice(0, -1) + last, newToken("at").token.reveal()]) {
      assert.ok("refused" in (await verifier.verify(junk)), junk);
    }
    assert.equal(await lookups(), before_);
    assert.deepEqual(await verifier.verify(wrong), { refused: "unknown_or_revoked" });
    assert.equal(await lookups(), before_ + 1);
  });

  test("the first use of a key is written, and a thousand uses of many keys in one statement", async () => {
    const keys = [];
    for (let i = 0; i < 20; i++) keys.push(await insertKey(`used ${i}`));
    const recorder = new LastUsedRecorder(at.pool, systemClock, at.log);
    for (let round = 0; round < 50; round++) {
      for (const { id } of keys) recorder.record(id, "192.0.2.1", "test agent");
    }
    await recorder.stop();
    const rows = await at.db
      .selectFrom("api_keys as k")
      .innerJoin("key_uses as use", "use.key_id", "k.id")
      .select(["use.at", "use.address", "use.user_agent"])
      .where("k.name", "like", "used %")
      .execute();
    assert.equal(rows.length, 20);
    for (const row of rows) {
      assert.equal(row.address, "192.0.2.1");
      assert.equal(row.user_agent, "test agent");
      assert.ok(Math.abs(Date.parse(row.at) - Date.now()) < 10_000);
    }
  });

  test("of very many keys that are used at once 5,000 are written at a time, and none is lost", async () => {
    const recorder = new LastUsedRecorder(at.pool, systemClock, at.log);
    const written = async () => {
      const rows = await at.db.selectFrom("key_uses").select("key_id").where("user_agent", "=", "many").execute();
      return rows.length;
    };
    // No key of these is there, which the table allows.
    for (let id = 1_012_000; id > 1_000_000; id--) recorder.record(id, `192.0.2.${id % 7}`, "many");
    await recorder.flush();
    assert.equal(await written(), 5_000);
    assert.equal(recorder.waiting, 7_000);
    // Used again while others wait: those come first.
    for (let id = 1_012_000; id > 1_000_000; id--) recorder.record(id, "192.0.2.9", "again");
    await recorder.flush();
    await recorder.flush();
    assert.equal(await written(), 12_000);
    await recorder.stop();
    assert.equal(recorder.waiting, 0);
    assert.equal(await written(), 0);
    const again = at.db.selectFrom("key_uses").select("key_id").where("user_agent", "=", "again");
    assert.equal((await again.execute()).length, 12_000);
  });

  test("uses that wait with the keys go into the same statements, each key once and with its latest", async () => {
    const here = { address: "192.0.2.1", user_agent: "with the key" };
    const statements: KeyUses[] = [];
    let now_ms = 0;
    const clock = { ...systemClock, now_ms: () => now_ms };
    const write = async (_pool: unknown, uses: KeyUses) => void statements.push(uses);
    const memory = new KeyMemory(2 ** 20, (...use) => recorder.note(...use));
    const recorder = new LastUsedRecorder(at.pool, clock, at.log, write, memory);
    const use = (id: number) => {
      const words = new Uint32Array(8).fill(Math.imul(id, 0x9e3779b1));
      memory.fill(words, { id, kind: "user", user_id, org_id: null, project_id: null }, memory.fence);
      memory.use(words, now_ms, here);
    };
    for (now_ms = 1_000; now_ms < 7_000; now_ms++) {
      use(now_ms);
      // The key before is used once more, on the other way.
      recorder.record(now_ms - 1, "192.0.2.2", "by itself");
    }
    await recorder.stop();
    assert.equal(memory.uses_waiting, 0);
    assert.ok(statements.length <= 4, `${statements.length} statements`);
    const last = new Map<number, string>();
    for (const { key_ids, at_ms, origins } of statements) {
      assert.equal(new Set(key_ids).size, key_ids.length);
      assert.ok(key_ids.length <= 5_000);
      for (const [i, id] of key_ids.entries())
        if (at_ms[i] === Math.min(id + 1, 6_999)) last.set(id, origins[i]?.user_agent ?? "");
    }
    for (let id = 1_000; id < 6_999; id++) assert.equal(last.get(id), "by itself");
    assert.equal(last.get(6_999), "with the key");
  });

  test("uses that could not be written are written with the next", async () => {
    const { id } = await insertKey("delayed");
    let refuses = true;
    let now_ms = 1_000_000;
    const clock = { ...systemClock, now_ms: () => now_ms++ };
    const recorder = new LastUsedRecorder(at.pool, clock, at.log, async (pool, uses) => {
      if (refuses) throw new Error("no database");
      await writeKeyUses(pool, uses);
    });
    recorder.record(id, "192.0.2.1", "first");
    await recorder.flush();
    recorder.record(id, "192.0.2.1", "second");
    await recorder.flush();
    refuses = false;
    await recorder.stop();
    const row = await at.db.selectFrom("key_uses").select("user_agent").where("key_id", "=", id).executeTakeFirst();
    assert.equal(row?.user_agent, "second");
  });

  test("a batch that arrives late does not turn the last use back", async () => {
    const { id } = await insertKey("two nodes");
    const at_time = (now_ms: number): Clock => ({ ...systemClock, now_ms: () => now_ms });
    const late = new LastUsedRecorder(at.pool, at_time(1_000_000), at.log);
    const recent = new LastUsedRecorder(at.pool, at_time(2_000_000), at.log);
    late.record(id, "192.0.2.1", "late");
    recent.record(id, "192.0.2.2", "recent");
    await recent.stop();
    await late.stop();
    const row = await at.db
      .selectFrom("key_uses")
      .select(["at", "user_agent"])
      .where("key_id", "=", id)
      .executeTakeFirstOrThrow();
    assert.equal(row.user_agent, "recent");
    assert.equal(Date.parse(row.at), 2_000_000);
  });

  test("the last use of a key goes with the key, and a use that comes later does not hinder others", async () => {
    const gone = await insertKey("gone");
    const stays = await insertKey("stays");
    const recorder = new LastUsedRecorder(at.pool, systemClock, at.log);
    const used = async () => {
      const ids = [gone.id, stays.id];
      const rows = await at.db.selectFrom("key_uses").select("key_id").where("key_id", "in", ids).execute();
      return rows.map(({ key_id }) => key_id).sort();
    };
    recorder.record(gone.id, "192.0.2.1", "");
    await recorder.flush();
    assert.deepEqual(await used(), [gone.id]);
    await at.db.deleteFrom("api_keys").where("id", "=", gone.id).execute();
    assert.deepEqual(await used(), []);
    recorder.record(gone.id, "192.0.2.1", "");
    recorder.record(stays.id, "192.0.2.1", "");
    await recorder.stop();
    assert.ok((await used()).includes(stays.id));
  });
});
