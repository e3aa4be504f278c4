import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { newUuid } from "../ids.ts";
import {
  type CreatedProject,
  createProject,
  jobNamed,
  openPlane,
  type Plane,
  replacing,
  runOnce,
} from "./test-plane.ts";

describe("what no row knows", () => {
  let plane: Plane;
  let root: CreatedProject;
  before(async () => {
    plane = await openPlane();
    root = await createProject(plane);
    await plane.carryOut();
  });
  after(() => plane.close());

  it("is removed at the start, storage and computes, and what rows know is kept", async () => {
    const { storage, compute } = plane.drivers();
    const [pg_version = 0] = storage.capabilities().pg_versions;
    await storage.createRoot("br-lost-orphan-00000000", { pg_version });
    await compute.ensureRunning("ep-lost-orphan-00000000", {
      branch_id: "br-lost-orphan-00000000",
      port: 5432,
      tcp: false,
      max_connections: 10,
      admin_password: "0123456789abcdef0123",
    });
    await runOnce([jobNamed(plane.reconcilers(), "orphans")]);
    assert.deepEqual(await plane.onMachine(), { computes: [root.endpoints[0].id], branches: [root.branch.id] });
    assert.match(plane.logged(), /storage\.removed_orphan/);
  });

  it("is left alone as long as somebody reads a schema at it, also once the branch has other data", async () => {
    const path = `/projects/${root.project.id}/branches`;
    const made = await plane.call<{ branch: { id: string } }>("POST", path, { body: {} });
    const branch_id = made.body.branch.id;
    await plane.carryOut();
    const restored = await plane.call("POST", `${path}/${branch_id}/restore`, {
      body: { source_branch_id: root.branch.id },
    });
    assert.equal(restored.status, 200);
    await plane.carryOut();

    let removing: Promise<void> | undefined;
    const { compute } = plane.drivers();
    const { jobs } = plane.machinery({
      compute: replacing(compute, {
        async readSchema(...args) {
          assert.equal((await compute.list()).length, 2, "it is read at the branch's own compute");
          removing = jobNamed(jobs, "orphans").run(new AbortController().signal);
          // It waits for us.
          await Promise.race([removing, delay(500)]);
          return await compute.readSchema(...args);
        },
      }),
    });
    const id = newUuid();
    await plane.db
      .insertInto("schema_readings")
      .values({ id, branch_id, database_name: "neondb", format: "sql", answer: null, refusal: null })
      .execute();
    await runOnce([jobNamed(jobs, "schemas")]);
    await removing;
    const { answer, refusal } = await plane.db
      .selectFrom("schema_readings")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    assert.match(answer ?? `${refusal}`, /PostgreSQL database dump/);
  });
});
