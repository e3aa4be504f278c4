import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../../clock.ts";
import { freePort } from "../../../postgres/testing.ts";
import { testDrivers } from "../../conformance.ts";
import { DriverError } from "../../driver.ts";
import { openFakeDriver } from "./driver.ts";

testDrivers("fake", false, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "latchkey-fake-"));
  const drivers = await openFakeDriver({ dataDir, clock: systemClock });
  return {
    drivers,
    freePort,
    close: () => rm(dataDir, { recursive: true }),
    occupyPort(port) {
      const server = createServer();
      const release = () => new Promise<void>((resolve) => server.close(() => resolve()));
      return new Promise((resolve, reject) => {
        server.on("error", reject);
        server.listen(port, "127.0.0.1", () => resolve(release));
      });
    },
    crash: (endpoint_id) => drivers.compute.crash(endpoint_id),
  };
});

test("what the fake driver was told is there after a restart, its computes stopped, and a switch makes calls fail", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "latchkey-fake-"));
  t.after(() => rm(dataDir, { recursive: true }));
  const spec = { branch_id: "br-a", port: 5432, tcp: false, max_connections: 1, admin_password: "the admin password" };
  const first = await openFakeDriver({ dataDir, clock: systemClock });
  await first.storage.createRoot("br-a", { pg_version: 18 });
  await first.compute.ensureRunning("ep-a", spec);
  await assert.rejects(openFakeDriver({ dataDir, clock: systemClock }), { code: "in_use" });
  await first.compute.shutdown();

  const { storage, compute, switches } = await openFakeDriver({ dataDir, clock: systemClock });
  assert.deepEqual(await storage.list(), ["br-a"]);
  assert.equal((await compute.status("ep-a"))?.state, "stopped");
  switches.onCall = (call) => {
    if (call === "ensureRunning") throw new DriverError("start_failed", "as a test wants it");
  };
  await assert.rejects(compute.ensureRunning("ep-a", spec), { code: "start_failed" });
  switches.onCall = () => {};
  await compute.ensureRunning("ep-a", spec);
  await compute.shutdown();
});
