import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { STEPS, type Step, StoppedAtStep } from "./deps.ts";
import type { Job } from "./runner.ts";
import { createProject, jobNamed, openPlane, type Plane, queryAsClient, runOnce } from "./test-plane.ts";

describe("a server that dies at any step goes on after its restart", () => {
  let plane: Plane;
  before(async () => {
    plane = await openPlane();
  });
  after(() => plane.close());

  /** The reconcilers of a process that dies when it gets to this step. */
  const dyingAt = (step: Step): Job[] =>
    plane.reconcilers({
      onStep: (reached) => {
        if (reached === step) throw new Error("killed");
      },
    });

  async function assertNothingLeft(project_id: string): Promise<void> {
    assert.deepEqual(await plane.onMachine(), { computes: [], branches: [] });
    for (const table of ["branches", "endpoints", "operations"] as const) {
      const rows = await plane.db.selectFrom(table).select("id").where("project_id", "=", project_id).execute();
      assert.deepEqual(rows, [], table);
    }
    assert.deepEqual(await plane.db.selectFrom("projects").select("id").where("id", "=", project_id).execute(), []);
  }

  const ofProjects = STEPS.filter((step) => /^(create_timeline|start_compute|remove_branch):/.test(step));
  for (const step of ofProjects) {
    const removal = step.startsWith("remove_branch");
    it(`${step}: the project is made whole${removal ? " and removed whole" : ""}`, async () => {
      const { project, branch, connection_uris } = await createProject(plane);
      if (!removal) {
        await assert.rejects(runOnce([jobNamed(dyingAt(step), "operations")]), StoppedAtStep);
      }
      await runOnce(plane.reconcilers());
      const operations = await plane.call<{ operations: { status: string; failures_count: number }[] }>(
        "GET",
        `/projects/${project.id}/operations`,
      );
      assert.deepEqual(
        operations.body.operations.map(({ status, failures_count }) => [status, failures_count]),
        [
          ["finished", 0],
          ["finished", 0],
        ],
      );
      const rows = await queryAsClient(connection_uris[0].connection_uri, "select current_database() as name");
      assert.deepEqual(rows, [{ name: "neondb" }]);
      assert.deepEqual((await plane.onMachine()).branches, [branch.id]);

      assert.equal((await plane.call("DELETE", `/projects/${project.id}`)).status, 200);
      await plane.endRecovery();
      if (removal) {
        await assert.rejects(runOnce([jobNamed(dyingAt(step), "removals")]), StoppedAtStep);
      }
      await runOnce(plane.reconcilers());
      await assertNothingLeft(project.id);
    });
  }
});
