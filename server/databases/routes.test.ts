import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type CreatedProject,
  connectAs,
  createProject,
  openPlane,
  type Plane,
  queryAsClient,
} from "../jobs/test-plane.ts";

interface Answer {
  readonly database: { id: number; name: string; owner_name: string };
  readonly operations: { action: string }[];
}
interface Refusal {
  readonly message: string;
}

const HOSTILE = [`d'"; DROP DATABASE x; --`, "Ünïcode 日本", "  spaces ", "select", "b".repeat(63), "%s$1\\", "\n"];

describe("the databases of a branch", () => {
  let plane: Plane;
  let made: CreatedProject;
  let uri: string;
  let path: string;
  before(async () => {
    plane = await openPlane();
    made = await createProject(plane);
    await carryOut();
    uri = made.connection_uris[0].connection_uri;
    path = `/projects/${made.project.id}/branches/${made.branch.id}`;
  });
  after(() => plane.close());

  const carryOut = () => plane.carryOut();
  const at = (name: string) => `${path}/databases/${encodeURIComponent(name)}`;
  const create = (name: string, owner_name = "neondb_owner") =>
    plane.call<Answer & Refusal>("POST", `${path}/databases`, { body: { database: { name, owner_name } } });
  const update = (name: string, database: object) =>
    plane.call<Answer & Refusal>("PATCH", at(name), { body: { database } });
  const look = (database: string) =>
    queryAsClient(
      connectAs(uri, { database }),
      "select current_database()::text as name, pg_get_userbyid(datdba)::text as owner from pg_database where datname = current_database()",
    );

  async function remove(name: string): Promise<void> {
    assert.equal((await plane.call("DELETE", at(name))).status, 200);
    await carryOut();
  }

  it("are made with any name that Postgres can hold, and are gone after their deletion", async () => {
    for (const name of HOSTILE) {
      const { status, body } = await create(name);
      assert.equal(status, 201, JSON.stringify(name));
      assert.deepEqual(
        body.operations.map(({ action }) => action),
        ["apply_config"],
      );
      await carryOut();
      assert.deepEqual(await look(name), [{ name, owner: "neondb_owner" }]);
      await remove(name);
      assert.equal((await plane.call("GET", at(name))).status, 404);
      await assert.rejects(look(name), { code: "3D000" });
    }
  });

  it("have names of their own and owners that there are", async () => {
    assert.equal((await create("neondb")).status, 409);
    assert.equal((await create("orphan", "nobody")).status, 422);
    for (const name of ["postgres", "template1", "latchkey_spare", "é".repeat(32)]) {
      assert.equal((await create(name)).status, 400, name);
    }
  });

  it("are renamed with what is in them, under the eyes of their sessions", async () => {
    await create("before");
    await carryOut();
    await queryAsClient(connectAs(uri, { database: "before" }), "create table kept as select 42 as n");
    const sleeping = assert.rejects(queryAsClient(connectAs(uri, { database: "before" }), "select pg_sleep(60)"));
    const { status, body } = await update("before", { name: "after" });
    assert.equal(status, 200);
    assert.equal(body.database.name, "after");
    await carryOut();
    await sleeping;
    assert.deepEqual(await queryAsClient(connectAs(uri, { database: "after" }), "select n from kept"), [{ n: 42 }]);
    await assert.rejects(look("before"), { code: "3D000" });
    assert.equal((await plane.call("GET", at("before"))).status, 404);
    await remove("after");
  });

  it("change their owner, and are left alone by a change to what they are", async () => {
    await plane.call("POST", `${path}/roles`, { body: { role: { name: "heir" } } });
    await carryOut();
    await create("estate");
    await carryOut();
    assert.deepEqual((await update("estate", { owner_name: "neondb_owner" })).body.operations, []);
    assert.equal((await update("estate", { owner_name: "heir" })).body.database.owner_name, "heir");
    await carryOut();
    assert.deepEqual(await look("estate"), [{ name: "estate", owner: "heir" }]);
    assert.equal((await update("estate", { owner_name: "nobody" })).status, 422);
    assert.equal((await update("estate", { name: "neondb" })).status, 409);
    await remove("estate");
  });

  it("are not changed while an operation on their branch is open", async () => {
    await create("busy");
    assert.equal((await create("other")).status, 423);
    assert.equal((await update("busy", { name: "idle" })).status, 423);
    assert.equal((await plane.call("DELETE", at("busy"))).status, 423);
    await carryOut();
    await remove("busy");
  });
});
