import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { type CreatedProject, openPlaneWithProject, type Plane, queryAsClient } from "../jobs/test-plane.ts";
import { checkRoleName } from "./names.ts";

const RUNS = Number(process.env.NAME_RUNS ?? 12);

/** What URLs, SQL, shells and PostgreSQL itself read as something else than a name. */
const name = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
  fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
  fc.string({ unit: fc.constantFrom(".", "/", "\\", "%", "2", "e", " "), minLength: 1, maxLength: 4 }),
  fc.constantFrom(
    "...",
    "./",
    "../x",
    "%2e",
    "%2E%2e",
    "a?b",
    "#",
    "a:b@c",
    "\u202e",
    "\u007f",
    "\t",
    "+",
    "x".repeat(63),
  ),
);

describe("names of roles and databases", () => {
  let plane: Plane;
  let root: CreatedProject;
  let path: string;
  before(async () => {
    ({ plane, root } = await openPlaneWithProject());
    path = `/projects/${root.project.id}/branches/${root.branch.id}`;
  });
  after(() => plane.close());

  const carryOut = () => plane.carryOut();
  /** As every URL client reads it: segments of dots are gone before anything is sent. */
  const at = (list: string, name: string) =>
    new URL(`http://x${path}/${list}/${encodeURIComponent(name)}`).pathname as string;

  it("that a URL cannot carry are refused, and the refusal says why", async () => {
    for (const dots of [".", ".."]) {
      for (const [list, body] of [
        ["roles", { role: { name: dots } }],
        ["databases", { database: { name: dots, owner_name: "neondb_owner" } }],
      ] as const) {
        const { status, body: answer } = await plane.call<{ message: string }>("POST", `${path}/${list}`, { body });
        assert.equal(status, 400, `${list} ${dots}`);
        assert.match(answer.message, /"name" .* URL/);
      }
      const rename = { body: { database: { name: dots } } };
      assert.equal((await plane.call("PATCH", `${path}/databases/neondb`, rename)).status, 400);
      for (const branch of [{ role_name: dots }, { database_name: dots }]) {
        const project = { org_id: plane.org_id, branch };
        assert.equal((await plane.call("POST", "/projects", { body: { project } })).status, 400);
      }
    }
  });

  it("whatever is accepted can be read back, connected to and deleted through a URL", async () => {
    let accepted = 0;
    const property = fc.asyncProperty(name, async (name) => {
      const role = await plane.call("POST", `${path}/roles`, { body: { role: { name } } });
      if (role.status !== 201) {
        assert.equal(role.status, 400);
        if (name.isWellFormed() && !name.includes("\0")) assert.throws(() => checkRoleName(name, "name"));
        return;
      }
      accepted += 1;
      await carryOut();
      const database = { name, owner_name: name };
      assert.equal((await plane.call("POST", `${path}/databases`, { body: { database } })).status, 201);
      await carryOut();

      const read = await plane.call<{ role: { name: string } }>("GET", at("roles", name));
      assert.equal(read.body.role?.name, name);
      const found = await plane.call<{ database: { name: string } }>("GET", at("databases", name));
      assert.equal(found.body.database?.name, name);
      const query = new URLSearchParams({ database_name: name, role_name: name });
      const connection = `/projects/${root.project.id}/connection_uri?${query}`;
      const { uri } = (await plane.call<{ uri: string }>("GET", connection)).body;
      const rows = await queryAsClient(uri, "select current_user::text as role, current_database()::text as database");
      assert.deepEqual(rows, [{ role: name, database: name }]);

      for (const list of ["databases", "roles"]) {
        assert.equal((await plane.call("DELETE", at(list, name))).status, 200, list);
        await carryOut();
        assert.equal((await plane.call("GET", at(list, name))).status, 404, list);
      }
    });
    await fc.assert(property, { numRuns: RUNS, endOnFailure: true });
    assert.ok(accepted > RUNS / 3, `only ${accepted} names were accepted`);
  });
});
