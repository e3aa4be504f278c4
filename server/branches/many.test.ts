import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type CreatedProject, openPlaneWithProject, type Plane, queryAsClient } from "../jobs/test-plane.ts";

interface Made {
  readonly branch: { id: string; name: string; parent_id?: string; current_state: string };
  readonly connection_uris?: [{ connection_uri: string }];
}

describe("many branches", () => {
  let plane: Plane;
  let root: CreatedProject;
  let path: string;
  let uri: string;
  before(async () => {
    ({ plane, root, uri } = await openPlaneWithProject());
    path = `/projects/${root.project.id}/branches`;
    await queryAsClient(uri, "create table levels (level int)");
  });
  after(() => plane.close());

  const carryOut = () => plane.carryOut();
  const create = async (branch: object, endpoints: object[] = [{ type: "read_write" }]) => {
    const made = await plane.call<Made>("POST", path, { body: { branch, endpoints } });
    assert.equal(made.status, 201);
    return made.body;
  };
  const levels = async (at: string) =>
    (await queryAsClient(at, "select level from levels order by level")).map(({ level }) => level);

  it("a branch of a branch, five deep: each has what its ancestors had then, and nothing that came later", async () => {
    const line = [{ id: root.branch.id, uri }];
    for (let level = 1; level <= 5; level++) {
      const parent = line.at(-1) as { id: string; uri: string };
      await queryAsClient(parent.uri, `insert into levels values (${level})`);
      const made = await create({ parent_id: parent.id });
      await carryOut();
      await queryAsClient(parent.uri, `insert into levels values (${level * 100})`);
      line.push({ id: made.branch.id, uri: made.connection_uris?.[0].connection_uri ?? "" });
    }
    for (const [depth, branch] of line.entries()) {
      const inherited = Array.from({ length: depth }, (_, n) => n + 1);
      const own = depth < 5 ? [depth + 1, (depth + 1) * 100] : [];
      assert.deepEqual(await levels(branch.uri), [...inherited, ...own], `depth ${depth}`);
    }
    for (const { id } of line.slice(1, -1)) assert.equal((await plane.call("DELETE", `${path}/${id}`)).status, 422);
    for (const { id } of line.slice(1).reverse()) {
      assert.equal((await plane.call("DELETE", `${path}/${id}`)).status, 200);
      await carryOut();
    }
    assert.deepEqual((await plane.onMachine()).branches, [root.branch.id]);
  });

  it("fifty branches at once: all are made whole, each its own", async () => {
    const expected = await levels(uri);
    const names = Array.from({ length: 50 }, (_, n) => `at once ${n}`);
    // Some with a compute: fifty servers would test this machine, not us.
    const made = await Promise.all(
      names.map((name, n) => create({ name }, n % 10 === 0 ? [{ type: "read_write" }] : [])),
    );
    await carryOut();
    const { body } = await plane.call<{ branches: Made["branch"][] }>("GET", path);
    assert.equal(body.branches.length, 51);
    assert.ok(body.branches.every(({ current_state }) => current_state === "ready"));
    const stored = new Set((await plane.onMachine()).branches);
    for (const { branch } of made) assert.ok(stored.has(branch.id), branch.name);
    for (const { connection_uris, branch } of made) {
      if (!connection_uris) continue;
      const [{ connection_uri }] = connection_uris;
      assert.deepEqual(await levels(connection_uri), expected);
      await queryAsClient(connection_uri, `comment on table levels is '${branch.name}'`);
    }
    assert.deepEqual(await queryAsClient(uri, "select obj_description('levels'::regclass) as comment"), [
      { comment: null },
    ]);
    const gone = await Promise.all(made.map(({ branch }) => plane.call("DELETE", `${path}/${branch.id}`)));
    assert.ok(gone.every(({ status }) => status === 200));
    await carryOut();
    assert.deepEqual(await plane.onMachine(), { computes: [root.endpoints[0].id], branches: [root.branch.id] });
  });
});
