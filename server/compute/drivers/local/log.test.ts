import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../../../clock.ts";
import { scramVerifier } from "../../../postgres/scram.ts";
import { LOG_LIMIT_BYTES } from "../../../postgres/server-log.ts";
import { freePort, makePlace, newPassword, type Place, withSession } from "../../../postgres/testing.ts";
import type { ComputeAddress, Drivers } from "../../driver.ts";
import { openLocalDriver } from "./driver.ts";

const cleanUps: (() => unknown)[] = [];
const password = newPassword();
let place: Place;
let drivers: Drivers;
let address: ComputeAddress;

before(async () => {
  place = await makePlace({ after: (work) => cleanUps.push(work as () => unknown) });
  drivers = await openLocalDriver({ ...place, clock: systemClock, spares: 0 });
  await drivers.storage.createRoot("br-a", { pg_version: place.binaries.major });
  const spec = { branch_id: "br-a", port: await freePort(), max_connections: 20, admin_password: newPassword() };
  address = await drivers.compute.ensureRunning("ep-a", spec);
  const roles = [{ name: "owner", verifier: await scramVerifier(password), login: true }];
  await drivers.compute.apply("ep-a", { roles, databases: [{ name: "shop", owner: "owner" }] });
});
after(async () => {
  await drivers?.compute.shutdown();
  for (const cleanUp of cleanUps) await cleanUp();
});

const login = () => ({ host: address.host, port: address.port, user: "owner", password, database: "shop" });

test("a person's own mistakes are in the log, without the statement and without values of rows", async () => {
  await withSession(login(), async (session) => {
    await session.query("CREATE TABLE people (email text PRIMARY KEY)");
    await session.query("INSERT INTO people VALUES ('ada@example.com')");
    await assert.rejects(session.query("INSERT INTO people VALUES ('ada@example.com')"));
    await assert.rejects(session.query("SELECT 'hunter2' FROM nowhere"));
    await assert.rejects(session.query("ALTER ROLE nobody PASSWORD 'hunter3'"));
  });
  const log = await drivers.compute.readLog("ep-a");
  const errors = log.filter(({ severity }) => severity === "ERROR").map(({ message }) => message);
  assert.deepEqual(errors.slice(0, 2), [
    'duplicate key value violates unique constraint "people_pkey"',
    'relation "nowhere" does not exist at character 23',
  ]);
  assert.equal(errors.length, 3);
  assert.doesNotMatch(JSON.stringify(log), /ada@example|hunter/);
});

test("a role that floods the log neither fills the disk nor hides what it says last", async () => {
  const folder = join(place.dataDir, "local/computes/ep-a");
  let done = false;
  let written = 0;
  const flood = withSession(login(), async (session) => {
    await session.query("SET client_min_messages = error");
    for (let i = 0; i < 20; i++) {
      await session.query(
        "DO $$ BEGIN FOR i IN 1..50 LOOP RAISE LOG 'flood %', repeat('x', 100000); END LOOP; PERFORM pg_sleep(0.1); END $$",
      );
      written += 5_000_000;
    }
    await session.query("DO $$ BEGIN RAISE LOG 'the last word'; END $$");
  }).finally(() => {
    done = true;
  });
  const sizeOf = async () => {
    const sizes = (await readdir(folder)).filter((name) => name.startsWith("postgres.log"));
    const found = await Promise.all(sizes.map((name) => stat(join(folder, name)).catch(() => ({ size: 0 }))));
    return found.reduce((sum, { size }) => sum + size, 0);
  };
  let largest = 0;
  while (!done) {
    largest = Math.max(largest, await sizeOf());
    await delay(20);
  }
  await flood;
  assert.equal(written, 100_000_000);
  assert.ok(largest < 50_000_000, `it took ${largest} bytes of disk`);
  const deadline = performance.now() + 10_000;
  while ((await sizeOf()) > 2 * LOG_LIMIT_BYTES) assert.ok(performance.now() < deadline, "it is not cut");
  const log = await drivers.compute.readLog("ep-a");
  assert.equal(log.at(-1)?.message, "the last word");
  assert.ok(JSON.stringify(log).length < 3 * LOG_LIMIT_BYTES);
});
