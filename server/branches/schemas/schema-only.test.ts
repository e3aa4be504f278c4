import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type CreatedProject,
  connectAs,
  createProject,
  openPlaneWithProject,
  type Plane,
  queryAsClient,
} from "../../jobs/test-plane.ts";

interface Made {
  readonly branch: { id: string; parent_id?: string; init_source: string; current_state: string };
  readonly connection_uris: [{ connection_uri: string }];
  readonly message: string;
}

describe("a branch with a schema alone", () => {
  let plane: Plane;
  let root: CreatedProject;
  let path: string;
  let uri: string;
  before(async () => {
    ({ plane, root, uri } = await openPlaneWithProject());
    path = `/projects/${root.project.id}/branches`;
  });
  after(() => plane.close());

  const carryOut = () => plane.carryOut();
  const create = (branch: object = {}) =>
    plane.call<Made>("POST", path, {
      body: { branch: { init_source: "schema-only", ...branch }, endpoints: [{ type: "read_write" }] },
    });
  const schemaOf = async (id: string, database = "neondb") =>
    (await plane.call<{ sql: string }>("GET", `${path}/${id}/schema?db_name=${database}`)).body.sql;
  const remove = async (id: string) => {
    assert.equal((await plane.call("DELETE", `${path}/${id}`)).status, 200);
    await carryOut();
  };

  it("has the roles, databases and schemas of the other one, to the letter, and no row and no parent", async () => {
    await queryAsClient(uri, "create role auditor nologin");
    await queryAsClient(uri, "create role app login password 'app' in role auditor");
    await queryAsClient(uri, 'create database "by ""hand"""');
    await queryAsClient(
      uri,
      `create schema shop; grant usage, create on schema shop to auditor;
       create extension hstore schema shop; create extension pg_stat_statements;
       create table shop.things (id int generated always as identity primary key, tags shop.hstore, size int check (size > 0));
       create index on shop.things using gin (tags);
       create function shop.touch() returns trigger language plpgsql as 'begin return new; end';
       create trigger touch before update on shop.things for each row execute function shop.touch();
       alter table shop.things enable row level security;
       create policy own on shop.things to app using (size > 1);
       grant select on shop.things to auditor with grant option;
       grant app, auditor to neondb_owner;
       create view shop.big as select * from shop.things where size > 10;
       alter view shop.big owner to auditor;
       insert into shop.things (size) values (3)`,
    );
    await queryAsClient(uri, "set role auditor; grant select on shop.things to app");
    await queryAsClient(connectAs(uri, { database: 'by "hand"' }), "create table notes (text text)");

    const made = await create({ name: "only" });
    assert.equal(made.status, 201, made.body.message);
    assert.equal(made.body.branch.init_source, "schema-only");
    assert.equal(made.body.branch.parent_id, undefined);
    await carryOut();
    const { id } = made.body.branch;
    // Which of its roles and databases is asked for: there are several, those made with SQL among them.
    const names = new URLSearchParams({ branch_id: id, role_name: "neondb_owner", database_name: "neondb" });
    const { body: found } = await plane.call<{ uri: string }>(
      "GET",
      `/projects/${root.project.id}/connection_uri?${names}`,
    );
    const own = found.uri;
    const { body } = await plane.call<Made>("GET", `${path}/${id}`);
    const failures = plane
      .logged()
      .split("\n")
      .filter((line) => line.includes("operation.failed") || line.includes("operation.retried"));
    assert.equal(body.branch.current_state, "ready", failures.join("\n"));
    for (const database of ["neondb", encodeURIComponent('by "hand"')]) {
      assert.equal(await schemaOf(id, database), await schemaOf(root.branch.id, database));
    }
    assert.deepEqual(await queryAsClient(own, "select count(*)::int as n from shop.things"), [{ n: 0 }]);
    await queryAsClient(connectAs(own, { role: "app", password: "app" }), "select from shop.things");
    await queryAsClient(own, "insert into shop.things (tags, size) values ('a=>1', 2)");
    const roles = "select rolname::text as name from pg_roles where rolname like 'latchkey%' order by 1";
    assert.deepEqual(await queryAsClient(own, roles), [{ name: "latchkey_admin" }], "the loader has gone");
    const owners =
      "select distinct pg_get_userbyid(extowner)::text as owner from pg_extension where extname <> 'plpgsql'";
    assert.deepEqual(await queryAsClient(own, owners), [{ owner: "neondb_owner" }]);
    // Nothing ties it to the other one.
    const { body: child } = await plane.call<Made>("POST", path, { body: { branch: { parent_id: id } } });
    await carryOut();
    assert.equal(child.branch.parent_id, id);
    await remove(child.branch.id);
    await remove(id);
  });

  it("is made of a branch that rests without waking it", async () => {
    const endpoint = `/projects/${root.project.id}/endpoints/${root.endpoints[0].id}`;
    await plane.call("POST", `${endpoint}/suspend`);
    await carryOut();
    const made = await create();
    await carryOut();
    assert.equal((await plane.drivers().compute.status(root.endpoints[0].id))?.state, "stopped");
    assert.match(await schemaOf(made.body.branch.id), /CREATE TABLE shop\.things/);
    await remove(made.body.branch.id);
    await plane.call("POST", `${endpoint}/start`);
    await carryOut();
  });

  it("what a schema evaluates while it is loaded runs with no more rights than its people have", async () => {
    const other = await createProject(plane);
    await carryOut();
    const [{ connection_uri: from }] = other.connection_uris;
    await queryAsClient(
      from,
      `create function spy() returns int language plpgsql immutable as $$begin
         execute format('comment on schema public is %L', session_user || ' ' || current_setting('is_superuser'));
         perform pg_read_file('PG_VERSION');
         return 1;
       end$$`,
    );
    // Here it fails for its owner, and so does whoever loads it: an index whose condition calls it cannot be made at all.
    await assert.rejects(queryAsClient(from, "create table t (n int); create index on t (n) where n > spy()"));
    await queryAsClient(
      from,
      `create or replace function spy() returns int language plpgsql immutable as $$begin
         if current_setting('is_superuser') = 'on' then perform pg_read_file('PG_VERSION'); raise 'superuser'; end if;
         return 1;
       end$$;
       create table t (n int); create index on t (n) where n > spy()`,
    );
    const path = `/projects/${other.project.id}/branches`;
    const made = await plane.call<Made>("POST", path, { body: { branch: { init_source: "schema-only" } } });
    await carryOut();
    const { body } = await plane.call<Made>("GET", `${path}/${made.body.branch.id}`);
    assert.equal(body.branch.current_state, "ready");
    await plane.call("DELETE", `/projects/${other.project.id}`);
  });

  it("gives another branch that is restored from it all of it, and that one is changed as before", async () => {
    const only = await create({ name: "bare" });
    const child = await plane.call<Made>("POST", path, {
      body: { branch: { name: "child" }, endpoints: [{ type: "read_write" }] },
    });
    await carryOut();
    const restore = `${path}/${child.body.branch.id}/restore`;
    assert.equal((await plane.call("POST", restore, { body: { source_branch_id: only.body.branch.id } })).status, 200);
    await carryOut();
    const role = await plane.call<{ operations: [{ id: string }] }>("POST", `${path}/${child.body.branch.id}/roles`, {
      body: { role: { name: "since" } },
    });
    await carryOut();
    const at = `/projects/${root.project.id}/operations/${role.body.operations[0].id}`;
    assert.equal((await plane.call<{ operation: { status: string } }>("GET", at)).body.operation.status, "finished");
    assert.match(await schemaOf(child.body.branch.id), /PostgreSQL database dump/);
    await remove(child.body.branch.id);
    await remove(only.body.branch.id);
  });

  it("one whose schema cannot be loaded fails, and its operation says of which database, and PostgreSQL's reason", async () => {
    const other = await createProject(plane);
    await carryOut();
    const from = other.connection_uris[0].connection_uri;
    const path = `/projects/${other.project.id}`;
    await queryAsClient(
      from,
      `create function ours() returns int language plpgsql immutable as 'begin return 1; end';
       create table t (n int); create index on t (n) where n > ours()`,
    );
    const failWith = async (words: string) => {
      await queryAsClient(
        from,
        `create or replace function ours() returns int language plpgsql immutable as $$begin raise '${words}'; end$$`,
      );
      await plane.call("POST", `${path}/branches`, { body: { branch: { init_source: "schema-only" } } });
      await carryOut();
      type Told = { action: string; status: string; error?: string };
      const { body } = await plane.call<{ operations: Told[] }>("GET", `${path}/operations?limit=1`);
      return [body.operations[0]?.status, body.operations[0]?.error];
    };
    const meaning = "the schema of the other branch could not be loaded";
    assert.deepEqual(await failWith("not here"), ["failed", `${meaning}: database "neondb": not here`]);
    assert.deepEqual(await failWith("at /secret/path"), ["failed", `${meaning}; the server's log has the reason`]);
    assert.match(plane.logged(), /at \/secret\/path/);
    await plane.call("DELETE", path);
  });

  it("a branch with work to do is not copied from yet, and a moment of the past not at all", async () => {
    await plane.call("POST", `${path}/${root.branch.id}/roles`, { body: { role: { name: "guest" } } });
    assert.equal((await create()).status, 423);
    await carryOut();
    assert.equal((await create({ parent_timestamp: "2024-01-01T00:00:00Z" })).status, 400);
  });
});
