import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../../clock.ts";
import type { LogRecord } from "../../compute/driver.ts";
import { type FakeDrivers, openFakeDriver } from "../../compute/drivers/fake/driver.ts";
import { newUuid } from "../../ids.ts";
import { createProject, openPlane, type Plane } from "../../jobs/test-plane.ts";

interface Page {
  readonly logs: { message: string; entity_id: string; severity_text: string; attributes: { pid: number } }[];
  readonly pagination?: { cursor: string };
}

describe("the log of a compute", () => {
  let plane: Plane;
  let drivers: FakeDrivers;
  let said: LogRecord[] = [];
  before(async () => {
    plane = await openPlane(async (dataDir) => {
      drivers = await openFakeDriver({ dataDir, clock: systemClock });
      const { readLog } = drivers.compute;
      drivers.compute.readLog = async (id) => [...(await readLog.call(drivers.compute, id)), ...said];
      return drivers;
    });
  });
  after(() => plane.close());

  const say = (message: string) => {
    const timestamp = new Date(systemClock.now_ms()).toISOString();
    said.push({ timestamp, pid: 7, severity: "ERROR", message });
  };

  it("is read page by page, newest last, and what is new comes with the cursor of what was told", async () => {
    const { project, endpoints } = await createProject(plane);
    await plane.carryOut();
    const [{ id }] = endpoints;
    const path = `/projects/${project.id}/endpoints/${id}/logs`;
    const read = async (query: string) => (await plane.call<Page>("GET", `${path}?${query}`)).body;
    const told = ({ logs }: Page) => logs.map(({ message }) => message);
    said = [];
    for (const message of ["one", "two", "three"]) say(message);
    const last = await read("limit=2");
    assert.deepEqual(told(last), ["two", "three"]);
    assert.deepEqual([last.logs[0]?.entity_id, last.logs[0]?.severity_text], [id, "ERROR"]);
    const cursor = `cursor=${last.pagination?.cursor}`;
    assert.deepEqual(await read(cursor), { logs: [] });
    say("four");
    assert.deepEqual(told(await read(cursor)), ["four"]);
    assert.deepEqual(told(await read("since=2020-01-01T00:00:00Z&limit=2")), ["the fake compute has started", "one"]);
    assert.deepEqual(await plane.db.selectFrom("log_readings").selectAll().execute(), [], "no question is left");
    for (const wrong of ["cursor=x", `cursor=${Buffer.from('["soon","x"]').toString("base64url")}`, "since=soon"]) {
      assert.equal((await plane.call("GET", `${path}?${wrong}`)).status, 400, wrong);
    }
  });

  it("is read after a crash too: what a killed server has left counts for nobody, and goes", async () => {
    const { project, endpoints } = await createProject(plane);
    await plane.carryOut();
    const [{ id: endpoint_id }] = endpoints;
    const read = () => plane.call<Page>("GET", `/projects/${project.id}/endpoints/${endpoint_id}/logs`);
    const question = JSON.stringify({ limit: 1 });
    await plane.settled();
    for (let n = 0; n < 16; n++) {
      await plane.db
        .insertInto("log_readings")
        .values({ id: newUuid(), endpoint_id, question, answer: null })
        .execute();
    }
    assert.equal((await read()).status, 429);
    await plane.db.updateTable("log_readings").set({ answer: "[]" }).execute();
    assert.equal((await read()).status, 200);
    const asked_at = new Date(Date.now() - 90_000).toISOString();
    await plane.db.updateTable("log_readings").set({ asked_at }).execute();
    await plane.carryOut();
    assert.deepEqual(await plane.db.selectFrom("log_readings").selectAll().execute(), []);
  });

  it("is told to nobody who has no business with its project", async () => {
    const { project, endpoints } = await createProject(plane);
    const other = await createProject(plane);
    const [{ id }] = endpoints;
    assert.equal((await plane.call("GET", `/projects/${other.project.id}/endpoints/${id}/logs`)).status, 404);
    assert.equal((await plane.call("GET", `/projects/${project.id}/endpoints/ep-none/logs`)).status, 404);
  });
});
