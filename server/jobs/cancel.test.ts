import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { waitFor } from "../../test/harness/server.ts";
import { systemClock } from "../clock.ts";
import { DriverError, type StorageDriver } from "../compute/driver.ts";
import { openFakeDriver } from "../compute/drivers/fake/driver.ts";
import { newUuid } from "../ids.ts";
import { NotStarted } from "./computes/failures.ts";
import type { Waking } from "./computes/wake.ts";
import type { ReconcilerDeps } from "./deps.ts";
import type { Machinery } from "./reconcilers.ts";
import { JobRunner } from "./runner.ts";
import {
  type CreatedProject,
  createProject,
  jobNamed,
  openPlane,
  type Plane,
  replacing,
  runOnce,
} from "./test-plane.ts";

interface Told {
  readonly id: string;
  readonly action: string;
  readonly status: string;
  readonly error?: string;
  readonly failures_count: number;
}

/** On the fake driver, with a copy that goes on until it is ended. */
describe("a copy that takes long", () => {
  let plane: Plane;
  let root: CreatedProject;
  let path: string;
  let copying = Promise.withResolvers<void>();
  before(async () => {
    plane = await openPlane((dataDir) => openFakeDriver({ dataDir, clock: systemClock }));
    root = await createProject(plane);
    await runOnce(plane.reconcilers());
    path = `/projects/${root.project.id}`;
  });
  after(() => plane.close());
  beforeEach(() => {
    copying = Promise.withResolvers<void>();
  });

  function endlessStorage(): StorageDriver {
    return replacing(plane.drivers().storage, {
      branch: (_id, _from, { signal } = {}) =>
        new Promise((_, reject) => {
          const end = () => reject(new DriverError("aborted", "the copy was ended"));
          if (signal?.aborted) end();
          signal?.addEventListener("abort", end);
          copying.resolve();
        }),
    });
  }

  async function whileCopying(
    work: (runner: JobRunner, waking: Waking) => Promise<void>,
    overrides: Partial<ReconcilerDeps> = {},
  ): Promise<void> {
    const { jobs, waking } = plane.machinery({ storage: endlessStorage(), ...overrides });
    const runner = new JobRunner(jobs, { clock: systemClock, log: plane.log });
    runner.start();
    try {
      await copying.promise;
      await work(runner, waking);
    } finally {
      await runner.stop();
    }
  }

  async function createBranch() {
    type Made = { branch: { id: string }; endpoints: [{ id: string }]; operations: [Told, Told] };
    const body = { endpoints: [{ type: "read_write" }] };
    return (await plane.call<Made>("POST", `${path}/branches`, { body })).body;
  }
  const restore = async (id: string) => {
    type Restoring = { operations: [Told] };
    const body = { source_branch_id: root.branch.id };
    return (await plane.call<Restoring>("POST", `${path}/branches/${id}/restore`, { body })).body;
  };
  const told = async (id: string) =>
    (await plane.call<{ operation: Told }>("GET", `${path}/operations/${id}`)).body.operation;
  const cancel = (id: string) => plane.call<{ operation: Told }>("POST", `${path}/operations/${id}/cancel`);
  const cancelled = async (id: string) =>
    await waitFor("the end of the copy", async () => (await told(id)).status === "cancelled");

  it("is given up on request, and nothing is left of the branch", async () => {
    const { branch, operations } = await createBranch();
    const [copy, start] = operations;
    await whileCopying(async () => {
      assert.equal((await plane.call("DELETE", `${path}/branches/${branch.id}`)).status, 423);
      const { status, body } = await cancel(copy.id);
      assert.deepEqual([status, body.operation.status], [200, "cancelling"]);
      await cancelled(copy.id);
    });
    assert.equal((await told(copy.id)).error, "cancelled on request");
    assert.equal((await told(start.id)).status, "cancelled");
    assert.equal((await cancel(copy.id)).body.operation.status, "cancelled", "once more does no harm");
    await runOnce(plane.reconcilers());
    assert.equal((await plane.call("GET", `${path}/branches/${branch.id}`)).status, 404);
    assert.deepEqual(await plane.onMachine(), { computes: [root.endpoints[0].id], branches: [root.branch.id] });
    assert.match(plane.logged(), /operation\.cancelled/);
  });

  it("is given up by a server that starts again after it was to be", async () => {
    const { branch, operations } = await createBranch();
    await cancel(operations[0].id);
    await runOnce(plane.reconcilers());
    assert.equal((await told(operations[0].id)).status, "cancelled");
    assert.equal((await plane.call("GET", `${path}/branches/${branch.id}`)).status, 404);
  });

  it("of a branch that is being restored leaves that as it was", async () => {
    const { branch } = await createBranch();
    await runOnce(plane.reconcilers());
    const { body } = await plane.call<{ operations: [Told] }>("POST", `${path}/branches/${branch.id}/restore`, {
      body: { source_branch_id: root.branch.id },
    });
    const [{ id }] = body.operations;
    await whileCopying(async () => {
      await cancel(id);
      await cancelled(id);
    });
    const found = await plane.call<{ branch: { current_state: string } }>("GET", `${path}/branches/${branch.id}`);
    assert.equal(found.body.branch.current_state, "ready");
    assert.equal((await plane.call("DELETE", `${path}/branches/${branch.id}`)).status, 200);
    await runOnce(plane.reconcilers());
  });

  it("of a branch that is being restored lets nobody change what is to keep its former data", async () => {
    const { branch } = await createBranch();
    await runOnce(plane.reconcilers());
    const { body } = await plane.call<{ operations: [Told] }>("POST", `${path}/branches/${branch.id}/restore`, {
      body: { source_branch_id: root.branch.id, preserve_under_name: "kept" },
    });
    const listed = await plane.call<{ branches: { id: string; name: string }[] }>("GET", `${path}/branches`);
    const kept = listed.body.branches.find(({ name }) => name === "kept")?.id ?? "";
    await whileCopying(async () => {
      const endpoint = { branch_id: kept, type: "read_write" };
      for (const [at, change] of [
        ["/endpoints", { endpoint }],
        [`/branches/${kept}/roles`, { role: { name: "early" } }],
        [`/branches/${kept}/set_as_default`, undefined],
      ] as const) {
        const { status } = await plane.call("POST", `${path}${at}`, change === undefined ? {} : { body: change });
        assert.equal(status, 423, at);
      }
      await cancel(body.operations[0].id);
      await cancelled(body.operations[0].id);
    });
    await plane.call("DELETE", `${path}/branches/${branch.id}`);
    await runOnce(plane.reconcilers());
  });

  it("of a branch that is being restored keeps nobody waiting who finds its compute unused", async () => {
    const { branch, endpoints } = await createBranch();
    await runOnce(plane.reconcilers());
    const [{ id }] = endpoints;
    const { body } = await plane.call<{ operations: [Told] }>("POST", `${path}/branches/${branch.id}/restore`, {
      body: { source_branch_id: root.branch.id },
    });
    const state = async () => (await plane.drivers().compute.status(id))?.state;
    await whileCopying(async (_, waking) => {
      let answered = false;
      void waking
        .rest(id, () => true)
        .then(() => {
          answered = true;
        });
      await waitFor("an answer", () => answered, 10_000);
      assert.equal(await state(), "running");
      await cancel(body.operations[0].id);
      await cancelled(body.operations[0].id);
      await waitFor("its rest", async () => {
        await waking.rest(id, () => true);
        return (await state()) === "stopped";
      });
    });
    await plane.call("DELETE", `${path}/branches/${branch.id}`);
    await runOnce(plane.reconcilers());
  });

  it("of a branch that is being restored keeps neither the schemas of others waiting nor who asks for its own", async () => {
    const { branch, endpoints } = await createBranch();
    const other = await createProject(plane);
    await runOnce(plane.reconcilers());
    await plane.call("POST", `${path}/endpoints/${endpoints[0].id}/suspend`);
    await runOnce(plane.reconcilers());
    const ask = async (branch_id: string) => {
      const question = { branch_id, database_name: "neondb", format: "json" as const, answer: null, refusal: null };
      const id = newUuid();
      await plane.db
        .insertInto("schema_readings")
        .values({ id, ...question })
        .execute();
      return id;
    };
    const { operations } = await restore(branch.id);
    await whileCopying(async (runner) => {
      const ids = [await ask(branch.id), await ask(branch.id), await ask(other.branch.id)];
      runner.poke();
      const answers = async () => {
        const rows = await plane.db.selectFrom("schema_readings").selectAll().where("id", "in", ids).execute();
        const found = new Map(rows.map(({ id, answer, refusal }) => [id, answer === null ? refusal : "answered"]));
        return ids.map((id) => found.get(id));
      };
      await waitFor("the answers", async () => !(await answers()).includes(null));
      assert.deepEqual(await answers(), ["restoring", "restoring", "answered"]);
      await cancel(operations[0].id);
      await cancelled(operations[0].id);
    });
    await plane.db.deleteFrom("schema_readings").execute();
    await plane.call("DELETE", `/projects/${other.project.id}`);
    await plane.endRecovery();
    await plane.call("DELETE", `${path}/branches/${branch.id}`);
    await runOnce(plane.reconcilers());
  });

  it("that begins while a compute is about to be started keeps neither other computes nor its client waiting", async (t) => {
    const { branch, endpoints } = await createBranch();
    await runOnce(plane.reconcilers());
    const { compute } = plane.drivers();
    const stop = new AbortController();
    t.after(() => stop.abort());
    /** What follows the first look for a compute: by it the branch is whole, and then its restore begins. */
    const startMeanwhile = async (start: (machinery: Machinery) => Promise<void>, clock = systemClock) => {
      copying = Promise.withResolvers<void>();
      let look: unknown;
      let operations = Promise.resolve();
      const db = plane.db.withPlugin({
        transformQuery({ node, queryId }) {
          if (node.kind === "SelectQueryNode" && JSON.stringify(node).includes("admin_password")) look ??= queryId;
          return node;
        },
        async transformResult({ result, queryId }) {
          if (queryId !== look) return result;
          await restore(branch.id);
          operations = jobNamed(machinery.jobs, "operations").run(stop.signal);
          await copying.promise;
          return result;
        },
      });
      const machinery = plane.machinery({ storage: endlessStorage(), db, clock });
      const started = start(machinery).then(() => true);
      const in_vain = systemClock.sleep(30_000, stop.signal).then(() => false);
      assert.ok(await Promise.race([started, in_vain]), "it waits for the copy");
      const { body } = await plane.call<{ operations: Told[] }>("GET", `${path}/operations`);
      const copy = body.operations.find(({ status }) => status === "running");
      await cancel(copy?.id ?? "");
      await operations;
      assert.equal((await told(copy?.id ?? "")).status, "cancelled");
    };

    for (const { id } of [...endpoints, ...root.endpoints]) await compute.suspend(id, "fast");
    await startMeanwhile(async ({ jobs }) => await jobNamed(jobs, "computes").run(stop.signal));
    assert.deepEqual(
      [(await compute.status(endpoints[0].id))?.state, (await compute.status(root.endpoints[0].id))?.state],
      ["stopped", "running"],
    );

    let now_ms = 0;
    const clock = { ...systemClock, monotonic_ms: () => (now_ms += 5_000) };
    const message = "cannot start the compute: its branch is still being restored; try again";
    await startMeanwhile(async ({ waking }) => {
      await assert.rejects(waking.wake(endpoints[0].id), { name: "NotStarted", message });
    }, clock);
    await plane.call("DELETE", `${path}/branches/${branch.id}`);
    await runOnce(plane.reconcilers());
  });

  it("does not hold up a server that stops, and is made after its restart", async () => {
    const { branch, operations } = await createBranch();
    await whileCopying(async (runner) => await runner.stop());
    const { status, failures_count } = await told(operations[0].id);
    assert.deepEqual([status, failures_count], ["scheduling", 0]);
    await runOnce(plane.reconcilers());
    assert.equal((await told(operations[0].id)).status, "finished");
    await plane.call("DELETE", `${path}/branches/${branch.id}`);
    await runOnce(plane.reconcilers());
  });

  it("goes on while the database fails, holds nobody else up, and can still be cancelled", async () => {
    // The claim of what is due, the look for what was cancelled, and the note that an operation has failed.
    const failing = ["with heads as", "select id from operations where id = any", "failures_count"];
    const lost = new Set<unknown>();
    let is_copying = false;
    const db = plane.db.withPlugin({
      transformQuery({ node, queryId }) {
        if (!is_copying || !(node.kind === "RawNode" || node.kind === "UpdateQueryNode")) return node;
        const text = JSON.stringify(node);
        const at = failing.findIndex((part) => text.includes(part));
        if (at < 0 || (failing[at] === "failures_count" && node.kind === "RawNode")) return node;
        failing.splice(at, 1);
        lost.add(queryId);
        return node;
      },
      // It has been carried out, and nobody hears of it.
      async transformResult({ result, queryId }) {
        if (lost.delete(queryId)) throw new Error("the connection was lost");
        return result;
      },
    });
    const { operations } = await createBranch();
    let attempts = 0;
    const endless = endlessStorage();
    const storage = replacing(endless, {
      async createRoot(id, options) {
        if (attempts++ === 0) throw new DriverError("start_failed", "no luck");
        await endless.createRoot(id, options);
      },
    });
    await whileCopying(
      async (runner) => {
        is_copying = true;
        const { project } = await createProject(plane);
        runner.poke();
        const statuses = async () => {
          const { body } = await plane.call<{ operations: Told[] }>("GET", `/projects/${project.id}/operations`);
          return body.operations.map(({ status }) => status);
        };
        await waitFor("the other project", async () => (await statuses()).every((status) => status === "finished"));
        assert.deepEqual([failing, attempts], [[], 2]);
        assert.equal((await told(operations[0].id)).status, "running");
        await cancel(operations[0].id);
        await cancelled(operations[0].id);
        await plane.call("DELETE", `/projects/${project.id}`);
      },
      { db, storage },
    );
    assert.match(plane.logged(), /"job":"operations","error":"[^"]*the connection was lost/);
    await plane.endRecovery();
    await runOnce(plane.reconcilers());
  });

  it("is the only thing that can be cancelled", async () => {
    const { body } = await plane.call<{ operations: [Told] }>(
      "POST",
      `${path}/endpoints/${root.endpoints[0].id}/restart`,
    );
    const { status, body: refused } = await cancel(body.operations[0].id);
    assert.equal(status, 422);
    assert.match(JSON.stringify(refused), /only the copying of a branch/);
    await runOnce(plane.reconcilers());
    assert.equal((await cancel("00000000-0000-4000-8000-000000000000")).status, 404);
  });

  it("is told as such to a client that has waited for long", async () => {
    const { branch, operations, endpoints } = await createBranch();
    await whileCopying(async () => {
      let now_ms = 0;
      const clock = { ...systemClock, monotonic_ms: () => (now_ms += 5_000) };
      await assert.rejects(plane.machinery({ clock }).waking.wake(endpoints[0].id), (error) => {
        assert.ok(error instanceof NotStarted, String(error));
        assert.equal(error.message, "cannot start the compute: its branch is still being made; try again");
        return true;
      });
      assert.equal((await told(operations[0].id)).status, "running");
    });
    await runOnce(plane.reconcilers());
    await plane.call("DELETE", `${path}/branches/${branch.id}`);
    await runOnce(plane.reconcilers());
  });
});
