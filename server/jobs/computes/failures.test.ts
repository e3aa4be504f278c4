import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { systemClock } from "../../clock.ts";
import { DriverError } from "../../compute/driver.ts";
import { type FakeDrivers, openFakeDriver } from "../../compute/drivers/fake/driver.ts";
import { createProject, jobNamed, openPlane, type Plane, runOnce } from "../test-plane.ts";
import { NotStarted } from "./failures.ts";

interface ToldEndpoint {
  readonly current_state: string;
  readonly pending_state?: string;
  readonly settings?: { readonly pg_settings: object };
  readonly autoscaling_limit_min_cu: number;
  readonly autoscaling_limit_max_cu: number;
  readonly last_failure?: {
    readonly at: string;
    readonly reason: string;
    readonly failures_count: number;
    readonly retry_at?: string;
  };
}

/** On the fake driver, whose computes die when they are told to, and on a clock that the test moves. */
describe("a compute that fails", () => {
  let plane: Plane;
  let drivers: FakeDrivers;
  let now_ms = 0;
  const clock = { ...systemClock, monotonic_ms: () => now_ms };
  before(async () => {
    plane = await openPlane(async (dataDir) => {
      drivers = await openFakeDriver({ dataDir, clock: systemClock });
      return drivers;
    });
  });
  after(() => plane.close());
  afterEach(() => {
    drivers.switches.onCall = () => {};
  });

  const cannotStart = (call: string) => {
    if (call === "ensureRunning") throw new DriverError("start_failed", "at /secret/path");
  };

  type ToldOperation = { action: string; status: string; error?: string; failures_count: number };
  /** The latest first. */
  const listOperations = async (project_id: string) =>
    (await plane.call<{ operations: ToldOperation[] }>("GET", `/projects/${project_id}/operations`)).body.operations;

  /** A project whose compute runs, watched by the machinery of one process. */
  async function openWatched() {
    const { project, endpoints } = await createProject(plane);
    const machinery = plane.machinery({ clock });
    await runOnce(machinery.jobs);
    const job = jobNamed(machinery.jobs, "computes");
    const unlisten = job.listen?.(() => {});
    const id = endpoints[0].id;
    const path = `/projects/${project.id}/endpoints/${id}`;
    return {
      id,
      path,
      carryOut: () => jobNamed(machinery.jobs, "operations").run(new AbortController().signal),
      waking: machinery.waking,
      run: () => job.run(new AbortController().signal),
      crash: () => drivers.compute.crash(id),
      runs: async () => (await drivers.compute.status(id))?.state === "running",
      told: async () => (await plane.call<{ endpoint: ToldEndpoint }>("GET", path)).body.endpoint,
      latest: async () => (await listOperations(project.id))[0],
      starts: async () =>
        (await listOperations(project.id)).filter(({ action }) => action === "start_compute").toReversed(),
      [Symbol.dispose]: () => unlisten?.(),
    };
  }

  it("is started again at once, then after pauses that grow, and at once again when it has run well", async () => {
    using watched = await openWatched();
    assert.equal((await watched.told()).last_failure, undefined);
    const pauses: number[] = [];
    const die = async () => {
      await watched.crash();
      const died_ms = now_ms;
      for (await watched.run(); !(await watched.runs()); await watched.run()) {
        const { current_state, pending_state, last_failure } = await watched.told();
        assert.deepEqual([current_state, pending_state], ["idle", "active"], "it is not told as running");
        assert.ok(last_failure?.retry_at !== undefined);
        now_ms += 500;
      }
      assert.equal((await watched.told()).current_state, "active");
      return now_ms - died_ms;
    };
    for (let i = 0; i < 5; i++) pauses.push(await die());
    assert.deepEqual(pauses, [0, 1_000, 2_000, 4_000, 8_000]);
    const { last_failure } = await watched.told();
    assert.equal(last_failure?.failures_count, 5);
    assert.equal(last_failure?.reason, "PostgreSQL has ended by itself (crashed by a test)");
    assert.equal(last_failure?.retry_at, undefined, "it runs");
    assert.ok(Math.abs(Date.parse(last_failure?.at ?? "") - Date.now()) < 60_000);
    assert.deepEqual(
      (await watched.starts()).map(({ status }) => status),
      Array(6).fill("finished"),
      "each restart is an operation",
    );
    now_ms += 121_000;
    assert.equal(await die(), 0);
    assert.equal((await watched.told()).last_failure?.failures_count, 1);
    const metrics = await plane.log.metrics.registry.metrics();
    assert.match(metrics, /^latchkey_compute_deaths_total 6$/m);
    assert.match(metrics, /^latchkey_compute_restarts_total\{outcome="finished"\} 6$/m);
  });

  it("and does not come up again is told as down, with the reason, in one failed operation that counts the attempts", async () => {
    using watched = await openWatched();
    drivers.switches.onCall = cannotStart;
    await watched.crash();
    for (let i = 0; i < 4; i++) {
      await watched.run();
      now_ms += 60_000;
    }
    const { current_state, pending_state, last_failure } = await watched.told();
    assert.deepEqual([current_state, pending_state], ["idle", "active"]);
    assert.match(last_failure?.reason ?? "", /^the compute did not start/);
    assert.equal(last_failure?.failures_count, 5);
    const [, failed, ...more] = await watched.starts();
    assert.deepEqual(more, []);
    assert.deepEqual([failed?.status, failed?.failures_count], ["failed", 4]);
    assert.equal(failed?.error, last_failure?.reason);
    drivers.switches.onCall = () => {};
    now_ms += 60_000;
    await watched.run();
    assert.equal((await watched.told()).current_state, "active");
    assert.deepEqual(
      (await watched.starts()).map(({ status }) => status),
      ["finished", "failed", "finished"],
    );
  });

  for (const [what, change] of [
    ["settings", { settings: { pg_settings: { work_mem: "3MB" } } }],
    ["size", { autoscaling_limit_min_cu: 0.5, autoscaling_limit_max_cu: 1 }],
  ] as const) {
    it(`with another ${what} has what it ran with at once, and takes another change`, async () => {
      using watched = await openWatched();
      const patch = async (endpoint: object) =>
        (await plane.call("PATCH", watched.path, { body: { endpoint } })).status;
      const has = async () => {
        const { settings, autoscaling_limit_min_cu, autoscaling_limit_max_cu } = await watched.told();
        return { settings, autoscaling_limit_min_cu, autoscaling_limit_max_cu };
      };
      const before = await has();
      assert.equal(await patch(change), 200);
      drivers.switches.onCall = async (call) => {
        if (call !== "ensureRunning") return;
        // As a server that was stopped for it.
        await drivers.compute.crash(watched.id);
        cannotStart(call);
      };
      await watched.carryOut();
      const operation = await watched.latest();
      assert.partialDeepStrictEqual(operation, { action: "apply_config", status: "failed", failures_count: 1 });
      assert.equal(operation?.error, "the compute did not start with what was changed");
      assert.deepEqual(await has(), before);
      drivers.switches.onCall = () => {};
      // The news of its end counts as a failure here.
      await watched.run();
      now_ms += 2_000;
      await watched.run();
      assert.equal(await watched.runs(), true, "it is started with what it ran with");
      assert.equal(await patch(change), 200);
      await watched.carryOut();
      assert.equal((await watched.latest())?.status, "finished");
      assert.notDeepEqual(await has(), before);
    });
  }

  it("that never ran, with settings of its own, is tried three times, and then runs without them", async () => {
    const default_endpoint_settings = { pg_settings: { work_mem: "3MB" } };
    drivers.switches.onCall = cannotStart;
    const { project, endpoints } = await createProject(plane, { default_endpoint_settings });
    for (let i = 0; i < 5; i++) {
      await jobNamed(plane.reconcilers(), "operations").run(new AbortController().signal);
      await plane.db.updateTable("operations").set({ retry_at: null }).execute();
    }
    const [latest] = await listOperations(project.id);
    assert.partialDeepStrictEqual(latest, { action: "start_compute", status: "failed", failures_count: 3 });
    const path = `/projects/${project.id}/endpoints/${endpoints[0].id}`;
    const { settings } = (await plane.call<{ endpoint: ToldEndpoint }>("GET", path)).body.endpoint;
    assert.deepEqual(settings?.pg_settings, {});
    drivers.switches.onCall = () => {};
    await plane.call("POST", `${path}/start`);
    await runOnce(plane.reconcilers());
    assert.equal((await drivers.compute.status(endpoints[0].id))?.state, "running");
  });

  it("is not started by each client that comes, who is told why and when it is tried next", async () => {
    using watched = await openWatched();
    let starts = 0;
    drivers.switches.onCall = (call) => {
      if (call === "ensureRunning") starts++;
      cannotStart(call);
    };
    await watched.crash();
    await watched.run();
    assert.equal(starts, 1);
    const told: string[] = [];
    const come = () =>
      watched.waking.wake(watched.id).then(
        () => assert.fail("it runs"),
        (error) => {
          assert.ok(error instanceof NotStarted, String(error));
          told.push(error.message);
        },
      );
    for (let i = 0; i < 5; i++) await come();
    assert.equal(starts, 1, "the pause is the same for all");
    assert.match(told[0] ?? "", /^cannot start the compute: the compute did not start.*; next try in 1 s$/);
    now_ms += 1_000;
    await come();
    assert.equal(starts, 2);
    assert.match(told.at(-1) ?? "", /; next try in 2 s$/);
    assert.doesNotMatch(told.join(), /secret/);
    drivers.switches.onCall = () => {};
    await plane.call("POST", `${watched.path}/start`);
    await watched.carryOut();
    assert.equal((await watched.told()).current_state, "active", "whoever asks for it by the API does not wait");
    await watched.waking.wake(watched.id);
  });
});
