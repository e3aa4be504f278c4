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

interface Role {
  readonly name: string;
  readonly password?: string;
  readonly authentication_method: string;
  readonly created_at: string;
}
interface Database {
  readonly id: number;
  readonly name: string;
  readonly owner_name: string;
}
interface Operation {
  readonly id: string;
  readonly status: string;
  readonly error?: string;
}
interface Answer {
  readonly message: string;
  readonly password: string;
  readonly role: Role;
  readonly database: Database;
  readonly roles: Role[];
  readonly databases: Database[];
  readonly operations: Operation[];
  readonly operation: Operation;
  readonly branch: { id: string };
  readonly endpoints: { id: string; host: string }[];
  readonly uri: string;
}

const HOSTILE = [
  `o'"; DROP ROLE x; --`,
  "Ünïcode 日本",
  "  spaces ",
  "select",
  "a".repeat(63),
  "%s$1\\",
  "\n",
  "a/b?c#%2F",
];

describe("what people do to roles and databases with SQL", () => {
  let plane: Plane;
  let root: CreatedProject;
  let uri: string;
  let path: string;
  let made = 0;
  before(async () => {
    ({ plane, root, uri } = await openPlaneWithProject());
    path = `/projects/${root.project.id}/branches/${root.branch.id}`;
  });
  after(() => plane.close());

  const carryOut = () => plane.carryOut();
  const call = (method: string, at: string, body?: object) =>
    plane.call<Answer>(method as "GET", at, body === undefined ? {} : { body });
  const get = async (at: string) => (await call("GET", at)).body;
  const roles = async (of = path) => new Map((await get(`${of}/roles`)).roles.map((role) => [role.name, role]));
  const databases = async (of = path) =>
    new Map((await get(`${of}/databases`)).databases.map((database) => [database.name, database]));
  const sql = (text: string, as = uri) => queryAsClient(as, text);
  const whoAmI = async (as: string) => (await sql("select current_user::text as name", as))[0]?.name;
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
  /** Any change through the API, which has nothing to do with what is being looked at. */
  async function changeSomethingElse(of = path): Promise<void> {
    const { status } = await call("POST", `${of}/roles`, { role: { name: `other_${made++}` } });
    assert.equal(status, 201);
    await carryOut();
  }
  /** Another branch, with a compute; and the connection string of the first with its address in it. */
  async function branch(wanted: object = {}) {
    const { status, body } = await call("POST", `/projects/${root.project.id}/branches`, {
      branch: wanted,
      endpoints: [{ type: "read_write" }],
    });
    assert.equal(status, 201, body.message);
    await carryOut();
    const at = new URL(uri);
    at.host = body.endpoints[0]?.host ?? "";
    return { ...body, path: `/projects/${root.project.id}/branches/${body.branch.id}`, uri: at.href };
  }
  async function makeRole(name: string): Promise<string> {
    const { body } = await call("POST", `${path}/roles`, { role: { name } });
    await carryOut();
    return body.role.password ?? "";
  }

  it("a password set with SQL is not undone by a change of something else, nor on a branch made afterwards", async () => {
    const old = connectAs(uri, { role: "leaked", password: await makeRole("leaked") });
    const now = connectAs(uri, { role: "leaked", password: "set with SQL" });
    await sql("alter role leaked password 'set with SQL'", old);
    await changeSomethingElse();
    assert.equal(await whoAmI(now), "leaked");
    await assert.rejects(whoAmI(old), { code: "28P01" });
    const child = await branch();
    const onChild = (password: string) => connectAs(child.uri, { role: "leaked", password });
    assert.equal(await whoAmI(onChild("set with SQL")), "leaked");
    await assert.rejects(whoAmI(onChild(new URL(old).password)), { code: "28P01" });
    await changeSomethingElse(child.path);
    assert.equal(await whoAmI(onChild("set with SQL")), "leaked");
    const bare = await branch({ init_source: "schema-only" });
    assert.equal(await whoAmI(connectAs(bare.uri, { role: "leaked", password: "set with SQL" })), "leaked");
  });

  it("a password set with SQL is told as not known, in place of the one before, until it is reset", async () => {
    const at = `${path}/roles/forgetful`;
    const asked = `/projects/${root.project.id}/connection_uri?role_name=forgetful&database_name=neondb`;
    const old = await makeRole("forgetful");
    assert.equal((await get(`${at}/reveal_password`)).password, old);
    await sql("alter role forgetful password 'set with SQL'", connectAs(uri, { role: "forgetful", password: old }));
    await carryOut();
    for (const question of [`${at}/reveal_password`, asked]) {
      const { status, body } = await call("GET", question);
      assert.equal(status, 412, question);
      assert.match(body.message, /set with SQL.*reset/);
    }
    assert.equal((await get(at)).role.authentication_method, "password");
    const child = await branch();
    assert.equal((await call("GET", `${child.path}/roles/forgetful/reveal_password`)).status, 412);
    const { password = "" } = (await call("POST", `${at}/reset_password`)).body.role;
    await carryOut();
    assert.equal((await get(`${at}/reveal_password`)).password, password);
    assert.match((await get(asked)).uri, new RegExp(password));
    assert.equal(await whoAmI(connectAs(uri, { role: "forgetful", password })), "forgetful");
    const later = await branch();
    assert.equal((await get(`${later.path}/roles/forgetful/reveal_password`)).password, password);
  });

  it("roles and databases are listed that are made with SQL, followed, and gone once they are dropped", async () => {
    await sql("create role app login password 'x'; create role readers; grant app to neondb_owner");
    await sql("create database ledger owner app");
    await carryOut();
    const { app, readers } = Object.fromEntries(await roles());
    assert.deepEqual([app?.authentication_method, readers?.authentication_method], ["password", "no_login"]);
    const { ledger } = Object.fromEntries(await databases());
    assert.equal(ledger?.owner_name, "app");
    assert.equal((await call("GET", `${path}/roles/app/reveal_password`)).status, 412);
    assert.equal((await call("GET", `${path}/roles/readers/reveal_password`)).status, 404);
    assert.match((await call("DELETE", `${path}/roles/app`)).body.message, /owns the database "ledger"/);

    await sql("alter database ledger rename to books; alter database books owner to neondb_owner");
    await sql("alter role readers rename to clerks; alter role app nologin");
    await carryOut();
    const { books } = Object.fromEntries(await databases());
    assert.deepEqual([books?.id, books?.owner_name], [ledger?.id, "neondb_owner"]);
    const after = await roles();
    assert.deepEqual([after.get("clerks")?.created_at, after.has("readers")], [readers?.created_at, false]);
    assert.equal(after.get("app")?.authentication_method, "no_login");

    await sql("drop database books");
    await sql("drop role app; drop role clerks");
    await carryOut();
    await changeSomethingElse();
    assert.ok(!(await databases()).has("books"));
    assert.ok(!(await roles()).has("app") && !(await roles()).has("clerks"));
    assert.deepEqual(await sql("select 1 from pg_database where datname in ('ledger', 'books')"), []);
  });

  it("what the API made and SQL dropped, renamed or gave away stays so", async () => {
    await sql("create role staff login password 'x'; grant staff to neondb_owner");
    await carryOut();
    const { password = "" } = (await call("POST", `${path}/roles/staff/reset_password`)).body.role;
    await carryOut();
    for (const name of ["dropped", "renamed", "given"]) {
      await call("POST", `${path}/databases`, { database: { name, owner_name: "neondb_owner" } });
      await carryOut();
    }
    await sql("create table kept as select 42 as n", connectAs(uri, { database: "renamed" }));
    await sql("drop database dropped");
    await sql("alter database renamed rename to elsewhere; alter database given owner to staff");
    await sql("alter role staff rename to crew");
    await changeSomethingElse();
    const names = [...(await databases()).keys()];
    assert.deepEqual([names.includes("dropped"), names.includes("renamed")], [false, false]);
    assert.equal((await databases()).get("given")?.owner_name, "crew");
    assert.equal(await whoAmI(connectAs(uri, { role: "crew", password })), "crew");
    const elsewhere = connectAs(uri, { database: "elsewhere" });
    assert.deepEqual(await sql("select n from kept", elsewhere), [{ n: 42 }]);
    assert.equal((await get(`${path}/roles/crew/reveal_password`)).password, password, "a name is not a password");
    await assert.rejects(sql("select 1", connectAs(uri, { database: "dropped" })), { code: "3D000" });
    assert.equal((await call("DELETE", `${path}/databases/elsewhere`)).status, 200);
    await carryOut();
    await assert.rejects(sql("select 1", elsewhere), { code: "3D000" });
  });

  it("two that have changed names with one another are the same two", async () => {
    await sql("create database one");
    await sql("create database two");
    await carryOut();
    const before = await databases();
    await sql("alter database one rename to three; alter database two rename to one");
    await sql("alter database three rename to two");
    await carryOut();
    const after = await databases();
    assert.deepEqual([after.get("one")?.id, after.get("two")?.id], [before.get("two")?.id, before.get("one")?.id]);
    await sql("drop database one");
    await sql("create database one");
    await carryOut();
    assert.notEqual((await databases()).get("one")?.id, after.get("one")?.id, "another one of the same name");
  });

  it("names are only names", async () => {
    for (const name of HOSTILE) {
      await sql(`create role ${quoted(name)} login password 'x'; grant ${quoted(name)} to neondb_owner`);
      await sql(`create database ${quoted(name)} owner ${quoted(name)}`);
      await carryOut();
      assert.equal((await databases()).get(name)?.owner_name, name);
      assert.equal((await get(`${path}/roles/${encodeURIComponent(name)}`)).role.name, name);
      const reset = await call("POST", `${path}/roles/${encodeURIComponent(name)}/reset_password`);
      await carryOut();
      const { password = "" } = reset.body.role;
      assert.equal(await whoAmI(connectAs(uri, { role: name, password, database: name })), name);
      await sql(`drop database ${quoted(name)} with (force)`);
      await sql(`drop role ${quoted(name)}`);
      await carryOut();
      assert.ok(!(await databases()).has(name) && !(await roles()).has(name), JSON.stringify(name));
    }
  });

  it("neither our own roles and databases are listed nor PostgreSQL's", async () => {
    await sql("create role ordinary");
    await carryOut();
    const listed = [...(await roles()).keys(), ...(await databases()).keys()];
    assert.ok(listed.includes("ordinary"));
    const ours = /^(pg_|latchkey|template|neon_superuser$|postgres$)/;
    assert.deepEqual(
      listed.filter((name) => ours.test(name)),
      [],
    );
  });

  it("a role made with SQL has no more rights once the API has set its password", async () => {
    await sql("create role modest login password 'x'");
    await carryOut();
    const { password = "" } = (await call("POST", `${path}/roles/modest/reset_password`)).body.role;
    await carryOut();
    const rows = await sql(
      `select rolcreatedb, rolcreaterole, rolbypassrls, pg_has_role('neon_superuser', 'member') as grouped
       from pg_roles where rolname = current_user`,
      connectAs(uri, { role: "modest", password }),
    );
    assert.deepEqual(rows, [{ rolcreatedb: false, rolcreaterole: false, rolbypassrls: false, grouped: false }]);
  });

  it("a change by the API of what SQL has just dropped fails with the reason, and nothing comes back", async () => {
    for (const [drop, method, at, body, reason] of [
      ["drop role doomed", "POST", `${path}/roles/doomed/reset_password`, undefined, /"doomed" was dropped with SQL/],
      [
        "drop database doomed",
        "PATCH",
        `${path}/databases/doomed`,
        { database: { name: "risen" } },
        /"doomed" was dropped/,
      ],
      [
        "alter role doomed rename to away",
        "POST",
        `${path}/roles/doomed/reset_password`,
        undefined,
        /renamed with SQL/,
      ],
    ] as const) {
      await sql("drop role if exists away; create role doomed login password 'x'");
      await sql("create database doomed");
      await carryOut();
      await sql(drop);
      const { status, body: answer } = await call(method, at, body);
      assert.equal(status, 200, answer.message);
      await carryOut();
      const { operation } = await get(`/projects/${root.project.id}/operations/${answer.operations[0]?.id}`);
      assert.equal(operation.status, "failed");
      assert.match(operation.error ?? "", reason);
      const text = "select rolname::text as name from pg_roles union select datname::text from pg_database";
      const there = new Set((await sql(text)).map(({ name }) => name));
      for (const name of ["doomed", "risen", "away"]) {
        const listed = (await roles()).has(name) || (await databases()).has(name);
        assert.equal(listed, there.has(name), `${drop}: ${name}`);
      }
      assert.ok(!there.has("risen"));
      await sql("drop database if exists doomed");
      await sql("drop role if exists doomed");
      await carryOut();
    }
  });

  it("what was done in the last moment before a suspension is known while the compute sleeps", async () => {
    const { id } = root.endpoints[0];
    await sql("create role last_minute login password 'x'; alter role neondb_owner password 'last minute'");
    uri = connectAs(uri, { password: "last minute" });
    assert.equal((await call("POST", `/projects/${root.project.id}/endpoints/${id}/suspend`)).status, 200);
    await runOnce([jobNamed(plane.reconcilers(), "operations")]);
    assert.ok((await roles()).has("last_minute"));
    assert.equal((await call("GET", `${path}/roles/neondb_owner/reveal_password`)).status, 412);
    const child = await branch();
    assert.equal(await whoAmI(connectAs(child.uri, { password: "last minute" })), "neondb_owner");
    // Of the sleeping one a role is changed, without a word about the others.
    await changeSomethingElse();
    assert.equal(await whoAmI(uri), "neondb_owner");
  });

  it("what was done before a crash is seen at the next start", async () => {
    await sql("create role before_the_crash");
    await sql("create database before_the_crash");
    await plane.restartDrivers();
    await carryOut();
    assert.ok((await roles()).has("before_the_crash") && (await databases()).has("before_the_crash"));
  });

  it("what the API makes, resets and deletes while a compute is being looked at is as the API has it", async () => {
    const doomed = await makeRole("doomed_later");
    await makeRole("reset_later");
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { compute } = plane.drivers();
    const slow = replacing(compute, {
      async readContent(id) {
        const read = await compute.readContent(id);
        reached.resolve();
        await released.promise;
        return read;
      },
    });
    const look = plane.machinery({ compute: slow }).observe(root.endpoints[0].id, root.branch.id);
    await reached.promise;
    const made = await makeRole("made_since");
    const reset = (await call("POST", `${path}/roles/reset_later/reset_password`)).body.role.password ?? "";
    await carryOut();
    assert.equal((await call("DELETE", `${path}/roles/doomed_later`)).status, 200);
    await carryOut();
    released.resolve();
    await look;
    for (const [name, password] of [
      ["made_since", made],
      ["reset_later", reset],
    ] as const) {
      assert.equal((await get(`${path}/roles/${name}/reveal_password`)).password, password);
      assert.equal(await whoAmI(connectAs(uri, { role: name, password })), name);
    }
    await carryOut();
    assert.equal((await call("GET", `${path}/roles/doomed_later`)).status, 404);
    await assert.rejects(whoAmI(connectAs(uri, { role: "doomed_later", password: doomed })), { code: "28P01" });
  });

  it("a branch that is restored has the roles of what it was restored from, as they are there", async () => {
    const source = await branch();
    await sql("create role of_source login password 'x'; alter role neondb_owner password 'of source'", source.uri);
    await carryOut();
    const target = await branch();
    const { status, body } = await call("POST", `${target.path}/restore`, { source_branch_id: source.branch.id });
    assert.equal(status, 200, body.message);
    await carryOut();
    await changeSomethingElse(target.path);
    assert.equal(await whoAmI(connectAs(target.uri, { password: "of source" })), "neondb_owner");
    assert.ok((await roles(target.path)).has("of_source"));
  });
});
