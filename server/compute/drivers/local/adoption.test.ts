import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../../clock.ts";
import { PostgresError } from "../../../postgres/errors.ts";
import { makePassage } from "../../../postgres/files.ts";
import { freePort, makePlace, type Place } from "../../../postgres/testing.ts";
import { type ComputeSpec, DriverError, type Drivers } from "../../driver.ts";
import { openLocalDriver } from "./driver.ts";

async function open(place: Place): Promise<Drivers> {
  const drivers = await openLocalDriver({ ...place, clock: systemClock, spares: 0 });
  place.closing.push(() => drivers.compute.shutdown());
  return drivers;
}

const makeSpec = async (branch_id: string): Promise<ComputeSpec> => ({
  branch_id,
  port: await freePort(),
  max_connections: 20,
  admin_password: "the admin password",
});

/** Starts a compute for each spec in a process of its own and kills that process. */
async function leaveRunning({ dataDir }: Place, specs: Record<string, ComputeSpec>): Promise<void> {
  const program = `
    import { findAccount } from ${JSON.stringify(import.meta.resolve("../../../postgres/account.ts"))};
    import { locateBinaries } from ${JSON.stringify(import.meta.resolve("../../../postgres/binaries.ts"))};
    import { systemClock } from ${JSON.stringify(import.meta.resolve("../../../clock.ts"))};
    import { openLocalDriver } from ${JSON.stringify(import.meta.resolve("./driver.ts"))};
    const [dataDir, specs] = process.argv.slice(1);
    const account = findAccount();
    const binaries = await locateBinaries({ dataDir, account });
    const { storage, compute } = await openLocalDriver({ dataDir, account, binaries, clock: systemClock });
    for (const [id, spec] of Object.entries(JSON.parse(specs))) {
      await storage.createRoot(spec.branch_id, { pg_version: binaries.major });
      await compute.ensureRunning(id, spec);
    }
    console.log("ready");
    setInterval(() => {}, 1000);`;
  const args = ["--input-type=module", "--eval", program, dataDir, JSON.stringify(specs)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    assert.ok(child.stdout);
    const [text] = await once(child.stdout, "data");
    assert.match(String(text), /ready/);
  } finally {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
}

test("computes that a killed server left running are listed, adopted as they are, and watched", async (t) => {
  const place = await makePlace(t);
  const specs = { "ep-a": await makeSpec("br-a"), "ep-b": await makeSpec("br-b"), "ep-c": await makeSpec("br-c") };
  await leaveRunning(place, specs);

  const { storage, compute } = await open(place);
  const found = new Map((await compute.list()).map((status) => [status.endpoint_id, status]));
  assert.deepEqual([...found.keys()].sort(), ["ep-a", "ep-b", "ep-c"]);
  for (const { state, pid } of found.values()) assert.ok(state === "running" && pid !== undefined);
  await assert.rejects(
    storage.remove("br-a"),
    (error) => error instanceof DriverError && error.code === "branch_in_use",
  );

  const address = await compute.ensureRunning("ep-a", specs["ep-a"]);
  assert.deepEqual(address, { ...found.get("ep-a")?.address, started: false });
  assert.equal((await compute.status("ep-a"))?.pid, found.get("ep-a")?.pid);
  assert.deepEqual(await compute.query("ep-a", { text: "SELECT 1 AS one" }), [{ one: 1 }]);

  await compute.ensureRunning("ep-b", { ...specs["ep-b"], max_connections: 21 });
  assert.notEqual((await compute.status("ep-b"))?.pid, found.get("ep-b")?.pid);

  const died = new Promise<string>((resolve) => compute.watch(({ endpoint_id }) => resolve(endpoint_id)));
  process.kill(found.get("ep-a")?.pid ?? Number.NaN, "SIGKILL");
  assert.equal(await died, "ep-a");
  await compute.ensureRunning("ep-a", specs["ep-a"]);

  // One that was never ensured by this instance stops with the others.
  await compute.shutdown();
  assert.deepEqual(new Set((await compute.list()).map(({ state }) => state)), new Set(["stopped"]));
});

test("a compute that a killed server left can be suspended without being ensured first", async (t) => {
  const place = await makePlace(t);
  await leaveRunning(place, { "ep-a": await makeSpec("br-a") });
  const { storage, compute } = await open(place);
  await compute.suspend("ep-a", "fast");
  assert.equal((await compute.status("ep-a"))?.state, "stopped");
  await compute.remove("ep-a");
  await storage.remove("br-a");
  assert.deepEqual([await compute.list(), await storage.list()], [[], []]);
});

test("a shutdown leaves no process and no socket, refuses what comes after, and lets the next server in", async (t) => {
  const place = await makePlace(t);
  const dataDir = join(place.dataDir, "deep".repeat(25));
  await makePassage(dataDir, place.account);
  const drivers = await open({ ...place, dataDir });
  const spec = await makeSpec("br-a");
  await drivers.storage.createRoot("br-a", { pg_version: place.binaries.major });
  const { socket_directory } = await drivers.compute.ensureRunning("ep-a", spec);
  assert.match(socket_directory, /^\/tmp\/latchkey-/);
  const second = openLocalDriver({ ...place, dataDir, clock: systemClock });
  await assert.rejects(second, (error) => error instanceof PostgresError && error.code === "in_use");

  // One is being started while the shutdown begins.
  const suspended = drivers.compute.suspend("ep-a", "fast");
  const late = Promise.allSettled([suspended, drivers.compute.ensureRunning("ep-a", spec)]);
  await drivers.compute.shutdown();
  await late;
  assert.equal((await drivers.compute.status("ep-a"))?.state, "stopped");
  const refused = drivers.compute.ensureRunning("ep-a", spec);
  await assert.rejects(refused, (error) => error instanceof DriverError && error.code === "shut_down");
  // Others' computes have theirs under /tmp too, while tests run beside this one.
  assert.equal(existsSync(socket_directory), false, socket_directory);
  const next = await open({ ...place, dataDir });
  await next.compute.ensureRunning("ep-a", spec);
});

test("a process that may not start computes starts none, and leaves alone what runs", async (t) => {
  const place = await makePlace(t);
  let may = true;
  const mayStart = async () => may;
  const { storage, compute } = await openLocalDriver({ ...place, clock: systemClock, spares: 0, mayStart });
  place.closing.push(() => compute.shutdown());
  const [a, b] = [await makeSpec("br-a"), await makeSpec("br-b")];
  for (const { branch_id } of [a, b]) await storage.createRoot(branch_id, { pg_version: place.binaries.major });
  const address = await compute.ensureRunning("ep-a", a);
  may = false;
  assert.deepEqual(await compute.ensureRunning("ep-a", a), { ...address, started: false });
  const fenced = (error: unknown) => error instanceof DriverError && error.code === "fenced";
  await assert.rejects(compute.ensureRunning("ep-b", b), fenced);
  assert.notEqual((await compute.status("ep-b"))?.state, "running");
  may = true;
  await compute.ensureRunning("ep-b", b);
});

test("work that was cut off is discarded, and a branch whose first start was cut off starts", async (t) => {
  const place = await makePlace(t);
  const drivers = await open(place);
  const spec = await makeSpec("br-a");
  await drivers.storage.createRoot("br-a", { pg_version: place.binaries.major });
  const local = join(place.dataDir, "local");
  const firstPassword = join(local, "branches", "br-a", "first-password");
  await drivers.compute.ensureRunning("ep-a", spec);
  await drivers.compute.shutdown();
  // Killed after the password was set, and before the file with the old one was deleted.
  await writeFile(firstPassword, "the old one", { mode: 0o600 });
  await mkdir(join(local, "work", "copy-half", "data"), { recursive: true });

  const again = await open(place);
  assert.deepEqual(await readdir(join(local, "work")), []);
  await again.compute.ensureRunning("ep-a", spec);
  assert.deepEqual(await again.compute.query("ep-a", { text: "SELECT 1 AS one" }), [{ one: 1 }]);
  await assert.rejects(rm(firstPassword), { code: "ENOENT" });

  await again.compute.ensureRunning("ep-a", { ...spec, admin_password: "not the admin password" });
  const refused = again.compute.query("ep-a", { text: "SELECT 1" });
  await assert.rejects(refused, (error) => error instanceof DriverError && error.code === "password_refused");
});

test("what a loss of power has left of a compute's file keeps neither that one nor the others from starting", async (t) => {
  const place = await makePlace(t);
  const specs = { "ep-a": await makeSpec("br-a"), "ep-b": await makeSpec("br-b") };
  const before = await open(place);
  for (const [id, spec] of Object.entries(specs)) {
    await before.storage.createRoot(spec.branch_id, { pg_version: place.binaries.major });
    await before.compute.ensureRunning(id, spec);
  }
  await before.compute.shutdown();
  // Renamed into its place, and its contents never written out.
  await writeFile(join(place.dataDir, "local/computes/ep-a/compute.json"), "");
  const { compute } = await open(place);
  assert.deepEqual(await compute.list(), [{ endpoint_id: "ep-b", branch_id: "br-b", state: "stopped" }]);
  assert.equal((await compute.ensureRunning("ep-a", specs["ep-a"])).started, true);
  await compute.remove("ep-a");
  assert.equal((await compute.list()).length, 1);
});
