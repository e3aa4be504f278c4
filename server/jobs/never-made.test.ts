import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { waitFor } from "../../test/harness/server.ts";
import { systemClock } from "../clock.ts";
import { DriverError, type DriverErrorCode } from "../compute/driver.ts";
import { type FakeDrivers, openFakeDriver } from "../compute/drivers/fake/driver.ts";
import {
  type CreatedProject,
  createProject,
  jobNamed,
  openPlane,
  type Plane,
  queryAsClient,
  runOnce,
} from "./test-plane.ts";

interface Told {
  readonly status: string;
  readonly error?: string;
}

/** On the fake driver, whose calls fail as they are told to. */
describe("a branch that cannot be made", () => {
  let plane: Plane;
  let drivers: FakeDrivers;
  let root: CreatedProject;
  let path: string;
  before(async () => {
    plane = await openPlane(async (dataDir) => {
      drivers = await openFakeDriver({ dataDir, clock: systemClock });
      return drivers;
    });
    root = await createProject(plane);
    await runOnce(plane.reconcilers());
    path = `/projects/${root.project.id}`;
  });
  after(() => plane.close());
  afterEach(() => {
    drivers.switches.onCall = () => {};
  });

  const fail = (call: string, code: DriverErrorCode, message = "at /secret/path") => {
    drivers.switches.onCall = (called) => {
      if (called === call) throw new DriverError(code, message);
    };
  };
  const NO_ROOM = "not enough room: needs 500,000 MB, has 20,000 MB";

  type Made = Pick<CreatedProject, "branch" | "operations" | "connection_uris">;
  const create = async (branch: object) => {
    const body = { branch, endpoints: [{ type: "read_write" }] };
    const made = await plane.call<Made>("POST", `${path}/branches`, { body });
    assert.equal(made.status, 201);
    return made.body;
  };
  const operate = () => runOnce([jobNamed(plane.reconcilers(), "operations")]);
  const connect = async ({ connection_uris }: Made) => {
    await runOnce([jobNamed(plane.reconcilers(), "gateway_ports")]);
    return await queryAsClient(connection_uris[0].connection_uri, "select 1");
  };
  async function toldOf({ operations }: Made, project_path = path) {
    const found = operations.map(({ id }) =>
      plane.call<{ operation: Told }>("GET", `${project_path}/operations/${id}`),
    );
    return (await Promise.all(found)).map(({ body }) => body.operation);
  }

  async function isGone(made: Made, error: string): Promise<void> {
    const [copy, start] = await toldOf(made);
    assert.deepEqual([copy?.status, copy?.error, start?.status], ["failed", error, "cancelled"]);
    const { id } = made.branch;
    assert.equal((await plane.call("GET", `${path}/branches/${id}`)).status, 404);
    const child = { body: { branch: { parent_id: id } } };
    assert.equal((await plane.call("POST", `${path}/branches`, child)).status, 404);
    await runOnce(plane.reconcilers());
    assert.deepEqual(await plane.onMachine(), { computes: [root.endpoints[0].id], branches: [root.branch.id] });
    assert.equal((await toldOf(made))[0]?.error, error, "it is told still");
  }

  it("for want of room is gone, its name is free, and its operation tells why", async () => {
    fail("branch", "no_room", NO_ROOM);
    const made = await create({ name: "large" });
    await operate();
    await isGone(made, NO_ROOM);
    drivers.switches.onCall = () => {};
    const { branch } = await create({ name: "large" });
    await runOnce(plane.reconcilers());
    assert.equal((await plane.call("DELETE", `${path}/branches/${branch.id}`)).status, 200);
    await runOnce(plane.reconcilers());
  });

  it("in ten attempts is gone", async () => {
    fail("branch", "start_failed");
    const made = await create({});
    for (let i = 0; i < 10; i++) {
      assert.equal((await plane.call("GET", `${path}/branches/${made.branch.id}`)).status, 200);
      await plane.db.updateTable("operations").set({ retry_at: null }).execute();
      await operate();
    }
    await isGone(made, "the compute did not start");
  });

  it("for its schema is gone", async () => {
    fail("copySchema", "schema_refused");
    const made = await create({ init_source: "schema-only" });
    await operate();
    await isGone(made, "the schema of the other branch could not be loaded; the server's log has the reason");
  });

  it("is told to a client that has waited for it", async () => {
    fail("branch", "no_room", NO_ROOM);
    const made = await create({});
    const refused = assert.rejects(connect(made), {
      code: "57P03",
      message: `cannot start the compute: its branch was not made (${NO_ROOM})`,
    });
    await waitFor("the client", () => plane.gateway.sessions > 0);
    await operate();
    await refused;
    await runOnce(plane.reconcilers());
  });

  it("and is the root of a project is told at once to whoever connects, and the project can be deleted", async () => {
    fail("createRoot", "no_room", NO_ROOM);
    const made = await createProject(plane);
    await operate();
    const began_ms = systemClock.monotonic_ms();
    await assert.rejects(connect(made), {
      code: "57P03",
      message: `cannot start the compute: its branch was not made (${NO_ROOM})`,
    });
    assert.ok(systemClock.monotonic_ms() - began_ms < 10_000);
    const project_path = `/projects/${made.project.id}`;
    assert.equal((await toldOf(made, project_path))[0]?.error, NO_ROOM);
    assert.equal((await plane.call("DELETE", project_path)).status, 200);
  });
});
