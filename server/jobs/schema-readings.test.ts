import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../../test/harness/server.ts";
import { systemClock } from "../clock.ts";
import { openFakeDriver } from "../compute/drivers/fake/driver.ts";
import { newUuid } from "../ids.ts";
import { type CreatedProject, createProject, jobNamed, openPlane, type Plane, replacing } from "./test-plane.ts";

describe("the reading of schemas", () => {
  let plane: Plane;
  let busy: CreatedProject;
  let other: CreatedProject;
  before(async () => {
    plane = await openPlane((dataDir) => openFakeDriver({ dataDir, clock: systemClock }));
    [busy, other] = [await createProject(plane), await createProject(plane)];
    await plane.carryOut();
  });
  after(() => plane.close());

  it("that takes long holds up its own project and no other", async () => {
    const ask = async ({ branch }: CreatedProject) => {
      const id = newUuid();
      const question = { branch_id: branch.id, database_name: "neondb", format: "json" as const };
      await plane.db
        .insertInto("schema_readings")
        .values({ id, ...question, answer: null, refusal: null })
        .execute();
      return id;
    };
    const { compute } = plane.drivers();
    const gate = Promise.withResolvers<void>();
    const slow = replacing(compute, {
      async readSchema(id, database_name, format) {
        if (id === busy.endpoints[0].id) await gate.promise;
        return await compute.readSchema(id, database_name, format);
      },
    });
    await ask(busy);
    await ask(busy);
    const id = await ask(other);
    const unanswered = async () => {
      const rows = await plane.db.selectFrom("schema_readings").select("id").where("answer", "is", null).execute();
      return rows.map((row) => row.id);
    };
    const run = jobNamed(plane.reconcilers({ compute: slow }), "schemas").run(new AbortController().signal);
    try {
      await waitFor("the answer", async () => !(await unanswered()).includes(id));
      assert.equal((await unanswered()).length, 2);
    } finally {
      gate.resolve();
      await run;
    }
    assert.deepEqual(await unanswered(), []);
  });
});
