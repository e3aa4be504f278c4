import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { systemClock } from "../../../clock.ts";
import { scramVerifier } from "../../../postgres/scram.ts";
import { freePort, makePlace, newPassword, withSession } from "../../../postgres/testing.ts";
import { openLocalDriver } from "./driver.ts";
import { makeVolume, missingForVolume, unsharedBytes } from "./test-volume.ts";

const MB = 1024 * 1024;
const OWN_MB = 12;

/**
 * Branches where the file system shares blocks, on one made for the test. A machine that cannot have one leaves these
 * tests out, and `npm test` says so and why at its end; with `CI` set they fail, for there nobody reads that.
 */
for (const kind of ["xfs", "btrfs"] as const) {
  const missing = missingForVolume(kind);
  describe(`on ${kind}`, { skip: missing !== undefined && !process.env.CI && missing }, () => {
    test("a branch of 100 MB that is written to takes under a second and next to no room, and is whole", async (t) => {
      assert.equal(missing, undefined);
      const cleanUps: (() => unknown)[] = [];
      const volume = await makeVolume(kind, 4096 * MB);
      try {
        const place = await makePlace({ after: (work) => cleanUps.push(work as () => unknown) }, volume.directory);
        const { storage, compute } = await openLocalDriver({ ...place, clock: systemClock, spares: 0 });
        place.closing.push(() => compute.shutdown());
        assert.equal(storage.capabilities().branching, "shared");
        const [pg_version = 0] = storage.capabilities().pg_versions;
        const admin_password = newPassword();
        const start = async (id: string) =>
          await compute.ensureRunning(`ep-${id}`, {
            ...{ branch_id: `br-${id}`, port: await freePort(), max_connections: 20, admin_password },
          });
        await storage.createRoot("br-parent", { pg_version });
        const { host, port } = await start("parent");
        const password = newPassword();
        const roles = [{ name: "owner", verifier: await scramVerifier(password), login: true }];
        await compute.apply("ep-parent", { roles, databases: [{ name: "bank", owner: "owner" }] });
        const login = { host, port, user: "owner", password, database: "bank" };
        const ROWS = 350_000;
        await withSession(login, async (session) => {
          await session.query(`
            create table accounts as select n as id, 0::bigint as balance, repeat('x', 240) as filler from generate_series(1, ${ROWS}) n;
            alter table accounts add primary key (id);
            create table history (account int, delta bigint)`);
        });
        const { logical_bytes } = await storage.stat("br-parent");
        assert.ok(logical_bytes > 100 * MB, `${logical_bytes}`);

        let writing = true;
        const writer = withSession(login, async (session) => {
          for (let n = 0; writing; n++) {
            await session.query(
              `with moved as (update accounts set balance = balance + $2 where id = $1 returning id)
               insert into history select id, $2 from moved`,
              [1 + ((n * 7919) % ROWS), (n % 100) - 40],
            );
          }
        });
        const took_ms: number[] = [];
        const extra: number[] = [];
        const ids = ["first", "second", "third"];
        // Once unmeasured: what the parent has in memory is written by whoever asks for the first checkpoint.
        await storage.branch("br-warm", "br-parent");
        for (const id of ids) {
          const used = await volume.usedBytes();
          const began = performance.now();
          const origin = await storage.branch(`br-${id}`, "br-parent");
          took_ms.push(Math.round(performance.now() - began));
          extra.push((await volume.usedBytes()) - used);
          assert.deepEqual([origin.method, origin.copied_bytes], ["reflink", 0]);
        }
        writing = false;
        await writer;
        const told = `took ${took_ms} ms, ${extra.map((bytes) => Math.round(bytes / MB))} MB extra`;
        assert.ok(Number(took_ms.toSorted((a, b) => a - b)[1]) < 1000, told);
        // What the parent itself writes meanwhile is in it.
        assert.ok(Number(extra.toSorted((a, b) => a - b)[1]) < 50 * MB, told);
        t.diagnostic(`${kind}: a branch of ${Math.round(logical_bytes / MB)} MB ${told}`);

        for (const id of ids) {
          await start(id);
          // What recovery has changed, and the old blocks of what its parent rewrote since; no segment of log filled ahead.
          const own = (await unsharedBytes(join(place.dataDir, "local/branches", `br-${id}`))) / MB;
          assert.ok(own < OWN_MB, `${own.toFixed(1)} MB are the branch's alone`);
          t.diagnostic(`${kind}: started it shares all but ${own.toFixed(1)} MB`);
          const ask = async (text: string) => (await compute.query(`ep-${id}`, { database: "bank", text }))[0] ?? {};
          await ask("create extension amcheck schema public");
          const sums = await ask(
            `select (select count(*)::int from public.accounts) as accounts,
                    (select sum(balance)::text from public.accounts) as balances,
                    (select coalesce(sum(delta), 0)::text from public.history) as deltas`,
          );
          assert.equal(sums.accounts, ROWS);
          assert.equal(sums.balances, sums.deltas, "a torn transaction");
          await ask("select public.bt_index_check('public.accounts_pkey', true)");
          assert.deepEqual(await ask("select count(*)::int as broken from public.verify_heapam('public.accounts')"), {
            broken: 0,
          });
          const failures = "select coalesce(sum(checksum_failures), 0)::int as failures from pg_stat_database";
          assert.deepEqual(await ask(failures), { failures: 0 });
          // What is written on one side is not seen on the other.
          await ask("update public.accounts set balance = 7 where id = 1");
          const [parent] = await compute.query("ep-parent", {
            database: "bank",
            text: "select count(*)::int as n from public.accounts where id = 1 and balance = 7",
          });
          assert.deepEqual(parent, { n: 0 });
        }
      } finally {
        for (const cleanUp of cleanUps) await cleanUp();
        await volume.remove();
      }
    });
  });
}
