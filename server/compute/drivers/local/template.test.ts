import assert from "node:assert/strict";
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../../clock.ts";
import { makePlace, until } from "../../../postgres/testing.ts";
import { openLocalDriver } from "./driver.ts";

test("a copy that fails leaves nothing on the disk", async (t) => {
  const place = await makePlace(t);
  const binaries = { ...place.binaries };
  const { storage, compute } = await openLocalDriver({ ...place, binaries, clock: systemClock, spares: 0 });
  place.closing.push(() => compute.shutdown());
  binaries.initdb = "/nowhere/initdb";
  await assert.rejects(storage.createRoot("br-a", { pg_version: place.binaries.major }), /initdb failed/);
  assert.deepEqual(await readdir(join(place.dataDir, "local", "work")), []);
  assert.deepEqual(await storage.list(), []);
});

test("copies are made ahead, used up, made again, and kept for the next server; those of another release go", async (t) => {
  const place = await makePlace(t);
  const spares = join(place.dataDir, "local", "spares");
  const templates = join(place.dataDir, "local", "templates");
  const open = () => openLocalDriver({ ...place, clock: systemClock, spares: 2 });
  const full = () => until("two copies are ready", async () => (await readdir(spares)).length === 2);

  const first = await open();
  await full();
  const [one] = await readdir(spares);
  await first.storage.createRoot("br-a", { pg_version: place.binaries.major });
  assert.equal((await readdir(spares)).length, 1);
  await full();
  await first.compute.shutdown();

  const kept = await readdir(spares);
  const second = await open();
  await second.compute.shutdown();
  assert.deepEqual(await readdir(spares), kept);

  const [key = ""] = await readdir(templates);
  await rename(join(templates, key), join(templates, "15-of-old"));
  await rename(join(spares, kept[0] ?? ""), join(spares, "15-of-old.1"));
  await mkdir(join(place.dataDir, "local", "work", "template-half"));
  const third = await open();
  await third.compute.shutdown();
  assert.deepEqual(await readdir(templates), [key]);
  assert.ok(!(await readdir(spares)).includes("15-of-old.1"));
  assert.ok(one !== undefined);
});
