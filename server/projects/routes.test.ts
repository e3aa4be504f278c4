import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { sql } from "kysely";
import { ID_PATTERNS, newUuid } from "../ids.ts";
import { createProject, openPlane, type Plane, queryAsClient } from "../jobs/test-plane.ts";

interface Listed {
  readonly projects: { id: string; name: string }[];
  readonly pagination?: { cursor: string };
}
interface Refusal {
  readonly code: string;
  readonly message: string;
}

describe("projects", () => {
  let plane: Plane;
  before(async () => {
    plane = await openPlane();
  });
  after(() => plane.close());

  async function organizationKey(project_id?: string): Promise<string> {
    const body = { key_name: newUuid(), ...(project_id === undefined ? {} : { project_id }) };
    const made = await plane.call<{ key: string }>("POST", `/organizations/${plane.org_id}/api_keys`, { body });
    assert.equal(made.status, 200);
    return made.body.key;
  }

  async function removeAll(): Promise<void> {
    await plane.carryOut();
    const { body } = await plane.call<Listed>("GET", `/projects?limit=400&org_id=${plane.org_id}`);
    for (const { id } of body.projects) assert.equal((await plane.call("DELETE", `/projects/${id}`)).status, 200);
    await plane.endRecovery();
    await plane.carryOut();
    assert.deepEqual(await plane.onMachine(), { computes: [], branches: [] });
  }

  it("a created project is answered at once, with work still to do, and its compute then takes its connection string", async () => {
    const made = await createProject(plane, { name: "first" });
    assert.match(made.project.id, ID_PATTERNS.project);
    assert.match(made.branch.id, ID_PATTERNS.branch);
    assert.match(made.endpoints[0].id, ID_PATTERNS.endpoint);
    assert.match(made.endpoints[0].host, /^127\.0\.0\.1:\d+$/);
    assert.deepEqual(
      made.operations.map(({ action, status }) => [action, status]),
      [
        ["create_timeline", "scheduling"],
        ["start_compute", "scheduling"],
      ],
    );
    const [{ connection_uri, connection_parameters }] = made.connection_uris;
    assert.match(
      connection_uri,
      /^postgresql:\/\/neondb_owner:npg_[0-9A-Za-z]{24}@127\.0\.0\.1:\d+\/neondb\?sslmode=require&channel_binding=require$/,
    );
    assert.equal(connection_parameters.pooler_host, connection_parameters.host);

    await plane.carryOut();
    for (const { id } of made.operations) {
      const { body } = await plane.call<{ operation: { status: string; total_duration_ms: number } }>(
        "GET",
        `/projects/${made.project.id}/operations/${id}`,
      );
      assert.equal(body.operation.status, "finished");
    }
    const rows = await queryAsClient(
      connection_uri,
      "select current_user as role, pg_get_userbyid(datdba) as owner from pg_database where datname = current_database()",
    );
    assert.deepEqual(rows, [{ role: "neondb_owner", owner: "neondb_owner" }]);
    await removeAll();
  });

  it("names that need escaping work from the request to the connection", async () => {
    const names = { database_name: 'räume "&?#/% x', role_name: "o'brien@home:p/ü" };
    const made = await createProject(plane, { branch: { name: "trunk", ...names } });
    await plane.carryOut();
    const query = `database_name=${encodeURIComponent(names.database_name)}&role_name=${encodeURIComponent(names.role_name)}`;
    const { body } = await plane.call<{ uri: string }>("GET", `/projects/${made.project.id}/connection_uri?${query}`);
    assert.equal(body.uri, made.connection_uris[0].connection_uri);
    const rows = await queryAsClient(body.uri, "select current_user as role, current_database() as database");
    assert.deepEqual(rows, [{ role: names.role_name, database: names.database_name }]);

    const branch = `/projects/${made.project.id}/branches/${made.branch.id}`;
    const role = `${branch}/roles/${encodeURIComponent(names.role_name)}`;
    const revealed = await plane.call<{ password: string }>("GET", `${role}/reveal_password`);
    assert.equal(revealed.body.password, made.connection_uris[0].connection_parameters.password);
    assert.equal((await plane.call("GET", role)).status, 200);
    const database = `${branch}/databases/${encodeURIComponent(names.database_name)}`;
    assert.equal((await plane.call("GET", database)).status, 200);
    await removeAll();
  });

  it("a name that Postgres cannot hold or that is reserved is refused before anything is stored", async () => {
    const long = "ü".repeat(32);
    const refused: object[] = [
      { role_name: long },
      { database_name: long },
      { database_name: "x".repeat(60) },
      { database_name: "pg" },
      ...["latchkey_admin", "neon_superuser", "pg_read_all_data", "postgres", "public"].map((role_name) => ({
        role_name,
      })),
      ...["postgres", "template0", "template1"].map((database_name) => ({ database_name })),
      { database_name: "\ud800" },
    ];
    for (const branch of refused) {
      const { status, body } = await plane.call<Refusal>("POST", "/projects", {
        body: { project: { org_id: plane.org_id, branch } },
      });
      assert.equal(status, 400, JSON.stringify(branch));
      assert.match(body.message, /(role_name|database_name)"/);
    }
    assert.deepEqual(await plane.db.selectFrom("projects").select("id").execute(), []);
  });

  it("a PostgreSQL version that is not installed is refused with those that are", async () => {
    const { status, body } = await plane.call<Refusal>("POST", "/projects", {
      body: { project: { org_id: plane.org_id, pg_version: 14 } },
    });
    assert.equal(status, 400);
    assert.match(body.message, /14 is not available here; choose \d+/);
  });

  it("without an organization a person is asked for it, and an organization key means its own", async () => {
    const path = "/projects";
    for (const [method, body] of [["GET"], ["POST", { project: {} }]] as const) {
      const refused = await plane.call<Refusal>(method, path, body === undefined ? {} : { body });
      assert.equal(refused.status, 400);
      assert.equal(refused.body.message, "org_id is required, you can find it on your organization settings page");
    }
    const key = await organizationKey();
    const made = await plane.call<{ project: { org_id: string } }>("POST", path, { key, body: { project: {} } });
    assert.equal(made.status, 201);
    assert.equal(made.body.project.org_id, plane.org_id);
    assert.equal((await plane.call<Listed>("GET", path, { key })).body.projects.length, 1);
    await removeAll();
  });

  it("a key scoped to a project reads and renames it, and can neither list, create nor delete projects", async () => {
    const { project } = await createProject(plane);
    const key = await organizationKey(project.id);
    const own = `/projects/${project.id}`;
    assert.equal((await plane.call("GET", own, { key })).status, 200);
    assert.equal((await plane.call("PATCH", own, { key, body: { project: { name: "renamed" } } })).status, 200);
    assert.equal((await plane.call("DELETE", own, { key })).status, 403);
    for (const [method, body] of [["GET"], ["POST", { project: {} }]] as const) {
      const refused = await plane.call<Refusal>(method, "/projects", body === undefined ? { key } : { key, body });
      assert.equal(refused.status, 404);
      assert.match(refused.body.message, /outside the project this key is scoped to/);
    }
    await removeAll();
  });

  it("paging shows every project once, newest first, with a cursor until the empty page", async () => {
    // In one transaction, so that all have the same instant of creation.
    await plane.db.transaction().execute(async (tx) => {
      for (let n = 0; n < 25; n++) {
        await tx
          .insertInto("projects")
          .values({
            id: `same-time-${String(n).padStart(8, "0")}`,
            org_id: plane.org_id,
            name: n % 5 === 0 ? `Fünf_${n}%` : `other ${n}`,
            region_id: "local",
            pg_version: 18,
            created_by: null,
            deleted_at: null,
          })
          .execute();
      }
    });
    const list = (query: string) => plane.call<Listed>("GET", `/projects?org_id=${plane.org_id}&${query}`);
    const seen: string[] = [];
    const sizes: number[] = [];
    let cursor: string | undefined;
    do {
      const { status, body } = await list(cursor === undefined ? "" : `cursor=${encodeURIComponent(cursor)}`);
      assert.equal(status, 200);
      sizes.push(body.projects.length);
      seen.push(...body.projects.map(({ id }) => id));
      cursor = body.pagination?.cursor;
    } while (cursor !== undefined);
    assert.deepEqual(sizes, [10, 10, 5, 0]);
    assert.deepEqual(seen, [...new Set(seen)].toSorted().toReversed());
    assert.equal(seen.length, 25);

    assert.equal((await list("limit=100")).body.projects.length, 25);
    assert.equal((await list("limit=401")).status, 400);
    assert.equal((await list("limit=400&search=f%C3%BCnf_")).body.projects.length, 5);
    assert.equal((await list("search=00000007")).body.projects.length, 1);
    assert.equal((await list("search=%25%25")).body.projects.length, 0, "% is no wildcard");
    assert.deepEqual((await list("recoverable=true")).body.projects, []);
    for (const bad of ["x", "eyJ9", Buffer.from('["x","y"]').toString("base64url")]) {
      assert.equal((await list(`cursor=${bad}`)).status, 400, bad);
    }
    const newest = await createProject(plane);
    assert.equal((await list("limit=1")).body.projects[0]?.id, newest.project.id);
    await removeAll();
  });

  it("nobody shares projects here, and the list of shared ones says so", async () => {
    const { status, body } = await plane.call<Listed>("GET", "/projects/shared?limit=100");
    assert.equal(status, 200);
    assert.deepEqual(body, { projects: [] });
  });

  it("a project is renamed even while its operations run, and deleted only afterwards", async () => {
    const { project } = await createProject(plane, { name: "before" });
    const path = `/projects/${project.id}`;
    const renamed = await plane.call<{ project: { name: string } }>("PATCH", path, {
      body: { project: { name: "after" } },
    });
    assert.equal(renamed.status, 200);
    assert.equal(renamed.body.project.name, "after");
    const locked = await plane.call<Refusal>("DELETE", path);
    assert.equal(locked.status, 423);
    assert.equal(
      locked.body.message,
      "project already has running conflicting operations, scheduling of new ones is prohibited",
    );
    await removeAll();
  });

  it("a deleted project and its keys are gone at once, and everything else when it can no longer be recovered", async () => {
    const { project, branch } = await createProject(plane);
    await plane.carryOut();
    const key = await organizationKey(project.id);
    const path = `/projects/${project.id}`;
    assert.equal((await plane.call("GET", path, { key })).status, 200);
    assert.equal((await plane.call("DELETE", path)).status, 200);

    assert.equal((await plane.call("GET", path, { key })).status, 401);
    assert.equal((await plane.call("GET", path)).status, 404);
    assert.equal((await plane.call("GET", `${path}/branches/${branch.id}`)).status, 404);
    assert.equal((await plane.call("DELETE", path)).status, 404);
    assert.deepEqual((await plane.call<Listed>("GET", `/projects?org_id=${plane.org_id}`)).body.projects, []);

    await plane.endRecovery();
    await plane.carryOut();
    assert.deepEqual(await plane.onMachine(), { computes: [], branches: [] });
    const left = await plane.db.selectFrom("api_keys").select("id").where("project_id", "=", project.id).execute();
    assert.deepEqual(left, []);
  });

  it("of several deletions at the same time one succeeds, and there is one audit row", async () => {
    const { project } = await createProject(plane);
    await plane.carryOut();
    const answers = await Promise.all(Array.from({ length: 6 }, () => plane.call("DELETE", `/projects/${project.id}`)));
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 404, 404, 404, 404, 404]);
    const rows = await plane.db
      .selectFrom("audit_events")
      .select("id")
      .where("action", "=", "project.delete")
      .where("project_id", "=", project.id)
      .execute();
    assert.equal(rows.length, 1);
    await plane.carryOut();
  });

  it("a member creates and renames projects and cannot delete them", async () => {
    const key = await plane.addMember("member");
    const made = await plane.call<{ project: { id: string } }>("POST", "/projects", {
      key,
      body: { project: { org_id: plane.org_id } },
    });
    assert.equal(made.status, 201);
    await plane.carryOut();
    assert.equal((await plane.call("DELETE", `/projects/${made.body.project.id}`, { key })).status, 403);
    await removeAll();
  });

  it("what is in a project is listed and found, and nothing of it through another project", async () => {
    const [made, other] = [await createProject(plane), await createProject(plane)];
    const branches = `/projects/${made.project.id}/branches`;
    const branch = `${branches}/${made.branch.id}`;
    const endpoints = `/projects/${made.project.id}/endpoints`;
    const found = [
      branches,
      `${branches}/count`,
      branch,
      `${branch}/endpoints`,
      `${branch}/roles`,
      `${branch}/roles/neondb_owner`,
      `${branch}/databases`,
      `${branch}/databases/neondb`,
      endpoints,
      `${endpoints}/${made.endpoints[0].id}`,
      `/projects/${made.project.id}/operations?limit=1`,
      `/projects/${made.project.id}/connection_uri?database_name=neondb&role_name=neondb_owner&pooled=true`,
      `/projects/${made.project.id}/connection_uri?database_name=neondb&role_name=neondb_owner&branch_id=${made.branch.id}&endpoint_id=${made.endpoints[0].id}`,
    ];
    for (const path of found) assert.equal((await plane.call("GET", path)).status, 200, path);

    const strange = `${branches}/${other.branch.id}`;
    const uri = `/projects/${made.project.id}/connection_uri`;
    const missing = [
      strange,
      `${strange}/endpoints`,
      `${strange}/roles`,
      `${strange}/roles/neondb_owner`,
      `${strange}/roles/neondb_owner/reveal_password`,
      `${strange}/databases`,
      `${strange}/databases/neondb`,
      `${branch}/roles/nobody`,
      `${branch}/roles/nobody/reveal_password`,
      `${branch}/databases/nothing`,
      `${endpoints}/${other.endpoints[0].id}`,
      `/projects/${made.project.id}/operations/${other.operations[0]?.id}`,
      `${uri}?database_name=nothing&role_name=neondb_owner`,
      `${uri}?database_name=neondb&role_name=nobody`,
      `${uri}?database_name=neondb&role_name=neondb_owner&branch_id=${other.branch.id}`,
      `${uri}?database_name=neondb&role_name=neondb_owner&endpoint_id=${other.endpoints[0].id}`,
      `${uri}?database_name=neondb&role_name=neondb_owner&branch_id=br-no-such-00000000&endpoint_id=${made.endpoints[0].id}`,
    ];
    for (const path of missing) assert.equal((await plane.call("GET", path)).status, 404, path);
    await removeAll();
  });

  it("no password is stored or logged as it is", async () => {
    const { connection_uris } = await createProject(plane);
    await plane.carryOut();
    const { password } = connection_uris[0].connection_parameters;
    assert.ok(password !== undefined && !plane.logged().includes(password));
    const rows = await plane.db.selectFrom("roles").selectAll().execute();
    assert.ok(
      !JSON.stringify(rows.map((row) => ({ ...row, password: row.password?.toString("latin1") }))).includes(password),
    );
    await removeAll();
  });

  it("are listed within the time that is given for it, or not at all", async () => {
    await createProject(plane, { name: "slow to list" });
    const path = `/projects?org_id=${plane.org_id}&timeout=`;
    await plane.db.transaction().execute(async (tx) => {
      await sql`lock table consumption_hours in access exclusive mode`.execute(tx);
      const began_ms = performance.now();
      const { status, body } = await plane.call<Refusal>("GET", `${path}200`);
      assert.equal(status, 503);
      assert.match(body.message, /"timeout"/);
      assert.ok(performance.now() - began_ms >= 195, "the time was given");
    });
    assert.ok((await plane.call<Listed>("GET", `${path}30000`)).body.projects.length > 0);
    for (const none of ["99", "30001", "soon"]) {
      assert.equal((await plane.call("GET", path + none)).status, 400, none);
    }
    await removeAll();
  });
});
