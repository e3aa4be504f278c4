import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
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

interface Branch {
  readonly id: string;
  readonly name: string;
  readonly parent_id?: string;
  readonly parent_lsn?: string;
  readonly parent_timestamp?: string;
  readonly current_state: string;
  readonly default: boolean;
  readonly protected: boolean;
  readonly expires_at?: string;
  readonly last_reset_at?: string;
  readonly copy_method?: string;
  readonly copied_bytes?: number;
}
interface Made {
  readonly branch: Branch;
  readonly endpoints: { id: string; host: string }[];
  readonly operations: { id: string; action: string; status: string }[];
  readonly roles: object[];
  readonly databases: { name: string }[];
  readonly connection_uris?: [{ connection_uri: string }];
}
interface Refusal {
  readonly message: string;
}

const HOUR_MS = 3_600_000;
const COMPUTE = { endpoints: [{ type: "read_write" }] };

describe("branches", () => {
  let plane: Plane;
  let root: CreatedProject;
  let uri: string;
  let path: string;
  before(async () => {
    plane = await openPlane();
    root = await createProject(plane);
    await carryOut();
    uri = root.connection_uris[0].connection_uri;
    path = `/projects/${root.project.id}/branches`;
    await queryAsClient(uri, "create table notes (text text)");
  });
  after(() => plane.close());

  const carryOut = () => plane.carryOut();
  const create = async (branch: object = {}, rest: object = COMPUTE) =>
    await plane.call<Made & Refusal>("POST", path, { body: { branch, ...rest } });
  const get = async (id: string) => (await plane.call<{ branch: Branch }>("GET", `${path}/${id}`)).body.branch;
  const patch = (id: string, branch: object) =>
    plane.call<{ branch: Branch } & Refusal>("PATCH", `${path}/${id}`, { body: { branch } });
  const remove = (id: string) => plane.call<Made & Refusal>("DELETE", `${path}/${id}`);
  const restore = (id: string, body: object) =>
    plane.call<{ branch: Branch } & Refusal>("POST", `${path}/${id}/restore`, { body });
  const uriOf = ({ connection_uris }: Made) =>
    connection_uris?.[0].connection_uri ?? assert.fail("no connection string");
  const notes = async (at: string) =>
    (await queryAsClient(at, "select text from notes order by text")).map(({ text }) => text);
  const write = (at: string, text: string) => queryAsClient(at, `insert into notes values ('${text}')`);

  async function made(branch: object = {}, rest: object = COMPUTE): Promise<Made> {
    const { status, body } = await create(branch, rest);
    assert.equal(status, 201, JSON.stringify(body));
    await carryOut();
    return body;
  }

  async function removeAll(...branches: Made[]): Promise<void> {
    for (const { branch } of branches) {
      const { status, body } = await remove(branch.id);
      assert.equal(status, 200, body.message);
    }
    await carryOut();
    assert.deepEqual((await plane.onMachine()).branches, [root.branch.id]);
  }

  it("have their parent's data, roles and passwords, and go their own way from then on", async () => {
    await write(uri, "shared");
    const { status, body } = await create({ name: "feature" });
    assert.equal(status, 201);
    assert.deepEqual(
      body.operations.map(({ action, status }) => [action, status]),
      [
        ["create_timeline", "scheduling"],
        ["start_compute", "scheduling"],
      ],
    );
    assert.equal(body.branch.current_state, "init");
    assert.equal(body.branch.parent_id, root.branch.id);
    const [, password] = /:(npg_\w+)@/.exec(uri) ?? [];
    assert.ok(uriOf(body).includes(`:${password}@`), "the password is the parent's");
    assert.notEqual(new URL(uriOf(body)).port, new URL(uri).port);
    await carryOut();

    const branch = await get(body.branch.id);
    assert.equal(branch.current_state, "ready");
    assert.match(branch.parent_lsn ?? "", /^[0-9A-F]+\/[0-9A-F]+$/);
    assert.ok(Date.parse(branch.parent_timestamp ?? "") > 0);
    assert.match(branch.copy_method ?? "", /^(copy|reflink)$/);
    assert.ok((branch.copied_bytes ?? -1) >= 0);
    assert.deepEqual(await notes(uriOf(body)), ["shared"]);
    await write(uriOf(body), "child");
    await write(uri, "parent");
    assert.deepEqual(await notes(uriOf(body)), ["child", "shared"]);
    assert.deepEqual(await notes(uri), ["parent", "shared"]);
    await queryAsClient(uri, "truncate notes");
    await removeAll(body);
  });

  it("need no body and no compute, and can be given one later", async () => {
    const { status, body } = await plane.call<Made>("POST", path);
    assert.equal(status, 201);
    assert.deepEqual(body.endpoints, []);
    assert.equal(body.connection_uris, undefined);
    assert.equal(body.branch.name, body.branch.id);
    await carryOut();
    const created = await plane.call<{ endpoint: { id: string; host: string } }>(
      "POST",
      `/projects/${root.project.id}/endpoints`,
      { body: { endpoint: { branch_id: body.branch.id, type: "read_write", name: "later" } } },
    );
    assert.equal(created.status, 201);
    await carryOut();
    const query = `branch_id=${body.branch.id}&database_name=neondb&role_name=neondb_owner`;
    const found = await plane.call<{ uri: string }>("GET", `/projects/${root.project.id}/connection_uri?${query}`);
    assert.deepEqual(await notes(found.body.uri), []);
    await removeAll(body);
  });

  it("can be made of branches, five deep, each with what was there when it was made", async () => {
    const line: Made[] = [];
    for (let depth = 1; depth <= 5; depth++) {
      const parent_id = line.at(-1)?.branch.id ?? root.branch.id;
      const next = await made({ parent_id, name: `depth ${depth}` });
      await write(uriOf(next), `depth ${depth}`);
      line.push(next);
    }
    const [last] = line.slice(-1);
    assert.ok(last);
    assert.deepEqual(await notes(uriOf(last)), ["depth 1", "depth 2", "depth 3", "depth 4", "depth 5"]);
    assert.deepEqual(await notes(uri), []);
    const counted = await plane.call<{ count: number }>("GET", `${path}/count`);
    assert.equal(counted.body.count, 6);
    await removeAllInTurn(line.toReversed());
  });

  async function removeAllInTurn(branches: Made[]): Promise<void> {
    for (const { branch } of branches) {
      assert.equal((await remove(branch.id)).status, 200);
      await carryOut();
    }
    assert.deepEqual((await plane.onMachine()).branches, [root.branch.id]);
  }

  it("have the passwords that were told with them, also where their parent's change before it is copied", async () => {
    const { body } = await create({ name: "slow" });
    const of_child = () => plane.db.updateTable("operations").where("branch_id", "=", body.branch.id);
    const later = new Date(Date.now() + HOUR_MS).toISOString();
    await of_child().set({ retry_at: later }).execute();
    const role = `${path}/${root.branch.id}/roles/neondb_owner`;
    const { body: reset } = await plane.call<{ role: { password: string } }>("POST", `${role}/reset_password`);
    await runOnce(plane.reconcilers());
    const { password } = reset.role;
    uri = connectAs(uri, { role: "neondb_owner", password });
    assert.deepEqual(await notes(uri), []);
    await of_child().set({ retry_at: null }).execute();
    await carryOut();
    assert.deepEqual(await notes(uriOf(body)), []);
    const refused = queryAsClient(connectAs(uriOf(body), { role: "neondb_owner", password }), "select");
    await assert.rejects(refused, { code: "28P01" });
    await removeAll(body);
  });

  it("take an empty name of a parent, and of a backup, for none, as Neon's document has it", async () => {
    const child = await made({ parent_id: "" }, {});
    assert.equal(child.branch.parent_id, root.branch.id);
    const reset = await restore(child.branch.id, { source_branch_id: root.branch.id, preserve_under_name: "" });
    assert.equal(reset.status, 200);
    assert.equal(reset.body.branch.parent_id, root.branch.id);
    await carryOut();
    assert.equal((await plane.onMachine()).branches.length, 2);
    await removeAllInTurnOf([child]);
  });

  it("are made from a suspended parent too, and from one that has never run", async () => {
    const endpoint = `/projects/${root.project.id}/endpoints/${root.endpoints[0].id}`;
    await write(uri, "resting");
    assert.equal((await plane.call("POST", `${endpoint}/suspend`)).status, 200);
    await carryOut();
    const child = await made({}, { endpoints: [] });
    assert.match((await get(child.branch.id)).parent_lsn ?? "", /^[0-9A-F]+\/[0-9A-F]+$/);
    const grandchild = await made({ parent_id: child.branch.id });
    assert.deepEqual(await notes(uriOf(grandchild)), ["resting"]);
    assert.equal((await plane.call("POST", `${endpoint}/start`)).status, 200);
    await carryOut();
    await queryAsClient(uri, "truncate notes");
    await removeAllInTurn([grandchild, child]);
  });

  it("are renamed, protected and given a time to live, each where that makes sense", async () => {
    const { branch } = await made({ name: "one" }, {});
    const other = await made({ name: "two" }, {});
    assert.equal((await create({ name: "one" })).status, 409);
    assert.equal((await patch(branch.id, { name: "two" })).status, 409);
    assert.equal((await patch(branch.id, { name: "renamed" })).body.branch.name, "renamed");

    const later = "2999-01-01T00:00:00Z";
    const timed = await patch(branch.id, { expires_at: later });
    assert.equal(Date.parse(timed.body.branch.expires_at ?? ""), Date.parse(later));
    assert.equal((await patch(branch.id, { protected: true })).status, 422, "it expires");
    assert.equal((await patch(branch.id, { expires_at: null })).body.branch.expires_at, undefined);
    assert.equal((await patch(branch.id, { protected: true })).body.branch.protected, true);
    assert.equal((await patch(branch.id, { expires_at: later })).status, 422, "it is protected");
    assert.equal((await remove(branch.id)).status, 422);
    assert.equal((await restore(branch.id, { source_branch_id: root.branch.id })).status, 422);
    assert.equal((await plane.call("DELETE", `/projects/${root.project.id}`)).status, 422);
    assert.equal((await patch(branch.id, { protected: false })).status, 200);
    assert.equal((await patch(branch.id, { expires_at: "2001-01-01T00:00:00Z" })).status, 400);
    assert.equal((await patch(root.branch.id, { expires_at: later })).status, 422, "it is the default one");
    await removeAll({ ...other, branch }, other);
  });

  it("are protected, or given a time to live, from the moment they are made", async () => {
    const safe = await made({ name: "safe", protected: true }, {});
    assert.equal(safe.branch.protected, true);
    assert.equal((await get(safe.branch.id)).protected, true);
    assert.match((await remove(safe.branch.id)).body.message, /protected/);
    const expires_at = "2999-01-01T00:00:00Z";
    assert.equal(
      (await create({ protected: true, expires_at })).status,
      422,
      "what people rely on does not end by itself",
    );
    assert.equal((await create({ expires_at: "2001-01-01T00:00:00Z" })).status, 400);
    const brief = await made({ name: "brief", protected: false, expires_at }, {});
    assert.equal(brief.branch.protected, false);
    assert.equal(Date.parse((await get(brief.branch.id)).expires_at ?? ""), Date.parse(expires_at));
    await patch(safe.branch.id, { protected: false });
    await removeAll(safe, brief);
  });

  it("begin their time to live anew when they are restored", async () => {
    const expires_at = new Date(Date.now() + HOUR_MS).toISOString();
    const child = await made({ name: "hourly", expires_at }, {});
    // Most of the hour has gone by.
    const soon = new Date(Date.now() + HOUR_MS / 10).toISOString();
    await plane.db.updateTable("branches").set({ expires_at: soon }).where("id", "=", child.branch.id).execute();
    const began_ms = Date.now();
    const { body } = await restore(child.branch.id, { source_branch_id: root.branch.id });
    await carryOut();
    for (const branch of [body.branch, await get(child.branch.id)]) {
      const left_ms = Date.parse(branch.expires_at ?? "") - began_ms;
      assert.ok(left_ms >= HOUR_MS - 1000 && left_ms < HOUR_MS + 60_000, `${left_ms} ms are left`);
    }
    await removeAllInTurnOf([child]);
  });

  it("that are deleted cannot be recovered, so a list of those that can has none of them", async () => {
    const { branch } = await made({ name: "gone" }, {});
    await removeAll({ branch } as Made);
    const list = async (query: string) =>
      (await plane.call<{ branches: Branch[] }>("GET", `${path}?${query}`)).body.branches.map(({ id }) => id);
    assert.deepEqual(await list("include_deleted=true"), [root.branch.id]);
    assert.deepEqual(await list("include_deleted=false"), [root.branch.id]);
    assert.equal((await plane.call("GET", `${path}?include_deleted=maybe`)).status, 400);
  });

  it("end by themselves when their time has come, but not while a child needs them", async () => {
    const parent = await made({ name: "short", expires_at: "2999-01-01T00:00:00Z" }, {});
    const child = await made({ parent_id: parent.branch.id }, {});
    const past = new Date(0).toISOString();
    await plane.db.updateTable("branches").set({ expires_at: past }).where("id", "=", parent.branch.id).execute();
    await carryOut();
    assert.equal((await get(parent.branch.id)).name, "short");
    assert.equal((await remove(child.branch.id)).status, 200);
    await carryOut();
    await carryOut();
    assert.equal((await plane.call("GET", `${path}/${parent.branch.id}`)).status, 404);
    assert.deepEqual((await plane.onMachine()).branches, [root.branch.id]);
  });

  it("are not deleted while they are the default, have children, or are being worked on", async () => {
    const child = await create();
    assert.equal((await remove(child.body.branch.id)).status, 423);
    await carryOut();
    const refused = await remove(root.branch.id);
    assert.equal(refused.status, 422);
    const second = await plane.call<{ branch: Branch }>("POST", `${path}/${child.body.branch.id}/set_as_default`);
    assert.equal(second.body.branch.default, true);
    assert.equal((await get(root.branch.id)).default, false);
    assert.match((await remove(root.branch.id)).body.message, /children/);
    assert.equal((await plane.call("POST", `${path}/${root.branch.id}/set_as_default`)).status, 200);
    const deleted = await remove(child.body.branch.id);
    assert.deepEqual(
      deleted.body.operations.map(({ action }) => action),
      ["delete_timeline"],
    );
    assert.equal((await plane.call("GET", `${path}/${child.body.branch.id}`)).status, 404);
    assert.equal((await remove(child.body.branch.id)).status, 404);
    const endpoint = `/projects/${root.project.id}/endpoints/${child.body.endpoints[0]?.id}`;
    assert.equal((await plane.call("GET", endpoint)).status, 404);
    await carryOut();
    assert.deepEqual((await plane.onMachine()).computes, [root.endpoints[0].id]);
  });

  it("get their parent's data again by a reset, at the same address", async () => {
    const child = await made({ name: "reset me" });
    await write(uriOf(child), "mine");
    await write(uri, "news");
    const { status, body } = await restore(child.branch.id, { source_branch_id: root.branch.id });
    assert.equal(status, 200);
    assert.equal(body.branch.current_state, "resetting");
    assert.equal((await create({ parent_id: child.branch.id })).status, 423, "its data is about to be another");
    assert.deepEqual(await notes(uriOf(child)), ["mine"], "it works until the moment of the change");
    await carryOut();
    assert.deepEqual(await notes(uriOf(child)), ["news"]);
    const after = await get(child.branch.id);
    assert.equal(after.parent_id, root.branch.id);
    assert.ok(after.last_reset_at);
    await queryAsClient(uri, "truncate notes");
    await removeAllInTurnOf([child]);
  });

  /** Their data has another name since the reset. */
  async function removeAllInTurnOf(branches: Made[]): Promise<void> {
    for (const { branch } of branches) {
      assert.equal((await remove(branch.id)).status, 200);
      await carryOut();
    }
    assert.equal((await plane.onMachine()).branches.length, 1);
  }

  it("keep what they had under another name, children included, when a restore is told to", async () => {
    const source = await made({ name: "source" });
    await write(uriOf(source), "of the source");
    const target = await made({ name: "target" });
    await write(uriOf(target), "of the target");
    const child = await made({ name: "child of the target", parent_id: target.branch.id });

    assert.equal((await restore(target.branch.id, { source_branch_id: source.branch.id })).status, 422);
    assert.equal((await restore(target.branch.id, { source_branch_id: target.branch.id })).status, 422);
    const wanted = { source_branch_id: source.branch.id, preserve_under_name: "target before" };
    const { status, body } = await restore(target.branch.id, wanted);
    assert.equal(status, 200);
    const backup_id = body.branch.parent_id ?? "";
    assert.equal((await get(backup_id)).name, "target before");
    await carryOut();
    assert.deepEqual(await notes(uriOf(target)), ["of the source"]);
    assert.equal((await get(child.branch.id)).parent_id, backup_id);
    assert.equal((await get(backup_id)).parent_id, root.branch.id);

    await plane.call("POST", `/projects/${root.project.id}/endpoints`, {
      body: { endpoint: { branch_id: backup_id, type: "read_write" } },
    });
    await carryOut();
    const query = `branch_id=${backup_id}&database_name=neondb&role_name=neondb_owner`;
    const found = await plane.call<{ uri: string }>("GET", `/projects/${root.project.id}/connection_uri?${query}`);
    assert.deepEqual(await notes(found.body.uri), ["of the target"]);

    const backup = { ...target, branch: { ...target.branch, id: backup_id } };
    await removeAllInTurnOf([child, target, backup, source]);
  });

  it("stay what they are while something is still to be read from them, or they may be a parent again", async () => {
    const source = await made({ name: "source" });
    await write(uriOf(source), "of the source");
    const former = await made({ name: "former parent" });
    const target = await made({ name: "target", parent_id: former.branch.id });

    /** The branch has neither a child nor work of its own. */
    async function isKept({ branch: { id } }: Made): Promise<void> {
      assert.equal((await remove(id)).status, 423);
      assert.equal((await restore(id, { source_branch_id: root.branch.id })).status, 423);
      const long_ago = new Date(Date.now() - HOUR_MS).toISOString();
      await plane.db.updateTable("branches").set({ expires_at: long_ago }).where("id", "=", id).execute();
      await jobNamed(plane.reconcilers(), "expiry").run(new AbortController().signal);
      assert.equal((await get(id)).current_state, "ready");
      await patch(id, { expires_at: null });
    }
    const wanted = { source_branch_id: source.branch.id, preserve_under_name: "target before" };
    const { body } = await restore(target.branch.id, wanted);
    await isKept(source);
    await carryOut();
    assert.deepEqual(await notes(uriOf(target)), ["of the source"]);

    const backup = { ...target, branch: { ...target.branch, id: body.branch.parent_id ?? "" } };
    const child = await made({ name: "child", parent_id: former.branch.id });
    // Of which it is the parent now.
    for (const { branch } of [target, backup]) {
      assert.equal((await remove(branch.id)).status, 200);
      await carryOut();
    }
    await restore(child.branch.id, { source_branch_id: source.branch.id });
    await isKept(former);
    await carryOut();
    assert.deepEqual(await notes(uriOf(child)), ["of the source"]);

    assert.equal((await remove(child.branch.id)).status, 200);
    const schema_only = await create({ name: "schema", parent_id: source.branch.id, init_source: "schema-only" }, {});
    await isKept(source);
    await carryOut();
    await removeAllInTurnOf([schema_only.body, source, former]);
  });

  it("of another project are neither a parent nor a source", async () => {
    const other = await createProject(plane);
    assert.equal((await create({ parent_id: other.branch.id })).status, 404);
    const child = await made({}, {});
    assert.equal((await restore(child.branch.id, { source_branch_id: other.branch.id })).status, 404);
    await carryOut();
    assert.equal((await plane.call("DELETE", `/projects/${other.project.id}`)).status, 200);
    await plane.endRecovery();
    await removeAll(child);
  });

  it("are refused what is not offered by the name of the field", async () => {
    for (const [field, branch] of [
      ["parent_timestamp", { parent_timestamp: "2024-01-01T00:00:00Z" }],
      ["parent_lsn", { parent_lsn: "0/1" }],
      ["init_source", { init_source: "nothing" }],
    ] as const) {
      const { status, body } = await create(branch);
      assert.equal(status, 400);
      assert.ok(body.message.includes(field), body.message);
    }
    assert.equal((await create({}, { endpoints: [{ type: "read_only" }] })).status, 400);
  });
});
