import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import pg from "pg";
import { waitFor } from "../../../test/harness/server.ts";
import {
  type CreatedProject,
  createProject,
  jobNamed,
  openPlane,
  type Plane,
  queryAsClient,
  runOnce,
} from "../test-plane.ts";

interface Operation {
  readonly action: string;
  readonly status: string;
  readonly branch_id: string;
  readonly endpoint_id: string;
  readonly total_duration_ms: number;
}

describe("what clients do at a compute", () => {
  let plane: Plane;
  let root: CreatedProject;
  let path: string;
  let uri: string;
  let endpoint_id: string;
  before(async () => {
    plane = await openPlane();
    root = await createProject(plane);
    await runOnce(plane.reconcilers());
    path = `/projects/${root.project.id}`;
    uri = root.connection_uris[0].connection_uri;
    endpoint_id = root.endpoints[0].id;
  });
  after(() => plane.close());

  const newestOperations = async (count: number) =>
    (await plane.call<{ operations: Operation[] }>("GET", `${path}/operations?limit=${count}`)).body.operations;
  const lastActive = async () =>
    (await plane.call<{ endpoint: { last_active?: string } }>("GET", `${path}/endpoints/${endpoint_id}`)).body.endpoint
      .last_active;
  const transferred = async () => {
    const get = async (at: string) =>
      (await plane.call<Record<string, { data_transfer_bytes: number }>>("GET", at)).body;
    const { project } = await get(path);
    const { branch } = await get(`${path}/branches/${root.branch.id}`);
    assert.equal(branch?.data_transfer_bytes, project?.data_transfer_bytes);
    return project?.data_transfer_bytes ?? Number.NaN;
  };

  it("is recorded: when they were last there, and how much they were sent", async () => {
    assert.deepEqual([await lastActive(), await transferred()], [undefined, 0]);
    // One recorder, as a server has: it knows what it has recorded before.
    const job = jobNamed(plane.reconcilers(), "gateway_use");
    const began = Date.now();
    await queryAsClient(uri, "select repeat('x', 1000) from generate_series(1, 1000)");
    await runOnce([job]);
    const sent = await transferred();
    assert.ok(sent > 1_000_000 && sent < 1_100_000, `${sent}`);
    const at = Date.parse((await lastActive()) ?? "");
    assert.ok(at >= began - 50 && at <= Date.now() + 50, `${at} is not after ${began}`);
    const first = await lastActive();
    await runOnce([job]);
    assert.deepEqual([await transferred(), await lastActive()], [sent, first], "the same was recorded twice");
    await queryAsClient(uri, "select repeat('x', 100000)");
    await runOnce([job]);
    const more = (await transferred()) - sent;
    assert.ok(more > 100_000 && more < 110_000, `${more}`);
    assert.notEqual(await lastActive(), first);
  });

  it("lets it rest when that is nothing, whatever they sent last", async () => {
    await plane.db.updateTable("endpoints").set({ suspend_timeout_seconds: 1 }).where("id", "=", endpoint_id).execute();
    const client = new pg.Client({ connectionString: uri.replace("sslmode=require", "sslmode=disable") });
    client.on("error", () => {});
    await client.connect();
    const job = jobNamed(plane.reconcilers(), "gateway_idle");
    const isAsleep = async () => {
      await runOnce([job]);
      return (await plane.drivers().compute.status(endpoint_id))?.state === "stopped";
    };
    const began = Date.now();
    // At work without a word, for longer than the time after which it would rest.
    const [answer] = await Promise.all([
      client.query("select pg_sleep(3)::text"),
      waitFor("some looks", async () => (await isAsleep()) || Date.now() > began + 2_500),
    ]);
    assert.equal(answer.rowCount, 1);
    await client.query("create temporary table fed (n int)");
    await assert.rejects(client.query("copy fed from stdin"), { code: "57014" });
    // As clients do that had more to send: PostgreSQL reads it, and says nothing.
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
    stream.write(Buffer.from("d\0\0\0\u0006x\n", "latin1"));
    await waitFor("its rest", isAsleep, 20_000);
    await client.end().catch(() => {});
  });

  it("shows among the operations: a start when they wake it, a suspension when they have gone", async () => {
    const { waking } = plane.machinery();
    await waking.rest(endpoint_id, () => true);
    await queryAsClient(uri, "select 1");
    const [started, suspended] = await newestOperations(2);
    assert.deepEqual([started?.action, suspended?.action], ["start_compute", "suspend_compute"]);
    for (const operation of [started, suspended]) {
      const { status, total_duration_ms } = operation ?? {};
      assert.deepEqual(
        [status, operation?.branch_id, operation?.endpoint_id],
        ["finished", root.branch.id, endpoint_id],
      );
      assert.ok(total_duration_ms !== undefined && total_duration_ms > 0 && total_duration_ms < 10_000);
    }
    // A compute that runs is not started once more by whoever comes next.
    await queryAsClient(uri, "select 1");
    assert.deepEqual(await newestOperations(2), [started, suspended]);
  });

  it("is forgotten after half a year, but no work that is still to be done", async () => {
    const created_at = new Date(Date.now() - 200 * 24 * 3600 * 1000).toISOString();
    await plane.db.updateTable("operations").set({ created_at }).execute();
    const [open] = await newestOperations(1);
    const ids = await plane.db.selectFrom("operations").select("id").orderBy("seq", "desc").execute();
    assert.ok(open && ids.length > 2);
    const id = ids[0]?.id ?? "";
    const later = new Date(Date.now() + 3600 * 1000).toISOString();
    await plane.db
      .updateTable("operations")
      .set({ status: "scheduling", retry_at: later })
      .where("id", "=", id)
      .execute();
    await runOnce([jobNamed(plane.reconcilers(), "meters")]);
    assert.deepEqual(await plane.db.selectFrom("operations").select("id").execute(), [{ id }]);
  });
});
