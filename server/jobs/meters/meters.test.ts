import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type CreatedProject,
  jobNamed,
  openPlaneWithProject,
  type Plane,
  queryAsClient,
  replacing,
} from "../test-plane.ts";

interface Figures {
  readonly active_time_seconds: number;
  readonly compute_time_seconds: number;
  readonly written_data_bytes: number;
  readonly data_storage_bytes_hour: number;
  readonly synthetic_storage_size: number;
  readonly consumption_period_start: string;
  readonly consumption_period_end: string;
}

describe("what a project consumes", () => {
  let plane: Plane;
  let root: CreatedProject;
  let path: string;
  let uri: string;
  before(async () => {
    ({ plane, root, uri } = await openPlaneWithProject());
    path = `/projects/${root.project.id}`;
  });
  after(() => plane.close());

  /** As a server does that has just been started: nothing is left of the one before but rows and processes. */
  const carryOut = () => plane.carryOut();
  const figures = async () => (await plane.call<{ project: Figures }>("GET", path)).body.project;
  const branch = async (id: string) =>
    (await plane.call<{ branch: Figures }>("GET", `${path}/branches/${id}`)).body.branch;
  /** Moves the clock, in effect: what runs has run for so much longer since it was last looked at. */
  const pass = (seconds: number) =>
    plane.db
      .updateTable("compute_meters")
      .set({ counted_until: new Date(Date.now() - seconds * 1000).toISOString() })
      .execute();
  const suspend = () => plane.call("POST", `${path}/endpoints/${root.endpoints[0].id}/suspend`);
  const start = () => plane.call<{ message: string }>("POST", `${path}/endpoints/${root.endpoints[0].id}/start`);
  const near = (found: number, expected: number, why = "") =>
    assert.ok(found >= expected && found <= expected + 20, `${found} is not some ${expected} ${why}`);

  it("a new project has consumed next to nothing, in this month", async () => {
    const { active_time_seconds, written_data_bytes, ...rest } = await figures();
    near(active_time_seconds, 0);
    assert.ok(written_data_bytes < 1_000_000, `${written_data_bytes}`);
    const month = new Date().toISOString().slice(0, 7);
    assert.equal(rest.consumption_period_start, `${month}-01T00:00:00.000Z`);
    assert.ok(Date.parse(rest.consumption_period_end) - Date.parse(rest.consumption_period_start) >= 28 * 86_400_000);
    assert.ok(rest.synthetic_storage_size > 10_000_000 && rest.data_storage_bytes_hour >= rest.synthetic_storage_size);
  });

  it("time counts while a compute runs, also when the server was killed meanwhile, and not while it rests", async () => {
    await pass(100);
    await carryOut();
    near((await figures()).active_time_seconds, 100);
    await suspend();
    await pass(50);
    await carryOut();
    const { active_time_seconds } = await figures();
    near(active_time_seconds, 150);
    assert.deepEqual(await plane.db.selectFrom("compute_meters").selectAll().execute(), []);
    await carryOut();
    assert.equal((await figures()).active_time_seconds, active_time_seconds);
    await start();
    await carryOut();
    near((await figures()).active_time_seconds, 150);
    near((await branch(root.branch.id)).active_time_seconds, 150);
  });

  it("time does not count while the node was down, whoever comes first after its start", async () => {
    const expected = (await figures()).active_time_seconds;
    const came_first = [
      () => queryAsClient(uri, "select 1"),
      () => jobNamed(plane.reconcilers(), "meters").run(new AbortController().signal),
    ];
    for (const comesFirst of came_first) {
      await pass(36_000);
      await plane.restartDrivers();
      await comesFirst();
      await carryOut();
      near((await figures()).active_time_seconds, expected);
    }
    await pass(100);
    await plane.machinery().skipDowntime();
    await carryOut();
    near((await figures()).active_time_seconds, expected + 100, "what a killed server left running has run on");
  });

  it("time counts at the size that a compute ran at", async () => {
    const sums = () =>
      plane.db
        .selectFrom("consumption_hours")
        .select(({ fn }) => [
          fn.sum<number>("active_seconds").as("seconds"),
          fn.sum<number>("compute_unit_seconds").as("units"),
        ])
        .executeTakeFirstOrThrow();
    const since = async (before: { seconds: number; units: number }) => {
      const { seconds, units } = await sums();
      return (units - before.units) / (seconds - before.seconds);
    };
    const resize = (size: number) =>
      plane.call("PATCH", `${path}/endpoints/${root.endpoints[0].id}`, {
        body: { endpoint: { autoscaling_limit_min_cu: size, autoscaling_limit_max_cu: size } },
      });
    await carryOut();
    const small = await sums();
    assert.equal((await resize(1)).status, 200);
    await pass(100);
    await carryOut();
    const ratio = await since(small);
    assert.ok(ratio >= 0.25 && ratio < 0.4, `until its restart it was what it had been: ${ratio}`);
    const large = await sums();
    await pass(100);
    await carryOut();
    assert.ok(Math.abs((await since(large)) - 1) < 0.001);
    await resize(0.25);
    await carryOut();
  });

  it("of a compute that was found dead nobody knows how long it lived: that time does not count", async () => {
    const before = (await figures()).active_time_seconds;
    const { compute } = plane.drivers();
    const pid = (await compute.status(root.endpoints[0].id))?.pid;
    process.kill(pid ?? 0, "SIGKILL");
    while ((await compute.status(root.endpoints[0].id))?.state === "running") await new Promise(setImmediate);
    await pass(1000);
    await carryOut();
    near((await figures()).active_time_seconds, before);
    await queryAsClient(uri, "select 1");
  });

  it("time is noted in the hours in which it was spent", async () => {
    await plane.db.deleteFrom("consumption_hours").execute();
    await pass(3 * 3600);
    await carryOut();
    const hours = await plane.db.selectFrom("consumption_hours").select("active_seconds").orderBy("hour").execute();
    const seconds = hours.map(({ active_seconds }) => active_seconds);
    assert.ok(
      seconds.every((n) => n <= 3600.001),
      `${seconds}`,
    );
    assert.ok(seconds.length >= 4 && seconds[1] === 3600);
    near(
      seconds.reduce((sum, n) => sum + n),
      3 * 3600,
    );
  });

  it("processor time and what is written are read from the compute, its own restarts and sleeps included", async () => {
    const before = await figures();
    await queryAsClient(
      uri,
      "create table big as select n, repeat(md5(n::text), 8) as text from generate_series(1, 40000) n",
    );
    await queryAsClient(uri, "select sum(length(md5(repeat('x', n)))) from generate_series(1, 20000) n");
    await suspend();
    await carryOut();
    await start();
    await carryOut();
    const spent = await figures();
    assert.ok(spent.compute_time_seconds > before.compute_time_seconds, `${spent.compute_time_seconds}`);
    assert.ok(spent.compute_time_seconds < before.compute_time_seconds + 60);
    const written = spent.written_data_bytes - before.written_data_bytes;
    assert.ok(written > 10_000_000 && written < 40_000_000, `${written}`);
  });

  it("a compute that is counted twice at a time is read in turn, so that nothing counts again", async () => {
    await carryOut();
    const { compute } = plane.drivers();
    const gate = Promise.withResolvers<void>();
    const read = Promise.withResolvers<void>();
    const wished = Promise.withResolvers<void>();
    let asked = 0;
    const gated = replacing(compute, {
      async query(id, query) {
        const is_first = asked++ === 0;
        const rows = await compute.query(id, query);
        if (!is_first) return rows;
        read.resolve();
        await gate.promise;
        return rows;
      },
    });
    const { jobs, waking } = plane.machinery({
      compute: gated,
      onStep: (step) => void (step === "rest:wished" && wished.resolve()),
    });
    const before = (await figures()).written_data_bytes;
    const older = jobNamed(jobs, "meters").run(new AbortController().signal);
    await read.promise;
    await queryAsClient(uri, "create table more as select * from big; drop table more");
    const newer = waking.rest(root.endpoints[0].id, () => true);
    await wished.promise;
    for (let turns = 0; turns < 100; turns++) await new Promise(setImmediate);
    assert.equal(asked, 1, "the newer one waits");
    gate.resolve();
    await Promise.all([older, newer]);
    await queryAsClient(uri, "select 1");
    await carryOut();
    const written = (await figures()).written_data_bytes - before;
    assert.ok(written > 10_000_000 && written < 25_000_000, `${written}`);
  });

  it("a branch's own writes are its own, a restore writes nothing, and a deleted branch stays in the sum", async () => {
    const body = { endpoints: [{ type: "read_write" }] };
    const made = await plane.call<{ branch: { id: string }; connection_uris: [{ connection_uri: string }] }>(
      ...(["POST", `${path}/branches`] as const),
      { body },
    );
    await carryOut();
    const { id } = made.body.branch;
    await queryAsClient(made.body.connection_uris[0].connection_uri, "update big set n = n + 1");
    await carryOut();
    const { written_data_bytes: own } = await branch(id);
    assert.ok(own > 10_000_000, `${own}`);
    const before = (await figures()).written_data_bytes;
    const restore = { source_branch_id: root.branch.id, preserve_under_name: "kept" };
    assert.equal((await plane.call("POST", `${path}/branches/${id}/restore`, { body: restore })).status, 200);
    await carryOut();
    await carryOut();
    assert.ok((await figures()).written_data_bytes < before + 5_000_000);
    assert.equal((await plane.call("DELETE", `${path}/branches/${id}`)).status, 200);
    await carryOut();
    assert.ok((await figures()).written_data_bytes >= before);
    assert.ok((await figures()).written_data_bytes < before + 5_000_000);
  });

  it("a quota that is used up suspends computes, lets nobody start them, and gives way when it is raised", async () => {
    const set = (quota: object) =>
      plane.call<{ message: string }>("PATCH", path, { body: { project: { settings: { quota } } } });
    const endpoint = async () =>
      (
        await plane.call<{ endpoint: { current_state: string; suspend_reason?: string } }>(
          "GET",
          `${path}/endpoints/${root.endpoints[0].id}`,
        )
      ).body.endpoint;
    const state = async () => (await plane.drivers().compute.status(root.endpoints[0].id))?.state;
    assert.equal((await set({ active_time_seconds: 1_000_000 })).status, 200);
    await carryOut();
    assert.equal(await state(), "running");
    await plane.db
      .updateTable("consumption_hours")
      .set({ cpu_seconds: 5, active_seconds: 50, transferred_bytes: 500 })
      .execute();
    const none = { active_time_seconds: 0, compute_time_seconds: 0, written_data_bytes: 0, data_transfer_bytes: 0 };
    const words = ["active time", "compute time", "written data", "data transfer"];
    const quotas = [
      ...[{ active_time_seconds: 10 }, { compute_time_seconds: 1 }, { written_data_bytes: 1 }],
      { data_transfer_bytes: 100 },
    ];
    for (const [i, quota] of quotas.entries()) {
      assert.equal((await set({ ...none, ...quota })).status, 200);
      await carryOut();
      assert.equal(await state(), "stopped", JSON.stringify(quota));
      const message = `Your project has exceeded the ${words[i]} quota.`;
      await assert.rejects(queryAsClient(uri, "select 1"), { code: "53400", message });
      assert.equal(await state(), "stopped");
      const refused = await start();
      assert.equal(refused.status, 422);
      assert.match(refused.body.message, new RegExp(Object.keys(quota)[0] ?? "?"));
      const { current_state, suspend_reason, ...rest } = await endpoint();
      assert.deepEqual([current_state, suspend_reason, "pending_state" in rest], ["idle", "quota", false]);
      assert.equal((await set(none)).status, 200);
      await carryOut();
      assert.equal(await state(), "running");
      await queryAsClient(uri, "select 1");
    }
  });

  it("a branch that reaches its size is suspended, and no other one, until the quota is raised or it is reset", async () => {
    const set = (logical_size_bytes: number) =>
      plane.call("PATCH", path, { body: { project: { settings: { quota: { logical_size_bytes } } } } });
    const body = { endpoints: [{ type: "read_write" }] };
    const { body: made } = await plane.call<{
      branch: { id: string };
      endpoints: [{ id: string }];
      connection_uris: [{ connection_uri: string }];
    }>("POST", `${path}/branches`, { body });
    const [{ id: endpoint_id }] = made.endpoints;
    const grown_uri = made.connection_uris[0].connection_uri;
    await carryOut();
    await carryOut();
    const { logical_size = 0 } = (
      await plane.call<{ branch: { logical_size: number } }>("GET", `${path}/branches/${root.branch.id}`)
    ).body.branch;
    assert.ok(logical_size > 10_000_000, `${logical_size}`);
    assert.equal((await set(logical_size + 5_000_000)).status, 200);
    await queryAsClient(
      grown_uri,
      "create table grown as select repeat('x', 1000) as text from generate_series(1, 10000)",
    );
    await carryOut();
    await carryOut();
    const state = async (id: string) => (await plane.drivers().compute.status(id))?.state;
    assert.deepEqual([await state(endpoint_id), await state(root.endpoints[0].id)], ["stopped", "running"]);
    const message = "Your project has exceeded the logical size quota.";
    await assert.rejects(queryAsClient(grown_uri, "select 1"), { code: "53400", message });
    await queryAsClient(uri, "select 1");
    const start_path = `${path}/endpoints/${endpoint_id}/start`;
    const refused = await plane.call<{ message: string }>("POST", start_path);
    assert.equal(refused.status, 422);
    assert.match(refused.body.message, /the branch has reached.*"logical_size_bytes"/);
    const found = await plane.call<{ endpoint: { suspend_reason?: string } }>(
      ...(["GET", `${path}/endpoints/${endpoint_id}`] as const),
    );
    assert.equal(found.body.endpoint.suspend_reason, "quota");

    assert.equal((await set(0)).status, 200);
    await carryOut();
    assert.equal((await queryAsClient(grown_uri, "select count(*)::int as n from grown"))[0]?.n, 10_000);
    assert.equal((await set(logical_size + 5_000_000)).status, 200);
    await carryOut();
    assert.equal(await state(endpoint_id), "stopped");
    const restore = { source_branch_id: root.branch.id };
    assert.equal(
      (await plane.call("POST", `${path}/branches/${made.branch.id}/restore`, { body: restore })).status,
      200,
    );
    await carryOut();
    await carryOut();
    assert.equal((await queryAsClient(grown_uri, "select count(*)::int as n from big"))[0]?.n, 40_000);
    assert.equal(await state(endpoint_id), "running");
  });

  it("the disk of a branch is looked at while it may change, and not when it has rested for long", async () => {
    await suspend();
    await carryOut();
    await carryOut();
    const size = async () =>
      (
        await plane.db
          .selectFrom("branches")
          .select("storage_bytes")
          .where("id", "=", root.branch.id)
          .executeTakeFirstOrThrow()
      ).storage_bytes;
    const wrong = () => plane.db.updateTable("branches").set({ storage_bytes: 7 }).execute();
    await wrong();
    await carryOut();
    assert.ok(Number(await size()) > 10_000_000, "it has just been put to rest");
    const long_ago = { suspended_at: new Date(Date.now() - 7_200_000).toISOString() };
    await plane.db.updateTable("endpoints").set(long_ago).execute();
    await plane.db.updateTable("branches").set({ state_changed_at: long_ago.suspended_at }).execute();
    await wrong();
    await carryOut();
    assert.equal(await size(), 7);
    await start();
    await carryOut();
    await carryOut();
    assert.ok(Number(await size()) > 10_000_000);
  });

  it("a deletion of the project ends its meters with it", async () => {
    assert.equal((await plane.call("DELETE", path)).status, 200);
    await plane.endRecovery();
    await carryOut();
    for (const table of ["compute_meters", "consumption_hours"] as const) {
      assert.deepEqual(await plane.db.selectFrom(table).select("project_id").execute(), [], table);
    }
  });
});
