import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../../clock.ts";
import { scramVerifier } from "../../../postgres/scram.ts";
import { freePort, makePlace, newPassword, withSession } from "../../../postgres/testing.ts";
import { type CopyProgress, DriverError } from "../../driver.ts";
import { findCopyMethod } from "./clone.ts";
import { openLocalDriver } from "./driver.ts";

/** A driver with a branch that has never been started; and how to start that, or any made of it. */
async function openParent(t: TestContext, options: { readonly freeBytes?: () => Promise<number> } = {}) {
  const place = await makePlace(t);
  const { storage, compute } = await openLocalDriver({ ...place, clock: systemClock, spares: 0, ...options });
  place.closing.push(() => compute.shutdown());
  const [pg_version = 0] = storage.capabilities().pg_versions;
  await storage.createRoot("br-parent", { pg_version });
  const admin_password = newPassword();
  const start = async (id: string, settings: Record<string, string> = {}) =>
    await compute.ensureRunning(`ep-${id}`, {
      branch_id: `br-${id}`,
      port: await freePort(),
      max_connections: 20,
      admin_password,
      settings,
    });
  return { dataDir: place.dataDir, storage, compute, start };
}

test("a branch of a parent that is written to is one moment of it, whole and without a broken page", async (t) => {
  const { storage, compute, start } = await openParent(t);
  const { host, port } = await start("parent");
  const password = newPassword();
  const roles = [{ name: "owner", verifier: await scramVerifier(password), login: true }];
  await compute.apply("ep-parent", { roles, databases: [{ name: "bank", owner: "owner" }] });
  const login = { host, port, user: "owner", password, database: "bank" };
  await withSession(login, async (session) => {
    await session.query(`
      create table accounts as select n as id, 0::bigint as balance, repeat('x', 200) as filler from generate_series(1, 20000) n;
      alter table accounts add primary key (id);
      create table history (account int, delta bigint)`);
  });

  // Every transaction moves money in the account and tells of it: whatever moment is looked at, the sums agree.
  let writing = true;
  const writers = Array.from({ length: 3 }, (_, writer) =>
    withSession(login, async (session) => {
      for (let n = 0; writing; n++) {
        const account = 1 + ((n * 7919 + writer * 104_729) % 20_000);
        await session.query(
          `with moved as (update accounts set balance = balance + $2 where id = $1 returning id)
           insert into history select id, $2 from moved`,
          [account, (n % 100) - 40],
        );
      }
    }),
  );
  const origins = [];
  for (const id of ["first", "second", "third"]) origins.push(await storage.branch(`br-${id}`, "br-parent"));
  writing = false;
  await Promise.all(writers);

  const written = await compute.query("ep-parent", {
    database: "bank",
    text: "select count(*)::int as n from public.history",
  });
  let before = -1;
  for (const id of ["first", "second", "third"]) {
    const origin = await storage.branch(`br-${id}`, "br-parent");
    assert.deepEqual(origin, origins.shift(), "made before, it tells the same again");
    assert.match(origin.lsn, /^[0-9A-F]+\/[0-9A-F]+$/);
    await start(id);
    const ask = async (text: string) => (await compute.query(`ep-${id}`, { database: "bank", text }))[0] ?? {};
    await ask("create extension amcheck schema public");
    const sums = await ask(
      `select (select count(*)::int from public.accounts) as accounts, (select count(*)::int from public.history) as n,
              (select sum(balance)::text from public.accounts) as balances,
              (select coalesce(sum(delta), 0)::text from public.history) as deltas`,
    );
    assert.equal(sums.accounts, 20_000);
    assert.equal(sums.balances, sums.deltas, "a torn transaction");
    assert.ok(Number(sums.n) > before && Number(sums.n) <= Number(written[0]?.n), "a moment of its own, in order");
    before = Number(sums.n);
    await ask("select public.bt_index_check('public.accounts_pkey', true)");
    assert.deepEqual(await ask("select count(*)::int as broken from public.verify_heapam('public.accounts')"), {
      broken: 0,
    });
    const failures = "select coalesce(sum(checksum_failures), 0)::int as failures from pg_stat_database";
    assert.deepEqual(await ask(failures), { failures: 0 });
  }
  assert.ok(before > 0, "nothing was written meanwhile: the test shows nothing");
  // The backups' slots went with their sessions: nothing keeps the parent's log any more.
  const slots = await compute.query("ep-parent", { text: "select slot_name from pg_replication_slots" });
  assert.deepEqual(slots, []);
});

test("a branch of a branch that was never started begins its recovery where that one would have", async (t) => {
  const { storage, compute, start } = await openParent(t);
  await start("parent");
  await compute.query("ep-parent", { text: "create table public.kept as select 1 as n" });
  const origin = await storage.branch("br-child", "br-parent");
  const { lsn } = await storage.branch("br-grandchild", "br-child");
  assert.equal(lsn, origin.lsn);
  await start("grandchild");
  assert.deepEqual(await compute.query("ep-grandchild", { text: "select n from public.kept" }), [{ n: 1 }]);
  // From the checkpoint in its control file it would come up as well, and with pages missing where one fell into the copy.
  const recovery = (await compute.readLog("ep-grandchild")).map(({ message }) => message);
  assert.ok(
    recovery.some((message) => message.startsWith("completed backup recovery")),
    recovery.join("\n"),
  );
  // Once it has been started its files are one moment's, and the label is of no use to a branch of it.
  await compute.suspend("ep-grandchild", "fast");
  await storage.branch("br-last", "br-grandchild");
  await start("last");
  const plain = (await compute.readLog("ep-last")).map(({ message }) => message);
  assert.ok(!plain.some((message) => message.includes("backup recovery")), plain.join("\n"));
});

