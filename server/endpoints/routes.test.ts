import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import pg from "pg";
import { waitFor } from "../../test/harness/server.ts";
import {
  type CreatedProject,
  createProject,
  jobNamed,
  openPlane,
  type Plane,
  queryAsClient,
} from "../jobs/test-plane.ts";

interface Endpoint {
  readonly id: string;
  readonly name?: string;
  readonly host: string;
  readonly current_state: string;
  readonly pending_state?: string;
  readonly suspend_reason?: string;
  readonly disabled: boolean;
  readonly settings: { pg_settings: Record<string, string> };
  readonly last_failure?: { readonly reason: string };
}
interface Answer {
  readonly endpoint: Endpoint;
  readonly operations: { action: string }[];
  readonly message: string;
}

describe("the compute of a branch", () => {
  let plane: Plane;
  let made: CreatedProject;
  let uri: string;
  let path: string;
  before(async () => {
    plane = await openPlane();
    made = await createProject(plane);
    await carryOut();
    uri = made.connection_uris[0].connection_uri;
    path = `/projects/${made.project.id}/endpoints/${made.endpoints[0].id}`;
  });
  after(() => plane.close());

  const carryOut = () => plane.carryOut();
  const post = (what: string) => plane.call<Answer>("POST", `${path}/${what}`);
  const patch = (endpoint: object) => plane.call<Answer>("PATCH", path, { body: { endpoint } });
  const get = async () => (await plane.call<Answer>("GET", path)).body.endpoint;
  const actions = ({ operations }: Answer) => operations.map(({ action }) => action);
  const runs = async () => (await plane.drivers().compute.status(made.endpoints[0].id))?.state === "running";
  const show = async (name: string) => Object.values((await queryAsClient(uri, `show ${name}`))[0] ?? {})[0];

  it("is suspended until it is started again, whatever the jobs and a restart of the machine do", async () => {
    const { status, body } = await post("suspend");
    assert.equal(status, 200);
    assert.deepEqual(actions(body), ["suspend_compute"]);
    assert.deepEqual([body.endpoint.current_state, body.endpoint.pending_state], ["active", "idle"]);
    assert.equal((await post("start")).status, 423);
    await carryOut();
    assert.deepEqual([(await get()).current_state, await runs()], ["idle", false]);
    await plane.restartDrivers();
    await carryOut();
    assert.deepEqual([(await get()).suspend_reason, await runs()], ["request", false]);
    const started = await post("start");
    assert.deepEqual([started.body.endpoint.current_state, started.body.endpoint.pending_state], ["idle", "active"]);
    await carryOut();
    const { current_state, ...running } = await get();
    assert.equal(current_state, "active");
    assert.equal("suspend_reason" in running, false);
    assert.deepEqual(await queryAsClient(uri, "select 1 as n"), [{ n: 1 }]);
  });

  it("that ought to rest and runs all the same is put to rest", async () => {
    await plane.db.updateTable("endpoints").set({ desired_state: "suspended" }).execute();
    await carryOut();
    assert.deepEqual([(await get()).current_state, await runs()], ["idle", false]);
    await post("start");
    await carryOut();
  });

  it("is another process after a restart, with the same data at the same address", async () => {
    const before = await plane.drivers().compute.status(made.endpoints[0].id);
    const { body } = await post("restart");
    assert.deepEqual(actions(body), ["suspend_compute", "start_compute"]);
    await carryOut();
    const after = await plane.drivers().compute.status(made.endpoints[0].id);
    assert.notEqual(after?.pid, before?.pid);
    assert.deepEqual(after?.address, before?.address);
  });

  it("has the settings that were chosen, and none that could run code", async () => {
    const { status, body } = await patch({ settings: { pg_settings: { work_mem: "2MB" } } });
    assert.equal(status, 200);
    assert.deepEqual(actions(body), ["apply_config"]);
    await carryOut();
    assert.equal(await show("work_mem"), "2MB");
    for (const name of ["archive_command", "shared_preload_libraries", "port"]) {
      const refused = await patch({ settings: { pg_settings: { [name]: "x" } } });
      assert.equal(refused.status, 400);
      assert.ok(refused.body.message.includes(name));
    }
  });

  for (const [what, refused, why] of [
    [
      "PostgreSQL refuses a value",
      { work_mem: "plenty", temp_buffers: "9MB", jit: "perhaps" },
      /^parameter "jit" requires a Boolean value; invalid value for parameter "work_mem": "plenty"$/,
    ],
    [
      "the machine has not the memory for them",
      { work_mem: "3MB", max_locks_per_transaction: "1000000000" },
      /^max_locks_per_transaction: [\d.]+ GB of shared memory would be reserved, of [\d.]+ GB$/,
    ],
  ] as const) {
    it(`keeps its settings, its sessions and its sleep when ${what}, and the operation says why`, async () => {
      const pid = async () => (await plane.drivers().compute.status(made.endpoints[0].id))?.pid;
      const tryOut = async () => {
        await patch({ settings: { pg_settings: refused }, autoscaling_limit_max_cu: 0.5 });
        await jobNamed(plane.reconcilers(), "operations").run(new AbortController().signal);
        const { body } = await plane.call<{ operations: { status: string; failures_count: number; error?: string }[] }>(
          "GET",
          `/projects/${made.project.id}/operations?limit=1`,
        );
        const [{ status, failures_count, error } = assert.fail()] = body.operations;
        assert.deepEqual([status, failures_count], ["failed", 1]);
        const [, told = ""] = /^a setting of the compute was refused: (.*)$/s.exec(error ?? "") ?? [];
        assert.match(told, why);
        const { settings, last_failure, ...endpoint } = await get();
        assert.equal(last_failure?.reason, error);
        assert.deepEqual(settings.pg_settings, { work_mem: "2MB" });
        assert.partialDeepStrictEqual(endpoint, { autoscaling_limit_min_cu: 0.25, autoscaling_limit_max_cu: 0.25 });
      };
      const before = await pid();
      const [plain] = uri.split("?");
      const client = new pg.Client({ connectionString: plain, ssl: { rejectUnauthorized: false } });
      client.on("error", () => {});
      await client.connect();
      await tryOut();
      assert.deepEqual((await client.query("show work_mem")).rows, [{ work_mem: "2MB" }]);
      await client.end();
      assert.equal(await pid(), before);

      await post("suspend");
      await carryOut();
      await tryOut();
      await carryOut();
      assert.equal(await runs(), false);
      assert.equal(await show("work_mem"), "2MB");
    });
  }

  it("is not started by anything while it is disabled", async () => {
    const { body } = await patch({ disabled: true });
    assert.deepEqual([body.endpoint.disabled, actions(body)], [true, ["suspend_compute"]]);
    await carryOut();
    assert.equal((await post("start")).status, 422);
    assert.equal((await post("restart")).status, 422);
    const { waking } = plane.machinery();
    await assert.rejects(waking.wake(made.endpoints[0].id), { code: "not_found" });
    await carryOut();
    assert.deepEqual([(await get()).suspend_reason, await runs()], ["disabled", false]);
    assert.deepEqual(actions((await patch({ disabled: false })).body), ["start_compute"]);
    await carryOut();
    assert.equal(await runs(), true);
  });

  it("that has never run and ought not to is idle, and waits for nothing", async () => {
    const branches = `/projects/${made.project.id}/branches`;
    const { body: child } = await plane.call<{ branch: { id: string } }>("POST", branches, { body: {} });
    await carryOut();
    const endpoint = { branch_id: child.branch.id, type: "read_write", disabled: true };
    const { body } = await plane.call<Answer>("POST", `/projects/${made.project.id}/endpoints`, { body: { endpoint } });
    assert.deepEqual(actions(body), []);
    const { current_state, pending_state, suspend_reason } = body.endpoint;
    assert.deepEqual([current_state, pending_state, suspend_reason], ["idle", undefined, "disabled"]);
    await plane.call("DELETE", `${branches}/${child.branch.id}`);
    await carryOut();
  });

  it("wakes once for all who ask at the same time, and rests when nobody uses it", async () => {
    const { waking, jobs } = plane.machinery();
    const id = made.endpoints[0].id;
    await waking.rest(id, () => false);
    assert.equal(await runs(), true, "somebody uses it");
    await waking.rest(id, () => true);
    assert.deepEqual([(await get()).current_state, await runs()], ["idle", false]);
    assert.equal((await get()).suspend_reason, "idle");
    await jobNamed(jobs, "computes").run(new AbortController().signal);
    assert.equal(await runs(), false);
    const addresses = await Promise.all(Array.from({ length: 20 }, () => waking.wake(id)));
    assert.equal(new Set(addresses.map((address) => JSON.stringify(address))).size, 1);
    assert.deepEqual([(await get()).current_state, await runs()], ["active", true]);
    assert.deepEqual(await queryAsClient(uri, "select 1 as n"), [{ n: 1 }]);
    await assert.rejects(waking.wake("ep-no-such-compute"), { code: "not_found" });
  });

  it("is started as was asked for, though somebody has just found it unused", async () => {
    const { waking } = plane.machinery();
    const { id } = made.endpoints[0];
    await post("suspend");
    await carryOut();
    for (const how of ["start", "restart"]) {
      assert.equal((await post(how)).status, 200);
      await waking.rest(id, () => true);
      await carryOut();
      assert.deepEqual([(await get()).current_state, await runs()], ["active", true], how);
    }
  });

  it("keeps nobody waiting who finds it unused while it is being woken", async () => {
    const reached = Promise.withResolvers<void>();
    const go_on = Promise.withResolvers<void>();
    const onStep = async (step: string) => {
      if (step !== "wake:wished") return;
      reached.resolve();
      await go_on.promise;
    };
    const { waking } = plane.machinery({ onStep });
    const { id } = made.endpoints[0];
    const woken = waking.wake(id);
    await reached.promise;
    let answered = false;
    const rest = waking
      .rest(id, () => true)
      .then(() => {
        answered = true;
      });
    try {
      await waitFor("an answer", () => answered, 10_000);
    } finally {
      go_on.resolve();
      await Promise.all([woken, rest]);
    }
    assert.equal(await runs(), true);
  });

  it("is the only one of its branch, has a name, and may be deleted and made anew over the same data", async () => {
    await queryAsClient(uri, "create table kept as select 7 as n");
    const body = { endpoint: { branch_id: made.branch.id, type: "read_write" } };
    const endpoints = `/projects/${made.project.id}/endpoints`;
    assert.equal((await plane.call("POST", endpoints, { body })).status, 409);
    assert.equal((await patch({ name: "main compute" })).body.endpoint.name, "main compute");
    const protect = async (wanted: boolean) => {
      const branch = `/projects/${made.project.id}/branches/${made.branch.id}`;
      assert.equal((await plane.call("PATCH", branch, { body: { branch: { protected: wanted } } })).status, 200);
    };
    await protect(true);
    const refused = await plane.call<Answer & { message: string }>("DELETE", path);
    assert.equal(refused.status, 422);
    assert.match(refused.body.message, /^the branch is protected.*end its protection first$/);
    assert.deepEqual(await queryAsClient(uri, "select n from kept"), [{ n: 7 }]);
    await protect(false);
    assert.deepEqual(actions((await plane.call<Answer>("DELETE", path)).body), ["suspend_compute"]);
    assert.equal((await plane.call("GET", path)).status, 404);
    assert.equal((await plane.call("POST", endpoints, { body })).status, 423);
    await carryOut();
    assert.deepEqual((await plane.onMachine()).computes, []);

    const elsewhere = { endpoint: { ...body.endpoint, region_id: "elsewhere" } };
    assert.equal((await plane.call("POST", endpoints, { body: elsewhere })).status, 400);
    assert.equal((await plane.call("POST", endpoints, { body })).status, 201);
    await carryOut();
    const query = "database_name=neondb&role_name=neondb_owner";
    const found = await plane.call<{ uri: string }>("GET", `/projects/${made.project.id}/connection_uri?${query}`);
    assert.deepEqual(await queryAsClient(found.body.uri, "select n from kept"), [{ n: 7 }]);
  });
});
