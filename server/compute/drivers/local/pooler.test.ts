import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ensurePgBouncer } from "../../../../test/harness/pgbouncer.ts";
import { systemClock } from "../../../clock.ts";
import { findPgBouncer } from "../../../postgres/pgbouncer.ts";
import { inspectProcess } from "../../../postgres/process.ts";
import { scramVerifier } from "../../../postgres/scram.ts";
import { freePort, makePlace, newPassword, until, withSession } from "../../../postgres/testing.ts";
import { DriverError } from "../../driver.ts";
import { openLocalDriver } from "./driver.ts";

const isNotRunning = (error: unknown) => error instanceof DriverError && error.code === "not_running";

test("a compute's pooler knows no password, is nobody's else, and ends however the compute does", async (t) => {
  const place = await makePlace(t);
  const pgbouncer = await findPgBouncer(await ensurePgBouncer(), place.account);
  const { storage, compute } = await openLocalDriver({ ...place, clock: systemClock, spares: 0, pgbouncer });
  place.closing.push(() => compute.shutdown());
  assert.equal(compute.capabilities().pooling, true);
  await storage.createRoot("br-a", { pg_version: place.binaries.major });
  const admin_password = newPassword();
  const spec = { branch_id: "br-a", port: await freePort(), tcp: false, max_connections: 20, admin_password };
  const password = newPassword();
  const login = { name: "owner", verifier: await scramVerifier(password), database: "app" };

  async function start() {
    await compute.ensureRunning("ep-a", spec);
    const roles = [{ name: login.name, verifier: login.verifier, login: true }];
    await compute.apply("ep-a", { roles, databases: [{ name: "app", owner: "owner" }] });
    const address = await compute.ensurePooler("ep-a", login);
    assert.ok(address);
    const { socket_directory: host, port } = address;
    const config = { host, port, user: "owner", password, database: "app" };
    assert.deepEqual(await withSession(config, async (session) => (await session.query("select 1 as one")).rows), [
      { one: 1 },
    ]);
    return { host, pid: Number(await readFile(join(host, "pid"), "utf8")) };
  }
  const hasEnded = (pid: number) => until("the pooler has ended", () => inspectProcess(pid) === undefined);

  await assert.rejects(compute.ensurePooler("ep-a", login), isNotRunning);
  const first = await start();
  assert.equal((await stat(first.host)).mode & 0o777, 0o700);
  const files = (await readdir(first.host)).filter((name) => !name.startsWith("."));
  assert.deepEqual(files.sort(), ["pgbouncer.ini", "pid", "users"]);
  for (const name of ["pgbouncer.ini", "users"]) {
    const path = join(first.host, name);
    assert.equal((await stat(path)).mode & 0o777, 0o600, name);
    const text = await readFile(path, "utf8");
    for (const secret of [password, admin_password]) assert.ok(!text.includes(secret), name);
  }
  // All who ask at the same time get the same one.
  const asked = await Promise.all([1, 2, 3].map(() => compute.ensurePooler("ep-a", login)));
  assert.deepEqual(new Set(asked.map((address) => address?.socket_directory)), new Set([first.host]));
  assert.equal(Number(await readFile(join(first.host, "pid"), "utf8")), first.pid);
  assert.equal(await compute.ensurePooler("ep-a", { ...login, database: "pgbouncer" }), undefined);

  await compute.suspend("ep-a", "fast");
  assert.equal(inspectProcess(first.pid), undefined);
  await assert.rejects(stat(first.host), { code: "ENOENT" });
  await assert.rejects(compute.ensurePooler("ep-a", login), isNotRunning);

  const second = await start();
  process.kill((await compute.status("ep-a"))?.pid ?? Number.NaN, "SIGKILL");
  await hasEnded(second.pid);

  const third = await start();
  await compute.ensureRunning("ep-a", { ...spec, settings: { work_mem: "5MB" } });
  await hasEnded(third.pid);

  const fourth = await start();
  await compute.remove("ep-a");
  assert.equal(inspectProcess(fourth.pid), undefined);
});
