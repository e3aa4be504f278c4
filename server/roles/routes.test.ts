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
  readonly role: { name: string; password?: string; authentication_method: string };
  readonly operations: { id: string; action: string; status: string }[];
}
interface Refusal {
  readonly message: string;
}

/** Names that every layer between a request and `pg_authid` has a way of getting wrong. */
const HOSTILE = [
  `o'"; DROP ROLE x; --`,
  "Ünïcode 日本",
  "  spaces ",
  "select",
  "a".repeat(63),
  "%s$1\\",
  "\n",
  "a/b?c#d&e%2F",
];

describe("the roles of a branch", () => {
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
  const roleAt = (name: string) => `${path}/roles/${encodeURIComponent(name)}`;
  const create = (role: object) => plane.call<Answer & Refusal>("POST", `${path}/roles`, { body: { role } });
  const whoAmI = async (role: string, password: string) =>
    (await queryAsClient(connectAs(uri, { role, password }), "select current_user::text as role"))[0]?.role;

  async function remove(name: string): Promise<void> {
    assert.equal((await plane.call("DELETE", roleAt(name))).status, 200);
    await carryOut();
  }

  it("are made at once, and can log in once the operation has finished", async () => {
    const { status, body } = await create({ name: "sally" });
    assert.equal(status, 201);
    assert.deepEqual(
      body.operations.map(({ action, status }) => [action, status]),
      [["apply_config", "scheduling"]],
    );
    const { password = "" } = body.role;
    assert.ok(password.startsWith("npg_"));
    await assert.rejects(whoAmI("sally", password), { code: "28P01" });
    await carryOut();
    const operation = await plane.call<{ operation: { status: string } }>(
      "GET",
      `/projects/${made.project.id}/operations/${body.operations[0]?.id}`,
    );
    assert.equal(operation.body.operation.status, "finished");
    assert.equal(await whoAmI("sally", password), "sally");
    const revealed = await plane.call<{ password: string }>("GET", `${roleAt("sally")}/reveal_password`);
    assert.equal(revealed.body.password, password);
    await remove("sally");
  });

  it("may have any name that Postgres can hold, from the request to the connection and to the deletion", async () => {
    for (const name of HOSTILE) {
      const { status, body } = await create({ name });
      assert.equal(status, 201, JSON.stringify(name));
      await carryOut();
      assert.equal(await whoAmI(name, body.role.password ?? ""), name);
      assert.equal((await plane.call<Answer>("GET", roleAt(name))).body.role.name, name);
      await remove(name);
      assert.equal((await plane.call("GET", roleAt(name))).status, 404);
    }
  });

  it("have names of their own, and none that is reserved or that Postgres would cut", async () => {
    assert.equal((await create({ name: "neondb_owner" })).status, 409);
    for (const name of ["latchkey_admin", "neon_superuser", "pg_monitor", "public", "none", "é".repeat(32)]) {
      assert.equal((await create({ name })).status, 400, name);
    }
  });

  it("have no more power than Neon's roles have", async () => {
    const { body } = await create({ name: "modest" });
    await carryOut();
    const rows = await queryAsClient(
      connectAs(uri, { role: "modest", password: body.role.password ?? "" }),
      "select rolsuper, rolreplication, rolcreatedb, rolcreaterole, rolbypassrls from pg_roles where rolname = current_user",
    );
    assert.deepEqual(rows, [
      { rolsuper: false, rolreplication: false, rolcreatedb: true, rolcreaterole: true, rolbypassrls: true },
    ]);
    await remove("modest");
  });

  it("without login have no password, to reveal or to reset, and cannot connect", async () => {
    const { body } = await create({ name: "group", no_login: true });
    assert.equal(body.role.password, undefined);
    assert.equal(body.role.authentication_method, "no_login");
    await carryOut();
    await assert.rejects(whoAmI("group", "anything"), { code: "28P01" });
    assert.equal((await plane.call("GET", `${roleAt("group")}/reveal_password`)).status, 404);
    assert.equal((await plane.call("POST", `${roleAt("group")}/reset_password`)).status, 422);
    await remove("group");
  });

  it("keep their old password until a reset has been carried out, and then have the new one alone", async () => {
    const old = (await create({ name: "resetter" })).body.role.password ?? "";
    await carryOut();
    const reset = await plane.call<Answer>("POST", `${roleAt("resetter")}/reset_password`);
    assert.equal(reset.status, 200);
    const { password = "" } = reset.body.role;
    assert.notEqual(password, old);
    assert.equal(await whoAmI("resetter", old), "resetter");
    await carryOut();
    await assert.rejects(whoAmI("resetter", old), { code: "28P01" });
    assert.equal(await whoAmI("resetter", password), "resetter");
    await remove("resetter");
  });

  it("are not changed while an operation on their branch is open", async () => {
    await create({ name: "first" });
    for (const attempt of [
      create({ name: "second" }),
      plane.call<Refusal>("DELETE", roleAt("first")),
      plane.call<Refusal>("POST", `${roleAt("first")}/reset_password`),
    ]) {
      const { status, body } = await attempt;
      assert.equal(status, 423);
      assert.match(body.message, /already has running conflicting operations/);
    }
    await carryOut();
    await remove("first");
  });

  it("that own a database are not deleted, and the refusal names what they own", async () => {
    const refused = await plane.call<Refusal>("DELETE", roleAt("neondb_owner"));
    assert.equal(refused.status, 422);
    assert.match(refused.body.message, /owns the database "neondb"/);
  });

  it("leave what they owned inside a database to its owner when they are deleted", async () => {
    const { body } = await create({ name: "leaver" });
    await carryOut();
    await queryAsClient(uri, "grant create on schema public to leaver");
    const leaver = connectAs(uri, { role: "leaver", password: body.role.password ?? "" });
    await queryAsClient(leaver, "create table legacy as select 1 as n");
    await remove("leaver");
    const rows = await queryAsClient(uri, "select tableowner::text as owner from pg_tables where tablename = 'legacy'");
    assert.deepEqual(rows, [{ owner: "neondb_owner" }]);
    assert.equal((await plane.call("DELETE", roleAt("leaver"))).status, 404);
  });

  it("change on a suspended compute too, which rests again afterwards", async () => {
    const endpoint = `/projects/${made.project.id}/endpoints/${made.endpoints[0].id}`;
    const state = async () =>
      (await plane.call<{ endpoint: { current_state: string } }>("GET", endpoint)).body.endpoint;
    assert.equal((await plane.call("POST", `${endpoint}/suspend`)).status, 200);
    await carryOut();
    assert.equal((await state()).current_state, "idle");
    const { body } = await create({ name: "sleeper" });
    await carryOut();
    assert.equal((await state()).current_state, "idle");
    assert.equal((await plane.call("POST", `${endpoint}/start`)).status, 200);
    await carryOut();
    assert.equal(await whoAmI("sleeper", body.role.password ?? ""), "sleeper");
    await remove("sleeper");
  });

  it("have passwords and verifiers that no log and no column of the database shows", async () => {
    const { body } = await create({ name: "secretive" });
    await carryOut();
    const { password = "" } = body.role;
    const rows = await plane.db.selectFrom("roles").selectAll().execute();
    const dump = JSON.stringify(rows.map((row) => ({ ...row, password: row.password?.toString("latin1") })));
    assert.ok(!dump.includes(password) && !plane.logged().includes(password));
    assert.ok(!plane.logged().includes("SCRAM-SHA-256$"));
    await remove("secretive");
  });
});
