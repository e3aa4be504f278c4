import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../clock.ts";
import { DriverError } from "../compute/driver.ts";
import { type FakeDrivers, openFakeDriver } from "../compute/drivers/fake/driver.ts";
import { createProject, openPlane, type Plane } from "./test-plane.ts";

const CALLS = [
  "createRoot",
  "branch",
  "removeBranch",
  "ensureRunning",
  "apply",
  "suspend",
  "removeCompute",
  "copySchema",
];

/** On the fake driver, which can be made to fail where PostgreSQL hardly ever does, and takes no time. */
describe("whichever call of a driver fails, the work is done once it succeeds", () => {
  let plane: Plane;
  let drivers: FakeDrivers;
  before(async () => {
    plane = await openPlane(async (dataDir) => {
      drivers = await openFakeDriver({ dataDir, clock: systemClock });
      return drivers;
    });
  });
  after(() => plane.close());

  /** Runs each job once, as the runner does: one that fails is tried again later, and no other one suffers for it. */
  async function runAll(): Promise<void> {
    for (const job of plane.reconcilers()) await job.run(new AbortController().signal).catch(() => {});
  }

  /** Runs the jobs until nothing is left to do, without the pauses between attempts. */
  async function carryOut(): Promise<void> {
    for (let round = 0; round < 20; round++) {
      await plane.db.updateTable("operations").set({ retry_at: null }).execute();
      await runAll();
      const open = await plane.db
        .selectFrom("operations")
        .select("action")
        .where("status", "in", ["scheduling", "running"])
        .execute();
      if (open.length === 0) return;
    }
    throw new Error("the work does not end");
  }

  /** Everything that a project goes through. */
  async function live(): Promise<void> {
    const call = async (status: number, method: "POST" | "DELETE", path: string, body?: object) => {
      const answer = await plane.call<{ branch: { id: string } }>(method, path, body === undefined ? {} : { body });
      assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
      await carryOut();
      return answer.body;
    };
    const { project, branch, endpoints } = await createProject(plane);
    await carryOut();
    const path = `/projects/${project.id}`;
    const endpoint = `${path}/endpoints/${endpoints[0].id}`;
    await call(201, "POST", `${path}/branches/${branch.id}/roles`, { role: { name: "guest" } });
    const compute = { endpoints: [{ type: "read_write" }] };
    const child = (await call(201, "POST", `${path}/branches`, compute)).branch.id;
    const init_source = "schema-only";
    const seed = (await call(201, "POST", `${path}/branches`, { ...compute, branch: { init_source } })).branch.id;
    await call(200, "POST", `${path}/branches/${child}/restore`, { source_branch_id: branch.id });
    for (const action of ["suspend", "start", "restart"]) await call(200, "POST", `${endpoint}/${action}`);
    await call(200, "DELETE", `${path}/branches/${branch.id}/roles/guest`);
    for (const id of [child, seed]) await call(200, "DELETE", `${path}/branches/${id}`);
    await call(200, "DELETE", path);
    await plane.endRecovery();
    // Removals have a pause of their own, which a new process begins without.
    for (let round = 0; round < 3; round++) await runAll();
    assert.deepEqual(await plane.onMachine(), { computes: [], branches: [] });
    assert.deepEqual(await plane.db.selectFrom("projects").select("id").execute(), []);
  }

  it("nothing fails", async () => {
    const met = new Set<string>();
    drivers.switches.onCall = (call) => void met.add(call);
    await live();
    assert.deepEqual([...met].sort(), CALLS.toSorted(), "every call that changes something");
  });

  for (const failing of CALLS) {
    // Not each second time: the making of a branch with a schema alone has two removals of a compute, and would never end.
    it(`${failing} fails, each third time`, async () => {
      let calls = 0;
      let failed = 0;
      drivers.switches.onCall = (call) => {
        if (call !== failing || calls++ % 3 > 0) return;
        failed++;
        throw new DriverError("start_failed", "as the test wants it");
      };
      await live();
      assert.ok(failed > 0);
    });
  }
});
