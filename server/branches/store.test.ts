import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Annotation } from "@latchkey/contract/annotations.ts";
import { createProject, openPlane, type Plane } from "../jobs/test-plane.ts";

interface Listed {
  readonly branches: { id: string; name: string; default: boolean }[];
  readonly annotations: Record<string, Annotation>;
  readonly pagination?: { next?: string; sort_by: string; sort_order: string };
}

describe("the branches of a project", () => {
  let plane: Plane;
  let path: string;
  before(async () => {
    plane = await openPlane();
    const { project } = await createProject(plane);
    path = `/projects/${project.id}/branches`;
    await plane.db.transaction().execute(async (tx) => {
      for (const [n, name] of ["Delta", "alpha", "echo_1", "bravo", "charlie"].entries()) {
        await tx
          .insertInto("branches")
          .values({
            id: `br-test-branch-0000000${n}`,
            project_id: project.id,
            node_id: "elsewhere",
            name,
            is_default: false,
            current_state: "ready",
            storage_id: `br-test-branch-0000000${n}`,
            parent_id: null,
            expires_at: null,
            ttl_interval_seconds: null,
            admin_password: Buffer.alloc(0),
            admin_password_of: "",
            logical_size: null,
            created_by: null,
          })
          .execute();
      }
    });
  });
  after(() => plane.close());

  const list = (query = "") => plane.call<Listed>("GET", `${path}?${query}`);

  it("are all listed where no limit is given, with the map of annotations that the neon CLI reads", async () => {
    const { body } = await list();
    assert.equal(body.branches.length, 6);
    assert.deepEqual(body.annotations, {});
    assert.deepEqual(body.pagination, { sort_by: "updated_at", sort_order: "desc" });
  });

  it("carry what the tool that made them has noted, whatever text that is", async () => {
    const { project, branch: root } = await createProject(plane, { branch: { annotations: { origin: "a template" } } });
    await plane.carryOut();
    const at = `/projects/${project.id}/branches`;
    const noted = { "github-commit-ref": "feature/ü-🗝", "a b": "", message: 'two\nlines, "quoted" \\u0000' };
    const made = await plane.call<{ branch: { id: string } }>("POST", at, { body: { annotation_value: noted } });
    const { branch } = made.body;
    const other = await plane.call<{ branch: { id: string } }>("POST", at, { body: { annotation_value: {} } });
    const one = await plane.call<{ annotation: Annotation }>("GET", `${at}/${branch.id}`);
    const { object, value, created_at = "" } = one.body.annotation;
    assert.deepEqual([object, value], [{ type: "console/branch", id: branch.id }, noted]);
    assert.ok(Math.abs(Date.now() - Date.parse(created_at)) < 60_000);
    const { annotations } = (await plane.call<Listed>("GET", at)).body;
    assert.deepEqual(Object.keys(annotations).toSorted(), [root.id, branch.id].toSorted());
    assert.deepEqual(annotations[branch.id], one.body.annotation);
    assert.deepEqual(annotations[root.id]?.value, { origin: "a template" });
    const none = await plane.call<{ annotation: Annotation }>("GET", `${at}/${other.body.branch.id}`);
    assert.deepEqual(none.body.annotation, { object: { type: "console/branch", id: other.body.branch.id }, value: {} });
  });

  for (const [what, annotation_value] of [
    ["that is no text", { n: 1 }],
    ["without a name", { "": "x" }],
    ["that PostgreSQL cannot keep", { n: "a\u0000b" }],
    ["with a line break in its name", { "a\nb": "x" }],
    ["beyond a hundred", Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`n${n}`, "x"]))],
  ] as const) {
    it(`are not made with a note ${what}`, async () => {
      const before = (await list()).body.branches.length;
      const { status, body } = await plane.call<{ message: string }>("POST", path, { body: { annotation_value } });
      assert.equal(status, 400);
      assert.match(body.message, /annotation_value/);
      assert.equal((await list()).body.branches.length, before);
    });
  }

  for (const sort_by of ["name", "created_at", "updated_at"]) {
    for (const sort_order of ["asc", "desc"]) {
      it(`are paged by ${sort_by} ${sort_order} without a gap or a repetition`, async () => {
        const order = `sort_by=${sort_by}&sort_order=${sort_order}`;
        const whole = (await list(order)).body.branches.map(({ id }) => id);
        const paged: string[] = [];
        let next: string | undefined;
        do {
          // The cursor knows its order: a client may leave it out.
          const { status, body } = await list(next === undefined ? `${order}&limit=2` : `limit=2&cursor=${next}`);
          assert.equal(status, 200);
          paged.push(...body.branches.map(({ id }) => id));
          next = body.pagination?.next;
        } while (next !== undefined);
        assert.deepEqual(paged, whole);
        assert.equal(new Set(paged).size, 6);
      });
    }
  }

  it("are found by a part of the name in any case, taken literally", async () => {
    assert.deepEqual(
      (await list("search=DELT")).body.branches.map(({ name }) => name),
      ["Delta"],
    );
    assert.deepEqual(
      (await list("search=_")).body.branches.map(({ name }) => name),
      ["echo_1"],
    );
    assert.equal((await plane.call<{ count: number }>("GET", `${path}/count?search=DELT`)).body.count, 1);
    assert.equal((await plane.call<{ count: number }>("GET", `${path}/count`)).body.count, 6);
  });

  it("are not paged by a cursor that this list did not give", async () => {
    const forged = (position: unknown) => Buffer.from(JSON.stringify(position)).toString("base64url");
    for (const cursor of [
      "x",
      forged(["id", "asc", "a", "b"]),
      forged(["constructor", "asc", "a", "b"]),
      forged(["name", "sideways", "a", "b"]),
      forged(["created_at", "asc", "not a date", "b"]),
      forged({}),
    ]) {
      assert.equal((await list(`cursor=${cursor}`)).status, 400, cursor);
    }
  });
});
