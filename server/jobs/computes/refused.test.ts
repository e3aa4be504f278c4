import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type CreatedProject,
  connectAs,
  jobNamed,
  openPlaneWithProject,
  type Plane,
  queryAsClient,
  replacing,
  runOnce,
} from "../test-plane.ts";

interface Answer {
  readonly role: { password: string };
  readonly roles: { name: string }[];
  readonly databases: { name: string }[];
  readonly operations: { id: string }[];
  readonly operation: { status: string; error?: string; failures_count: number };
}

describe("a change of roles or databases that PostgreSQL refuses", () => {
  let plane: Plane;
  let root: CreatedProject;
  let uri: string;
  let path: string;
  before(async () => {
    ({ plane, root, uri } = await openPlaneWithProject());
    path = `/projects/${root.project.id}/branches/${root.branch.id}`;
    // What it owns cannot be given away: nobody gets in there.
    const role = await change("POST", `${path}/roles`, { role: { name: "stubborn" } });
    await queryAsClient(uri, "create database closed");
    await queryAsClient(connectAs(uri, { database: "closed" }), "grant create on schema public to stubborn");
    const as = { role: "stubborn", password: role.body.role.password, database: "closed" };
    await queryAsClient(connectAs(uri, as), "create table kept (n int)");
    await queryAsClient(uri, "alter database closed allow_connections false");
  });
  after(() => plane.close());

  async function change(method: "POST" | "PATCH" | "DELETE", at: string, body?: object) {
    const answer = await plane.call<Answer>(method, at, body === undefined ? {} : { body });
    await plane.carryOut();
    const id = answer.body.operations?.[0]?.id;
    const { operation } = (await plane.call<Answer>("GET", `/projects/${root.project.id}/operations/${id}`)).body;
    return { ...answer, operation };
  }
  const names = async () => {
    const of = async (what: "roles" | "databases") => {
      return (await plane.call<Answer>("GET", `${path}/${what}`)).body[what].map(({ name }) => name).toSorted();
    };
    return { roles: await of("roles"), databases: await of("databases") };
  };
  const stateOf = async () => (await plane.drivers().compute.status(root.endpoints[0].id))?.state;
  const all = { roles: ["neondb_owner", "stubborn"], databases: ["closed", "neondb"] };

  it("fails with PostgreSQL's reason, and stands in nobody's way afterwards", async () => {
    const { status, operation } = await change("DELETE", `${path}/roles/stubborn`);
    assert.equal(status, 200);
    assert.deepEqual([operation.status, operation.failures_count], ["failed", 1]);
    assert.match(operation.error ?? "", /role "stubborn" cannot be dropped because some objects depend on it/);
    assert.match(operation.error ?? "", /database closed/);
    assert.deepEqual(await names(), all, "what is there still is told");
    assert.deepEqual(await queryAsClient(uri, "select 1 as n"), [{ n: 1 }]);
    const next = await change("POST", `${path}/roles`, { role: { name: "next" } });
    assert.equal(next.operation.status, "finished");
    assert.equal((await change("DELETE", `${path}/roles/next`)).operation.status, "finished");
    assert.deepEqual(await names(), all);
  });

  it("leaves a compute that rests at rest, and clients wake it", async () => {
    await change("POST", `/projects/${root.project.id}/endpoints/${root.endpoints[0].id}/suspend`);
    const { operation } = await change("DELETE", `${path}/roles/stubborn`);
    assert.equal(operation.status, "failed");
    assert.equal(await stateOf(), "stopped");
    assert.deepEqual(await queryAsClient(uri, "select 1 as n"), [{ n: 1 }]);
  });

  it("or that cannot be tried now, is not left with a compute that runs unseen", async () => {
    await change("POST", `/projects/${root.project.id}/endpoints/${root.endpoints[0].id}/suspend`);
    assert.equal((await plane.call("POST", `${path}/roles`, { body: { role: { name: "late" } } })).status, 201);
    const { compute } = plane.drivers();
    const broken = replacing(compute, { apply: () => Promise.reject(new Error("the connection was lost")) });
    await runOnce([jobNamed(plane.reconcilers({ compute: broken }), "operations")]);
    assert.equal(await stateOf(), "stopped");
    await plane.carryOut();
    assert.deepEqual((await names()).roles, ["late", ...all.roles]);
  });

  it("when a database is renamed leaves it open to its people, under the name that it has", async () => {
    await change("PATCH", `/projects/${root.project.id}/endpoints/${root.endpoints[0].id}`, {
      endpoint: { settings: { pg_settings: { max_prepared_transactions: "2" } } },
    });
    await queryAsClient(uri, "create database ledger");
    await plane.carryOut();
    const inside = connectAs(uri, { database: "ledger" });
    await queryAsClient(inside, "begin; create table t (n int); prepare transaction 'orphan'");
    const { operation } = await change("PATCH", `${path}/databases/ledger`, { database: { name: "books" } });
    assert.equal(operation.status, "failed");
    assert.match(operation.error ?? "", /"ledger" is being accessed by other users.*prepared transaction/);
    assert.deepEqual((await names()).databases, ["closed", "ledger", "neondb"]);
    await queryAsClient(inside, "rollback prepared 'orphan'");
    const again = await change("PATCH", `${path}/databases/ledger`, { database: { name: "books" } });
    assert.equal(again.operation.status, "finished");
    assert.deepEqual((await names()).databases, ["books", "closed", "neondb"]);
  });
});
