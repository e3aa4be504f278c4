import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { STEPS, type Step, StoppedAtStep } from "./deps.ts";
import {
  type CreatedProject,
  connectAs,
  createProject,
  jobNamed,
  openPlane,
  type Plane,
  queryAsClient,
  runOnce,
} from "./test-plane.ts";

interface Made {
  readonly branch: { id: string; parent_id?: string };
  readonly endpoints: [{ id: string }];
  readonly connection_uris: [{ connection_uri: string }];
}

describe("a server that dies while it works on a branch goes on after its restart", () => {
  let plane: Plane;
  let root: CreatedProject;
  let path: string;
  let uri: string;
  before(async () => {
    plane = await openPlane();
    root = await createProject(plane);
    await runOnce(plane.reconcilers());
    uri = root.connection_uris[0].connection_uri;
    path = `/projects/${root.project.id}`;
    await queryAsClient(uri, "create table origin as select 'root' as name");
  });
  after(() => plane.close());

  /** Dies at this step of the recorded work, and starts again. */
  async function dieAndGoOn(step: Step): Promise<void> {
    const jobs = plane.reconcilers({
      onStep: (reached) => {
        if (reached === step) throw new Error("killed");
      },
    });
    await assert.rejects(runOnce([jobNamed(jobs, "operations")]), StoppedAtStep);
    await runOnce(plane.reconcilers());
    const { body } = await plane.call<{ operations: { status: string; failures_count: number }[] }>(
      "GET",
      `${path}/operations?limit=1000`,
    );
    for (const { status, failures_count } of body.operations) {
      assert.ok(status === "finished" || status === "skipped", status);
      assert.equal(failures_count, 0);
    }
  }

  const create = async (branch: object = {}) => {
    const body = { branch, endpoints: [{ type: "read_write" }] };
    return (await plane.call<Made>("POST", `${path}/branches`, { body })).body;
  };
  const nameIn = async ({ connection_uris }: Made) =>
    (await queryAsClient(connection_uris[0].connection_uri, "select name from origin"))[0]?.name;
  const setName = ({ connection_uris }: Made, name: string) =>
    queryAsClient(connection_uris[0].connection_uri, `update origin set name = '${name}'`);

  async function remove(...ids: string[]): Promise<void> {
    for (const id of ids) {
      assert.equal((await plane.call("DELETE", `${path}/branches/${id}`)).status, 200);
      await runOnce(plane.reconcilers());
    }
    const { computes, branches } = await plane.onMachine();
    assert.deepEqual([computes, branches], [[root.endpoints[0].id], [root.branch.id]], "something is left behind");
  }

  const stepsOf = (action: string) => STEPS.filter((step) => step.startsWith(`${action}:`));

  for (const step of [...stepsOf("create_timeline"), ...stepsOf("start_compute")]) {
    it(`${step}: a branch is made whole`, async () => {
      const made = await create();
      await dieAndGoOn(step);
      assert.equal(await nameIn(made), "root");
      assert.equal((await plane.onMachine()).branches.length, 2);
      await remove(made.branch.id);
    });
  }

  for (const step of stepsOf("seed_timeline")) {
    it(`${step}: a branch with a schema alone is made whole`, async () => {
      const made = await create({ init_source: "schema-only" });
      await dieAndGoOn(step);
      assert.equal(await nameIn(made), undefined);
      await setName(made, "nobody");
      assert.equal((await plane.onMachine()).computes.length, 2, "a private compute is left");
      await remove(made.branch.id);
    });
  }

  for (const step of stepsOf("reset_timeline")) {
    it(`${step}: a branch is reset whole, and one that is to keep its data does`, async () => {
      const [plain, keeping] = [await create(), await create()];
      await runOnce(plane.reconcilers());
      for (const made of [plain, keeping]) await setName(made, "child");
      const restore = (id: string, keep: object) =>
        plane.call<Made>("POST", `${path}/branches/${id}/restore`, {
          body: { source_branch_id: root.branch.id, ...keep },
        });
      assert.equal((await restore(plain.branch.id, {})).status, 200);
      await dieAndGoOn(step);
      assert.equal(await nameIn(plain), "root");

      const kept = await restore(keeping.branch.id, { preserve_under_name: `before ${step}` });
      await dieAndGoOn(step);
      assert.equal(await nameIn(keeping), "root");
      const backup_id = kept.body.branch.parent_id ?? "";
      assert.equal((await plane.onMachine()).branches.length, 4);
      const body = { endpoint: { branch_id: backup_id, type: "read_write" } };
      assert.equal((await plane.call("POST", `${path}/endpoints`, { body })).status, 201);
      await runOnce(plane.reconcilers());
      const query = `branch_id=${backup_id}&database_name=neondb&role_name=neondb_owner`;
      const found = await plane.call<{ uri: string }>("GET", `${path}/connection_uri?${query}`);
      assert.deepEqual(await queryAsClient(found.body.uri, "select name from origin"), [{ name: "child" }]);
      await remove(plain.branch.id, keeping.branch.id, backup_id);
    });
  }

  for (const step of stepsOf("apply_config")) {
    it(`${step}: a role is made, a database renamed, and both are removed`, async () => {
      const at = `${path}/branches/${root.branch.id}`;
      const role = await plane.call<{ role: { password: string } }>("POST", `${at}/roles`, {
        body: { role: { name: "guest" } },
      });
      await dieAndGoOn(step);
      const { password } = role.body.role;
      await queryAsClient(connectAs(uri, { role: "guest", password: role.body.role.password }), "select 1");
      await plane.call("POST", `${at}/databases`, { body: { database: { name: "one", owner_name: "guest" } } });
      await dieAndGoOn(step);
      const guest = { role: "guest", password };
      await queryAsClient(connectAs(uri, { ...guest, database: "one" }), "create table inside ()");
      await plane.call("PATCH", `${at}/databases/one`, { body: { database: { name: "two" } } });
      await dieAndGoOn(step);
      await queryAsClient(connectAs(uri, { ...guest, database: "two" }), "select from inside");
      await plane.call("DELETE", `${at}/databases/two`);
      await dieAndGoOn(step);
      await plane.call("DELETE", `${at}/roles/guest`);
      await dieAndGoOn(step);
      const rows = await queryAsClient(
        uri,
        "select rolname::text as name from pg_roles where rolname = 'guest' union select datname::text from pg_database where datname in ('one', 'two')",
      );
      assert.deepEqual(rows, []);
    });
  }

  for (const step of stepsOf("suspend_compute")) {
    it(`${step}: a compute is suspended, and one is deleted`, async () => {
      const made = await create();
      await runOnce(plane.reconcilers());
      const endpoint = `${path}/endpoints/${made.endpoints[0].id}`;
      assert.equal((await plane.call("POST", `${endpoint}/suspend`)).status, 200);
      await dieAndGoOn(step);
      assert.equal((await plane.drivers().compute.status(made.endpoints[0].id))?.state, "stopped");
      assert.equal((await plane.call("DELETE", endpoint)).status, 200);
      await dieAndGoOn(step);
      assert.equal(await plane.drivers().compute.status(made.endpoints[0].id), undefined);
      await remove(made.branch.id);
    });
  }

  for (const step of [...stepsOf("delete_timeline"), ...stepsOf("remove_branch")]) {
    it(`${step}: a branch is removed whole`, async () => {
      const made = await create();
      await runOnce(plane.reconcilers());
      assert.equal((await plane.call("DELETE", `${path}/branches/${made.branch.id}`)).status, 200);
      await dieAndGoOn(step);
      await remove();
    });
  }

  it("every step there is has been died at, here or in crash.test.ts", () => {
    const actions = new Set(STEPS.map((step) => step.split(":")[0]));
    const here = [
      "create_timeline",
      "seed_timeline",
      "start_compute",
      "reset_timeline",
      "apply_config",
      "suspend_compute",
    ];
    // What the gateway has done at once takes a gateway and its clients: test/faults/kill-nine-at-steps.test.ts.
    const by_gateway = ["wake", "rest"];
    assert.deepEqual(actions, new Set([...here, "delete_timeline", "remove_branch", ...by_gateway]));
  });
});
