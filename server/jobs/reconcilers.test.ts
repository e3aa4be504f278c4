import assert from "node:assert/strict";
import { once } from "node:events";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { waitFor } from "../../test/harness/server.ts";
import { systemClock } from "../clock.ts";
import { DriverError, type DriverErrorCode, type StorageDriver } from "../compute/driver.ts";
import { type Job, JobRunner } from "./runner.ts";
import { createProject, jobNamed, openPlane, type Plane, queryAsClient, replacing, runOnce } from "./test-plane.ts";

describe("the reconcilers", () => {
  let plane: Plane;
  before(async () => {
    plane = await openPlane();
  });
  after(() => plane.close());
  afterEach(async () => {
    await plane.db.updateTable("operations").set({ status: "cancelled" }).execute();
    await plane.db.updateTable("projects").set({ deleted_at: new Date().toISOString() }).execute();
    await plane.endRecovery();
    await runOnce(plane.reconcilers());
    assert.deepEqual(await plane.onMachine(), { computes: [], branches: [] });
  });

  const storageWhere = (createRoot: StorageDriver["createRoot"], branch?: StorageDriver["branch"]) =>
    replacing(plane.drivers().storage, { createRoot, ...(branch && { branch }) });

  const failingWith = (code: DriverErrorCode, message: string) =>
    storageWhere(() => Promise.reject(new DriverError(code, message)));

  async function operationsOf(project_id: string) {
    type Listed = { action: string; status: string; error?: string; failures_count: number; retry_at?: string };
    const { body } = await plane.call<{ operations: Listed[] }>("GET", `/projects/${project_id}/operations`);
    return body.operations.toReversed();
  }

  async function endpointOf(project_id: string) {
    type Listed = Record<"id" | "host" | "current_state", string> & {
      pending_state?: string;
      last_failure?: { reason: string; failures_count: number };
    };
    const { body } = await plane.call<{ endpoints: [Listed] }>("GET", `/projects/${project_id}/endpoints`);
    return body.endpoints[0];
  }

  /** Moves the database's clock, in effect: whatever waits to be tried again is due now. */
  const passTime = () => plane.db.updateTable("operations").set({ retry_at: null }).execute();

  async function withRunner(jobs: Job[], work: (runner: JobRunner) => Promise<void>): Promise<void> {
    const runner = new JobRunner(jobs, { clock: systemClock, log: plane.log });
    runner.start();
    try {
      await work(runner);
    } finally {
      await runner.stop();
    }
  }

  it("an operation that fails is tried again later, tells no secret, and succeeds in the end", async () => {
    const { project } = await createProject(plane);
    const failing = plane.reconcilers({ storage: failingWith("start_failed", "at /secret/path") });
    await runOnce([jobNamed(failing, "operations")]);
    const [first, second] = await operationsOf(project.id);
    assert.equal(first?.status, "scheduling");
    assert.equal(first?.failures_count, 1);
    assert.equal(first?.error, "the compute did not start");
    assert.ok(first?.retry_at !== undefined);
    assert.equal(second?.status, "scheduling");
    assert.equal(second?.failures_count, 0);

    const jobs = plane.reconcilers();
    await runOnce([jobNamed(jobs, "operations")]);
    assert.equal((await operationsOf(project.id))[0]?.status, "scheduling", "it is not due yet");
    await passTime();
    await runOnce([jobNamed(jobs, "operations")]);
    const done = await operationsOf(project.id);
    assert.deepEqual(
      done.map(({ status }) => status),
      ["finished", "finished"],
    );
    assert.equal(done[0]?.error, undefined);
  });

  it("after ten failures an operation is failed, what was to follow is cancelled, and the project can be deleted", async () => {
    const { project } = await createProject(plane);
    const [operations] = plane.reconcilers({ storage: failingWith("start_failed", "no luck") });
    for (let i = 0; i < 10; i++) {
      await runOnce([operations as Job]);
      await passTime();
    }
    const [first, second] = await operationsOf(project.id);
    assert.deepEqual([first?.status, first?.failures_count], ["failed", 10]);
    assert.equal(second?.status, "cancelled");
    assert.equal((await plane.call("DELETE", `/projects/${project.id}`)).status, 200);
  });

  it("an operation that can never succeed is failed at once", async () => {
    const { project } = await createProject(plane);
    await runOnce([jobNamed(plane.reconcilers({ storage: failingWith("name_refused", "no") }), "operations")]);
    assert.equal((await operationsOf(project.id))[0]?.status, "failed");
  });

  it("what the disk has no room for is failed at once, and says how much it takes", async () => {
    const { project } = await createProject(plane);
    const said = "not enough room: needs 500,000 MB, has 20,000 MB";
    await runOnce([jobNamed(plane.reconcilers({ storage: failingWith("no_room", said) }), "operations")]);
    const [first] = await operationsOf(project.id);
    assert.deepEqual([first?.status, first?.failures_count, first?.error], ["failed", 1, said]);
  });

  it("a project whose storage is slow to make does not hold up another one", async () => {
    const slow = await createProject(plane, { name: "slow" });
    const gate = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const storage = storageWhere(async (id, options) => {
      if (id === slow.branch.id) {
        reached.resolve();
        await gate.promise;
      }
      await plane.drivers().storage.createRoot(id, options);
    });
    await withRunner(plane.reconcilers({ storage }), async (runner) => {
      await reached.promise;
      const quick = await createProject(plane, { name: "quick" });
      runner.poke();
      await waitFor("the quick project", async () =>
        (await operationsOf(quick.project.id)).every(({ status }) => status === "finished"),
      );
      assert.equal((await operationsOf(slow.project.id))[0]?.status, "running");
      gate.resolve();
      await waitFor("the slow project", async () =>
        (await operationsOf(slow.project.id)).every(({ status }) => status === "finished"),
      );
    });
  });

  it("five branches of one project that are copied hold up neither another project nor a branch of it", async () => {
    const [busy, other] = [await createProject(plane), await createProject(plane)];
    await runOnce(plane.reconcilers());
    const create = async ({ project }: typeof busy) => {
      assert.equal((await plane.call("POST", `/projects/${project.id}/branches`, { body: {} })).status, 201);
    };
    const gate = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const { storage: real } = plane.drivers();
    const storage = storageWhere(
      (id, options) => real.createRoot(id, options),
      async (id, from, options) => {
        const { signal } = options ?? {};
        if (from === busy.branch.id) {
          reached.resolve();
          await Promise.race([gate.promise, ...(signal ? [once(signal, "abort")] : [])]);
        }
        return await real.branch(id, from, options);
      },
    );
    const statusesOf = async (project_id: string) => (await operationsOf(project_id)).map(({ status }) => status);
    const is_done = async (project_id: string) =>
      (await statusesOf(project_id)).every((status) => status === "finished");
    for (let i = 0; i < 5; i++) await create(busy);
    await withRunner(plane.reconcilers({ storage }), async (runner) => {
      await reached.promise;
      const quick = await createProject(plane);
      await create(other);
      runner.poke();
      await waitFor("the new project", () => is_done(quick.project.id));
      await waitFor("the branch of the other project", () => is_done(other.project.id));
      const copies = (await statusesOf(busy.project.id)).slice(2);
      assert.deepEqual(copies.toSorted(), ["running", "running", "scheduling", "scheduling", "scheduling"]);
      gate.resolve();
      await waitFor("the five branches", () => is_done(busy.project.id));
    });
  });

  it("what follows on work that ends while the job asks for more is done at once", async () => {
    const { project } = await createProject(plane);
    const gate = Promise.withResolvers<void>();
    const storage = storageWhere(async (id, options) => {
      await gate.promise;
      await plane.drivers().storage.createRoot(id, options);
    });
    const is_made = () =>
      plane
        .logged()
        .split("\n")
        .some((line) => ["operation.finished", "create_timeline", project.id].every((part) => line.includes(part)));
    const claims: unknown[] = [];
    const db = plane.db.withPlugin({
      transformQuery({ node, queryId }) {
        if (node.kind === "RawNode" && node.sqlFragments.join("").includes("with heads as")) claims.push(queryId);
        return node;
      },
      async transformResult({ result, queryId }) {
        // The second claim finds nothing, for the branch is being made; its answer arrives when that has ended.
        if (queryId === claims[1]) {
          gate.resolve();
          await waitFor("the branch", is_made);
        }
        return result;
      },
    });
    await runOnce([jobNamed(plane.reconcilers({ storage, db }), "operations")]);
    assert.deepEqual(
      (await operationsOf(project.id)).map(({ status }) => status),
      ["finished", "finished"],
    );
  });

  it("a branch of another node is left alone: neither made, started, measured nor removed", async () => {
    const { project, branch } = await createProject(plane);
    await runOnce(plane.reconcilers({ node_id: "another-node" }));
    assert.deepEqual(
      (await operationsOf(project.id)).map(({ status }) => status),
      ["scheduling", "scheduling"],
    );
    await runOnce(plane.reconcilers());
    await runOnce(plane.reconcilers({ node_id: "another-node" }));
    assert.deepEqual((await plane.onMachine()).branches, [branch.id]);
    await plane.call("DELETE", `/projects/${project.id}`);
    await runOnce(plane.reconcilers({ node_id: "another-node" }));
    assert.deepEqual((await plane.onMachine()).branches, [branch.id]);
  });

  it("computes run again after a restart of the machine, with their passwords, ports and data", async () => {
    const { project, connection_uris } = await createProject(plane);
    const [{ connection_uri }] = connection_uris;
    await runOnce(plane.reconcilers());
    await queryAsClient(connection_uri, "create table kept as select 42 as n");
    await plane.restartDrivers();
    await runOnce(plane.reconcilers());
    assert.deepEqual(await queryAsClient(connection_uri, "select n from kept"), [{ n: 42 }]);
    assert.equal((await endpointOf(project.id)).current_state, "active");
  });

  it("a compute that dies is started again at once, and it is told that it died", async () => {
    const { project, endpoints, connection_uris } = await createProject(plane);
    const [{ connection_uri }] = connection_uris;
    await runOnce(plane.reconcilers());
    await withRunner(plane.reconcilers(), async () => {
      const { compute } = plane.drivers();
      const pidOf = async () => (await compute.status(endpoints[0].id))?.pid;
      const pid = await pidOf();
      assert.ok(pid !== undefined);
      process.kill(pid, "SIGKILL");
      await waitFor("the compute to be back", async () => {
        const now = await pidOf();
        return now !== undefined && now !== pid;
      });
      await waitFor("an answer", () =>
        queryAsClient(connection_uri, "select 1").then(
          () => true,
          () => false,
        ),
      );
    });
    for (const event of ["compute.died", "compute.restarted"]) assert.ok(plane.logged().includes(event), event);
    const { current_state, last_failure } = await endpointOf(project.id);
    assert.equal(current_state, "active");
    assert.deepEqual(
      [last_failure?.reason, last_failure?.failures_count],
      ["PostgreSQL has ended by itself (SIGKILL)", 1],
    );
    const [, , ...restarts] = (await operationsOf(project.id)).map(({ action, status }) => `${action} ${status}`);
    // The job's, or that of a client who was faster, whose way here does not share the job's lock.
    assert.deepEqual([...new Set(restarts)], ["start_compute finished"]);
  });

  it("a client of a compute that cannot start is told so, and comes in once it can", async () => {
    const { branch, endpoints, connection_uris } = await createProject(plane);
    const [{ connection_uri }] = connection_uris;
    await runOnce(plane.reconcilers());
    await plane.drivers().compute.suspend(endpoints[0].id, "fast");
    const control = join(plane.data_dir, "local/branches", branch.id, "data/global/pg_control");
    await rename(control, `${control}.away`);
    await assert.rejects(queryAsClient(connection_uri, "select 1"), {
      code: "57P03",
      message: "cannot start the compute: the compute did not start; try again",
    });
    await rename(`${control}.away`, control);
    assert.deepEqual(await queryAsClient(connection_uri, "select 1 as one"), [{ one: 1 }]);
  });

  it("an endpoint that is given another port is reached there, and the API tells it", async () => {
    const { project, endpoints, connection_uris } = await createProject(plane);
    await runOnce(plane.reconcilers());
    const before = await plane.drivers().compute.status(endpoints[0].id);
    await plane.machinery().changePort(endpoints[0].id);
    await runOnce(plane.reconcilers());
    const endpoint = await endpointOf(project.id);
    assert.notEqual(endpoint.host, endpoints[0].host);
    assert.equal(Number(endpoint.host.split(":")[1]), plane.gateway.openPorts().get(endpoints[0].id));
    const after = await plane.drivers().compute.status(endpoints[0].id);
    assert.equal(after?.pid, before?.pid, "a port of the gateway's is no reason to restart the compute");
    const { role, database } = connection_uris[0].connection_parameters;
    const { body } = await plane.call<{ uri: string }>(
      "GET",
      `/projects/${project.id}/connection_uri?role_name=${role}&database_name=${database}`,
    );
    assert.deepEqual(await queryAsClient(body.uri, "select 1 as one"), [{ one: 1 }]);
  });

  it("a compute that does not start again is told as idle, and active once it is back", async () => {
    const { project, endpoints } = await createProject(plane);
    await runOnce(plane.reconcilers());
    const { compute } = plane.drivers();
    await compute.suspend(endpoints[0].id, "fast");
    const broken = replacing(compute, {
      ensureRunning: () => Promise.reject(new DriverError("start_failed", "no luck")),
    });
    await runOnce([jobNamed(plane.reconcilers({ compute: broken }), "computes")]);
    const down = await endpointOf(project.id);
    assert.deepEqual([down.current_state, down.pending_state], ["idle", "active"]);
    await runOnce([jobNamed(plane.reconcilers(), "computes")]);
    const up = await endpointOf(project.id);
    assert.deepEqual([up.current_state, up.pending_state], ["active", undefined]);
  });

  it("a removal that fails is tried again, and does not hold up the others", async () => {
    const [stuck, other] = [await createProject(plane), await createProject(plane)];
    await runOnce(plane.reconcilers());
    for (const { project } of [stuck, other]) await plane.call("DELETE", `/projects/${project.id}`);
    await plane.endRecovery();
    const { storage } = plane.drivers();
    const broken = replacing(storage, {
      remove: (id) =>
        id === stuck.branch.id ? Promise.reject(new DriverError("branch_in_use", "no")) : storage.remove(id),
    });
    await runOnce([jobNamed(plane.reconcilers({ storage: broken }), "removals")]);
    assert.deepEqual((await plane.onMachine()).branches, [stuck.branch.id]);
    await runOnce([jobNamed(plane.reconcilers(), "removals")]);
    assert.deepEqual((await plane.onMachine()).branches, []);
  });

  it("a branch is measured", async () => {
    const { project, branch } = await createProject(plane);
    await runOnce(plane.reconcilers());
    const path = `/projects/${project.id}/branches/${branch.id}`;
    const { body } = await plane.call<{ branch: { logical_size: number } }>("GET", path);
    assert.ok(body.branch.logical_size > 1_000_000);
  });

  it("five projects created at the same time all come up", async () => {
    const projects = await Promise.all(Array.from({ length: 5 }, () => createProject(plane)));
    assert.equal(new Set(projects.map(({ endpoints }) => endpoints[0].host)).size, 5);
    await runOnce(plane.reconcilers());
    for (const { connection_uris } of projects) {
      assert.deepEqual(await queryAsClient(connection_uris[0].connection_uri, "select 1 as one"), [{ one: 1 }]);
    }
  });

  it("a stop of the runner lets work in progress finish", async () => {
    const { project } = await createProject(plane);
    const reached = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const storage = storageWhere(async (id, options) => {
      reached.resolve();
      await gate.promise;
      await plane.drivers().storage.createRoot(id, options);
    });
    const runner = new JobRunner(plane.reconcilers({ storage }), { clock: systemClock, log: plane.log });
    runner.start();
    await reached.promise;
    const stopped = runner.stop();
    gate.resolve();
    await stopped;
    assert.deepEqual(
      (await operationsOf(project.id)).map(({ status }) => status),
      ["finished", "scheduling"],
    );
  });
});
