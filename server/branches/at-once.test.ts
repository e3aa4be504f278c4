import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../clock.ts";
import { openFakeDriver } from "../compute/drivers/fake/driver.ts";
import { type CreatedProject, createProject, openPlane, type Plane } from "../jobs/test-plane.ts";

const ROUNDS = 6;

/** On the fake driver: it is the rows that are changed at once. */
describe("changes of two branches at the same time", () => {
  let plane: Plane;
  let root: CreatedProject;
  let path: string;
  let [a, b] = ["", ""];
  before(async () => {
    plane = await openPlane((dataDir) => openFakeDriver({ dataDir, clock: systemClock }));
    root = await createProject(plane);
    await plane.carryOut();
    path = `/projects/${root.project.id}/branches`;
    const create = async () =>
      (await plane.call<{ branch: { id: string } }>("POST", path, { body: {} })).body.branch.id;
    [a, b] = [await create(), await create()];
    await plane.carryOut();
  });
  after(() => plane.close());

  const both = async (change: (id: string, other: string) => Promise<{ status: number }>) =>
    (await Promise.all([change(a, b), change(b, a)])).map(({ status }) => status);

  it("that both become the default one leave the project with one", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      // From a third one, which both take it from.
      assert.equal((await plane.call("POST", `${path}/${root.branch.id}/set_as_default`)).status, 200);
      assert.deepEqual(await both((id) => plane.call("POST", `${path}/${id}/set_as_default`)), [200, 200]);
      const { body } = await plane.call<{ branches: { default: boolean }[] }>("GET", path);
      assert.equal(body.branches.filter((branch) => branch.default).length, 1);
    }
  });

  it("that are restored from one another are done one after the other, or refused for the moment", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const statuses = await both((id, other) =>
        plane.call("POST", `${path}/${id}/restore`, {
          body: { source_branch_id: other, preserve_under_name: `${id} before ${round}` },
        }),
      );
      assert.ok(
        statuses.every((status) => status === 200 || status === 423),
        statuses.join(),
      );
      await plane.carryOut();
    }
  });
});
