import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createProject, openPlane, type Plane } from "../jobs/test-plane.ts";

describe("the operations of a project", () => {
  let plane: Plane;
  before(async () => {
    plane = await openPlane();
  });
  after(() => plane.close());

  it("are listed newest first, with a cursor until the empty page", async () => {
    const { project, operations } = await createProject(plane);
    await createProject(plane);
    const seen: string[] = [];
    let pages = 0;
    let cursor: string | undefined;
    do {
      const query = `limit=1${cursor === undefined ? "" : `&cursor=${cursor}`}`;
      const { body } = await plane.call<{ operations: { id: string }[]; pagination?: { cursor: string } }>(
        "GET",
        `/projects/${project.id}/operations?${query}`,
      );
      seen.push(...body.operations.map(({ id }) => id));
      cursor = body.pagination?.cursor;
      pages++;
    } while (cursor !== undefined);
    assert.equal(pages, 3);
    assert.deepEqual(seen, operations.map(({ id }) => id).toReversed());
  });

  it("are not paged by a cursor that this list did not give", async () => {
    const { project } = await createProject(plane);
    for (const position of [["x"], [""], ["1e9999"], ["9999999999999999999"], ["1.5"], ["1", "2"]]) {
      const cursor = Buffer.from(JSON.stringify(position)).toString("base64url");
      const { status } = await plane.call("GET", `/projects/${project.id}/operations?cursor=${cursor}`);
      assert.equal(status, 400, JSON.stringify(position));
    }
  });
});
