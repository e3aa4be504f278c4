import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { newUuid } from "../../ids.ts";
import { type CreatedProject, createProject, openPlane, type Plane, queryAsClient } from "../../jobs/test-plane.ts";

interface Answer {
  readonly sql?: string;
  readonly json?: { tables: { schema: string; name: string; columns: object[]; constraints: object[] }[] };
  readonly diff: string;
  readonly message: string;
}

describe("the schemas of branches", () => {
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
    await queryAsClient(
      uri,
      "create table notes (id int generated always as identity primary key, text text not null)",
    );
  });
  after(() => plane.close());

  const carryOut = () => plane.carryOut();
  const read = (branch_id: string, query = "db_name=neondb") =>
    plane.call<Answer>("GET", `${path}/${branch_id}/schema?${query}`);
  const compare = (branch_id: string, query = "") =>
    plane.call<Answer>("GET", `${path}/${branch_id}/compare_schema?db_name=neondb${query}`);
  const createBranch = async (endpoints: object[] = []) => {
    const body = { branch: {}, endpoints };
    const made = await plane.call<{
      branch: { id: string };
      endpoints: { id: string }[];
      connection_uris: [{ connection_uri: string }];
    }>(...(["POST", path] as const), { body });
    await carryOut();
    return made.body;
  };

  it("a schema is told as SQL", async () => {
    const { status, body } = await read(root.branch.id);
    assert.equal(status, 200);
    assert.match(
      body.sql ?? "",
      /^--\n-- PostgreSQL database dump\n[\s\S]*CREATE TABLE public\.notes \(\n {4}id integer NOT NULL,/,
    );
    assert.match(body.sql ?? "", /ALTER TABLE public\.notes OWNER TO neondb_owner;/);
  });

  it("and as JSON, with the keys of its tables", async () => {
    await queryAsClient(
      uri,
      `create schema "My ""own"""; create table "My ""own""".lines (
        note_id int references notes, nr smallint, twice int generated always as (nr * 2) stored, unique (nr, note_id))`,
    );
    const { body } = await read(root.branch.id, "db_name=neondb&format=json");
    assert.equal(body.sql, undefined);
    const column = (name: string, type: string, nullable: boolean, generated = false) => ({
      name,
      type,
      nullable,
      generated,
    });
    assert.deepEqual(body.json?.tables, [
      {
        schema: 'My "own"',
        name: "lines",
        columns: [
          column("note_id", "integer", true),
          column("nr", "smallint", true),
          column("twice", "integer", true, true),
        ],
        constraints: [
          { type: "unique", name: "lines_nr_note_id_key", columns: ["nr", "note_id"] },
          {
            type: "foreign_key",
            name: "lines_note_id_fkey",
            columns: ["note_id"],
            referenced_table: { schema: "public", table: "notes", columns: ["id"] },
          },
        ],
      },
      {
        schema: "public",
        name: "notes",
        columns: [column("id", "integer", false), column("text", "text", false)],
        constraints: [{ type: "primary_key", name: "notes_pkey", columns: ["id"] }],
      },
    ]);
    await queryAsClient(uri, `drop schema "My ""own""" cascade`);
  });

  it("a branch without a compute, and one that rests or is disabled, are read without being woken", async () => {
    const bare = await createBranch();
    const made = await createBranch([{ type: "read_write" }]);
    const endpoint = `/projects/${root.project.id}/endpoints/${made.endpoints[0]?.id}`;
    const whole = (await read(root.branch.id)).body.sql;
    assert.equal((await read(bare.branch.id)).body.sql, whole);
    for (const rest of [
      () => plane.call("POST", `${endpoint}/suspend`),
      () => plane.call("PATCH", endpoint, { body: { endpoint: { disabled: true } } }),
    ]) {
      assert.equal((await rest()).status, 200);
      await carryOut();
      assert.equal((await read(made.branch.id)).body.sql, whole);
      const { body } = await plane.call<{ endpoint: { current_state: string } }>("GET", endpoint);
      assert.equal(body.endpoint.current_state, "idle");
      const running = (await plane.drivers().compute.list()).filter(({ state }) => state === "running");
      assert.deepEqual(
        running.map(({ endpoint_id }) => endpoint_id),
        [root.endpoints[0].id],
      );
    }
    for (const { branch } of [bare, made]) await plane.call("DELETE", `${path}/${branch.id}`);
    await carryOut();
    assert.deepEqual((await plane.onMachine()).computes, [root.endpoints[0].id]);
  });

  it("a comparison is a unified diff from the parent, or from any other branch, and empty where they agree", async () => {
    const child = await createBranch([{ type: "read_write" }]);
    assert.deepEqual(await compare(child.branch.id), { status: 200, body: { diff: "" } });
    await queryAsClient(child.connection_uris[0].connection_uri, "alter table notes add column email text");
    const { body } = await compare(child.branch.id);
    assert.match(body.diff, /^--- a\/neondb\n\+\+\+ b\/neondb\n@@ -\d+,\d+ \+\d+,\d+ @@\n/);
    assert.deepEqual(
      body.diff.split("\n").filter((line) => /^[+-] /.test(line)),
      ["-    text text NOT NULL", "+    text text NOT NULL,", "+    email text"],
    );
    const back = await compare(root.branch.id, `&base_branch_id=${child.branch.id}`);
    assert.ok(back.body.diff.includes("-    email text"));
    const alone = await compare(root.branch.id);
    assert.equal(alone.status, 400);
    assert.match(alone.body.message, /base_branch_id/);
    await plane.call("DELETE", `${path}/${child.branch.id}`);
    await carryOut();
  });

  it("what is not there is 404, a moment of the past is refused by name, and so is a form that there is not", async () => {
    for (const name of ["nowhere", "postgres", "template1", "latchkey_spare"]) {
      for (const format of ["sql", "json"]) {
        assert.equal((await read(root.branch.id, `db_name=${name}&format=${format}`)).status, 404, name);
      }
    }
    assert.equal((await read("br-no-such-00000000")).status, 404);
    for (const query of ["lsn=0/1", "timestamp=2024-01-01T00:00:00Z", "format=xml"]) {
      const { status, body } = await read(root.branch.id, `db_name=neondb&${query}`);
      assert.equal(status, 400);
      assert.ok(body.message.includes(query.split("=")[0] ?? "?"), body.message);
    }
    assert.equal((await read(root.branch.id, "")).status, 400);
  });

  it("the branch of another project cannot be read or compared with", async () => {
    const other = await createProject(plane);
    await carryOut();
    assert.equal((await read(other.branch.id)).status, 404);
    assert.equal((await compare(root.branch.id, `&base_branch_id=${other.branch.id}`)).status, 404);
    await plane.call("DELETE", `/projects/${other.project.id}`);
  });

  it("a reader who has gone leaves nothing for long, and a project has only so many questions at a time", async () => {
    const question = {
      branch_id: root.branch.id,
      database_name: "neondb",
      format: "sql" as const,
      answer: null,
      refusal: null,
    };
    const asked_at = new Date(Date.now() - 180_000).toISOString();
    const left = () => plane.db.selectFrom("schema_readings").selectAll().execute();
    const leave = async () => {
      for (let n = 0; n < 8; n++)
        await plane.db
          .insertInto("schema_readings")
          .values({ id: newUuid(), asked_at, ...question })
          .execute();
    };
    await plane.settled();
    await leave();
    assert.equal((await read(root.branch.id)).status, 429);
    await carryOut();
    assert.deepEqual(await left(), []);
    assert.equal((await read(root.branch.id)).status, 200);
    assert.deepEqual(await left(), []);

    await leave();
    const now = { asked_at: new Date().toISOString(), answer: "of a server that was killed" };
    await plane.db.updateTable("schema_readings").set(now).execute();
    assert.equal((await read(root.branch.id)).status, 200, "none of them waits any more");
    assert.equal((await left()).length, 8);
    await plane.db.updateTable("schema_readings").set({ asked_at }).execute();
    await carryOut();
    assert.deepEqual(await left(), [], "nobody has asked anything since");
  });
});