test("a branch is made of a parent that was killed, with what it had committed", async (t) => {
  const { storage, compute, start } = await openParent(t);
  await start("parent");
  await compute.query("ep-parent", { text: "create table public.kept as select 1 as n" });
  await compute.suspend("ep-parent", "immediate");
  await storage.branch("br-child", "br-parent");
  await start("child");
  assert.deepEqual(await compute.query("ep-child", { text: "select n from public.kept" }), [{ n: 1 }]);
  await assert.rejects(storage.branch("br-orphan", "br-nowhere"), { code: "branch_missing" });
  assert.deepEqual((await storage.list()).toSorted(), ["br-child", "br-parent"]);
});

test("a branch is made whatever becomes of telling how far it is, of a parent that ends idle sessions at once", async (t) => {
  const { storage, start } = await openParent(t);
  // Shorter than any copy takes, during which the backup's session has nothing to do.
  await start("parent", { idle_session_timeout: "1ms", idle_in_transaction_session_timeout: "1ms" });
  let told = 0;
  const onProgress = async () => {
    told++;
    throw new Error("the database is away");
  };
  await storage.branch("br-child", "br-parent", { onProgress });
  assert.ok(told > 0 || storage.capabilities().branching === "shared");
  assert.deepEqual((await storage.list()).toSorted(), ["br-child", "br-parent"]);
});

test("how files are copied is found out by trying, and leaves nothing behind", async (t) => {
  const { dataDir } = await makePlace(t);
  assert.match(await findCopyMethod(dataDir), /^(reflink|copy)$/);
  assert.equal(await findCopyMethod("/nowhere"), "copy");
});

test("a copy that the disk has no room for is refused before it begins, with what it needs", async (t) => {
  let free = 0;
  const options = { freeBytes: async () => free };
  const { storage, dataDir } = await openParent(t, options);
  if (storage.capabilities().branching === "shared") return;
  const { physical_bytes } = await storage.stat("br-parent");
  free = 512 * 1024 * 1024 + physical_bytes / 2;
  await assert.rejects(storage.branch("br-child", "br-parent"), (error) => {
    assert.ok(error instanceof DriverError && error.code === "no_room");
    assert.match(error.message, /^not enough room: needs [\d,]+ MB, has [\d,]+ MB$/);
    return true;
  });
  assert.deepEqual(await storage.list(), ["br-parent"]);
  assert.deepEqual(await readdir(join(dataDir, "local/work")), []);
  free = 512 * 1024 * 1024 + physical_bytes * 2;
  await storage.branch("br-child", "br-parent");
});

test("of copies that wait for one another none begins without room for it", async (t) => {
  const at = (name: string) => join(dataDir, "local", name);
  // Room for one copy, which all of them see when they are asked for. It moves to its place meanwhile, which is why one looks there last.
  const copied = async () =>
    (await readdir(at("work"))).some((name) => existsSync(join(at("work"), name, "data/base"))) ||
    (await readdir(at("branches"))).length > 1;
  const freeBytes = async () => ((await copied()) ? 0 : 100e9);
  const { storage, dataDir } = await openParent(t, { freeBytes });
  if (storage.capabilities().branching === "shared") return t.skip("blocks are shared: a branch takes no room");
  const made = await Promise.allSettled(["br-a", "br-b", "br-c"].map((id) => storage.branch(id, "br-parent")));
  const outcomes = made.map((one) => (one.status === "fulfilled" ? "made" : (one.reason as DriverError).code));
  assert.deepEqual(outcomes.toSorted(), ["made", "no_room", "no_room"]);
  assert.equal((await storage.list()).length, 2);
});

test("a compute starts without waiting for a copy of its branch, which goes on beside it", async (t) => {
  const { storage, compute, start, dataDir } = await openParent(t);
  if (storage.capabilities().branching === "shared") return t.skip("blocks are shared: a copy takes no time");
  // No file of a database, but as long to copy as one.
  const base = join(dataDir, "local/branches/br-parent/data/base");
  await writeFile(join(base, "filler"), Buffer.alloc(512 * 1024 * 1024, 1));
  let copied = 0;
  let copied_before_start: Promise<number> | undefined;
  const onProgress = async ({ copied_bytes }: CopyProgress) => {
    copied = Math.max(copied, copied_bytes);
    copied_before_start ??= start("parent").then(() => copied);
  };
  const origin = await storage.branch("br-child", "br-parent", { onProgress });
  const before_start = await copied_before_start;
  assert.ok(before_start !== undefined && before_start < 512 * 1024 * 1024, "the start waited for the copy");
  assert.ok(origin.copied_bytes > 512 * 1024 * 1024);
  assert.deepEqual((await storage.list()).toSorted(), ["br-child", "br-parent"]);
  assert.deepEqual(await readdir(join(dataDir, "local/work")), []);
  await start("child");
  assert.deepEqual(await compute.query("ep-child", { text: "select 1 as n" }), [{ n: 1 }]);
});

test("a copy that is ended half-way leaves nothing on the disk", async (t) => {
  const { storage, dataDir } = await openParent(t);
  for (const delay_ms of [0, 5, 20, 60]) {
    const signal = AbortSignal.timeout(delay_ms);
    await storage.branch("br-child", "br-parent", { signal }).then(
      () => storage.remove("br-child"),
      (error) => assert.ok(error instanceof DriverError && error.code === "aborted", String(error)),
    );
    assert.deepEqual(await storage.list(), ["br-parent"]);
    assert.deepEqual(await readdir(join(dataDir, "local/work")), []);
  }
});
