import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { StoppedAtStep } from "../jobs/deps.ts";
import {
  type CreatedProject,
  connectAs,
  createProject,
  jobNamed,
  openPlane,
  type Plane,
  queryAsClient,
  runOnce,
} from "../jobs/test-plane.ts";

interface Made {
  readonly branch: { id: string };
  readonly endpoints: { id: string; host: string }[];
  readonly connection_uris?: [{ connection_uri: string }];
  readonly message: string;
}

const REFUSED = { code: "28P01" };

describe("a branch of a protected one", () => {
  let plane: Plane;
  let root: CreatedProject;
  let uri: string;
  let path: string;
  before(async () => {
    plane = await openPlane();
    root = await createProject(plane);
    await plane.carryOut();
    uri = root.connection_uris[0].connection_uri;
    path = `/projects/${root.project.id}/branches`;
    await protect(root.branch.id, true);
  });
  after(() => plane.close());

  const carryOut = () => plane.carryOut();
  const sql = (text: string, as = uri) => queryAsClient(as, text);
  const whoAmI = async (as: string) => (await sql("select current_user::text as name", as))[0]?.name;

  async function protect(id: string, wanted: boolean): Promise<void> {
    const { status } = await plane.call("PATCH", `${path}/${id}`, { body: { branch: { protected: wanted } } });
    assert.equal(status, 200);
  }
  /** Recorded, and not carried out yet. */
  async function record(branch: object = {}, endpoints: object[] = [{ type: "read_write" }]) {
    const { status, body } = await plane.call<Made>("POST", path, {
      body: { branch, endpoints },
    });
    assert.equal(status, 201, body.message);
    const [made] = body.endpoints;
    const at = (login: string) => Object.assign(new URL(login), { host: made?.host ?? "" }).href;
    const { password } = await revealed(body.branch.id, "neondb_owner");
    return { ...body, at, uri: at(connectAs(uri, { password })) };
  }
  async function create(branch: object = {}) {
    const made = await record(branch);
    await carryOut();
    return made;
  }
  async function reset(id: string, source: string, rest: object = {}): Promise<void> {
    const body = { source_branch_id: source, ...rest };
    assert.equal((await plane.call("POST", `${path}/${id}/restore`, { body })).status, 200);
    await carryOut();
  }
  async function revealed(branch: string, role: string): Promise<{ status: number; password: string }> {
    const at = `${path}/${branch}/roles/${role}/reveal_password`;
    const { status, body } = await plane.call<{ password: string }>("GET", at);
    return { status, password: body.password };
  }

  it("has a password of its own, told with it, and the other's opens the other one alone", async () => {
    const child = await create();
    assert.notEqual(new URL(child.uri).password, new URL(uri).password);
    assert.equal(child.connection_uris?.[0].connection_uri, child.uri);
    assert.equal(await whoAmI(child.uri), "neondb_owner");
    await assert.rejects(whoAmI(child.at(uri)), REFUSED);
    assert.equal(await whoAmI(uri), "neondb_owner");
    await assert.rejects(whoAmI(connectAs(uri, { password: new URL(child.uri).password })), REFUSED);
    // Its own branches, which are not of a protected one, have its passwords.
    const grandchild = await create({ parent_id: child.branch.id });
    assert.equal(await whoAmI(grandchild.at(child.uri)), "neondb_owner");
    await assert.rejects(whoAmI(grandchild.at(uri)), REFUSED);
  });

  it("lets in with its own password alone at a compute that a server has started before it died", async () => {
    const child = await record();
    const onStep = (step: string) => {
      if (step === "start_compute:compute_running") throw new Error("killed");
    };
    await assert.rejects(runOnce([jobNamed(plane.reconcilers({ onStep }), "operations")]), StoppedAtStep);
    await jobNamed(plane.reconcilers(), "gateway_ports").run(new AbortController().signal);
    const { compute } = plane.drivers();
    const [endpoint] = child.endpoints;
    const { roles } = await compute.readContent(endpoint?.id ?? "");
    assert.deepEqual(
      roles,
      (await compute.readContent(root.endpoints[0].id)).roles,
      "as the other one, for the moment",
    );
    // First, so that nobody else has made the compute forget the other one.
    assert.equal(await whoAmI(child.uri), "neondb_owner");
    await assert.rejects(whoAmI(child.at(uri)), REFUSED);
    await carryOut();
    // Asleep, it is known by what was seen.
    await plane.call("POST", `/projects/${root.project.id}/endpoints/${endpoint?.id}/suspend`);
    await carryOut();
    await assert.rejects(whoAmI(child.at(uri)), REFUSED);
    assert.equal(await whoAmI(child.uri), "neondb_owner");
  });

  it("hands its own passwords on to a branch that is made of it before anybody has been there", async () => {
    const child = await record({}, []);
    await sql("create role unseen login password 'set with SQL'");
    await carryOut();
    const grandchild = await create({ parent_id: child.branch.id });
    assert.equal(new URL(grandchild.uri).password, new URL(child.uri).password);
    assert.equal(await whoAmI(grandchild.uri), "neondb_owner");
    await assert.rejects(whoAmI(grandchild.at(uri)), REFUSED);
    const unseen = connectAs(uri, { role: "unseen", password: "set with SQL" });
    await assert.rejects(whoAmI(grandchild.at(unseen)), REFUSED);
    assert.equal(await whoAmI(unseen), "unseen");
    await sql("drop role unseen");
    await carryOut();
  });

  it("has them for roles too whose password was set with SQL, and none for those that nobody here knew of", async () => {
    await sql("create role known login password 'set with SQL'; create role asleep nologin password 'set with SQL'");
    await sql("create role renamed login password 'set with SQL'");
    await carryOut();
    assert.equal((await revealed(root.branch.id, "known")).status, 412);
    const child = await record();
    // Made, renamed and changed after the rows were copied, and before the data is.
    await sql("create role unseen login password 'set with SQL'; alter role known password 'set again'");
    await sql("alter role renamed rename to called");
    await carryOut();
    const as = (role: string, password: string) => child.at(connectAs(uri, { role, password }));
    const { password } = await revealed(child.branch.id, "known");
    assert.equal(await whoAmI(as("known", password)), "known");
    for (const old of ["set with SQL", "set again"]) await assert.rejects(whoAmI(as("known", old)), REFUSED);
    for (const role of ["unseen", "called"]) await assert.rejects(whoAmI(as(role, "set with SQL")), REFUSED);
    // It is one that its people may put to use again, without the password that it had.
    await sql("alter role asleep login", child.uri);
    await assert.rejects(whoAmI(as("asleep", "set with SQL")), REFUSED);
    await carryOut();
    const given = await plane.call<{ role: { password: string } }>(
      "POST",
      `${path}/${child.branch.id}/roles/unseen/reset_password`,
    );
    await carryOut();
    assert.equal(await whoAmI(as("unseen", given.body.role.password)), "unseen");
    // The other one is as it was.
    assert.equal(await whoAmI(connectAs(uri, { role: "known", password: "set again" })), "known");
    assert.equal(await whoAmI(connectAs(uri, { role: "unseen", password: "set with SQL" })), "unseen");
    for (const role of ["known", "asleep", "unseen", "called"]) await sql(`drop role ${role}`);
    await carryOut();
  });

  it("has passwords that stay when something else is changed, by the API or with SQL", async () => {
    const child = await create();
    await sql("alter role neondb_owner password 'set with SQL'", child.uri);
    const own = connectAs(child.uri, { password: "set with SQL" });
    const made = await plane.call("POST", `${path}/${child.branch.id}/roles`, { body: { role: { name: "another" } } });
    assert.equal(made.status, 201);
    await carryOut();
    await sql("create role clerk login password 'of the child'", own);
    const database = { database: { name: "more", owner_name: "neondb_owner" } };
    await plane.call("POST", `${path}/${child.branch.id}/databases`, { body: database });
    await carryOut();
    assert.equal(await whoAmI(own), "neondb_owner");
    assert.equal(await whoAmI(connectAs(own, { role: "clerk", password: "of the child" })), "clerk");
  });

  it("has new ones with a schema alone, too", async () => {
    const bare = await create({ init_source: "schema-only" });
    assert.equal(await whoAmI(bare.uri), "neondb_owner");
    await assert.rejects(whoAmI(bare.at(uri)), REFUSED);
  });

  it("keeps the passwords that it had when it is reset, and gets new ones for roles that it had not", async () => {
    const child = await create();
    await sql("create role by_hand login password 'of the child'", child.uri);
    await sql("create role by_hand login password 'of the parent'; create role since login password 'of the parent'");
    await carryOut();
    await sql("create table since_then ()");
    await reset(child.branch.id, root.branch.id);
    assert.deepEqual(await sql("select from since_then", child.uri), []);
    await assert.rejects(whoAmI(child.at(uri)), REFUSED);
    const as = (role: string, password: string) => child.at(connectAs(uri, { role, password }));
    assert.equal(await whoAmI(as("by_hand", "of the child")), "by_hand");
    assert.equal((await revealed(child.branch.id, "by_hand")).status, 412);
    for (const role of ["by_hand", "since"]) await assert.rejects(whoAmI(as(role, "of the parent")), REFUSED);
    assert.equal(await whoAmI(as("since", (await revealed(child.branch.id, "since")).password)), "since");

    // What is kept of it has what it had.
    await reset(child.branch.id, root.branch.id, { preserve_under_name: "kept" });
    assert.equal(await whoAmI(child.uri), "neondb_owner");
    assert.equal(await whoAmI(as("by_hand", "of the child")), "by_hand");
    for (const role of ["by_hand", "since"]) await sql(`drop role ${role}`);
    await carryOut();
  });

  it("has the same passwords as before once the other one is not protected any more", async () => {
    await protect(root.branch.id, false);
    const child = await create();
    assert.equal(child.uri, child.at(uri));
    assert.equal(await whoAmI(child.uri), "neondb_owner");
    const target = await create();
    await sql("alter role neondb_owner password 'of the target'", target.uri);
    await carryOut();
    await reset(target.branch.id, root.branch.id);
    assert.equal(await whoAmI(target.at(uri)), "neondb_owner");
    await protect(root.branch.id, true);
  });
});
