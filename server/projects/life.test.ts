import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { sql } from "kysely";
import { waitFor } from "../../test/harness/server.ts";
import { newOrganizationId, newUuid } from "../ids.ts";
import { createProject, openPlane, type Plane, queryAsClient } from "../jobs/test-plane.ts";

interface Project {
  readonly id: string;
  readonly org_id: string;
  readonly settings: {
    allowed_ips?: { ips?: string[]; protected_branches_only?: boolean };
    quota?: { active_time_seconds?: number };
  };
  readonly default_endpoint_settings: object;
  readonly deleted_at?: string;
  readonly recoverable_until?: string;
}
interface Answer {
  readonly project: Project;
  readonly message: string;
}

describe("the life of a project", () => {
  let plane: Plane;
  before(async () => {
    plane = await openPlane();
  });
  after(() => plane.close());

  const carryOut = () => plane.carryOut();
  const patch = (id: string, project: object) => plane.call<Answer>("PATCH", `/projects/${id}`, { body: { project } });
  const list = async (query: string) =>
    (await plane.call<{ projects: Project[] }>("GET", `/projects?org_id=${plane.org_id}&${query}`)).body.projects;

  async function projectKey(project_id: string): Promise<string> {
    const body = { key_name: newUuid(), project_id };
    return (await plane.call<{ key: string }>("POST", `/organizations/${plane.org_id}/api_keys`, { body })).body.key;
  }

  async function newOrganization(role?: "admin" | "member"): Promise<string> {
    const id = newOrganizationId();
    await plane.db.insertInto("organizations").values({ id, name: id, handle: id, personal_of: null }).execute();
    if (role !== undefined) {
      const { user_id } = await plane.db
        .selectFrom("members")
        .select("user_id")
        .where("org_id", "=", plane.org_id)
        .executeTakeFirstOrThrow();
      await plane.db.insertInto("members").values({ id: newUuid(), org_id: id, user_id, role }).execute();
    }
    return id;
  }

  it("a deleted project is out of reach and its computes stop; recovered, it is what it was, and its keys stay dead", async () => {
    const { project, connection_uris, branch, endpoints } = await createProject(plane);
    await carryOut();
    const [{ connection_uri: uri }] = connection_uris;
    await queryAsClient(uri, "create table kept as select 1 as n");
    const key = await projectKey(project.id);
    assert.equal((await plane.call("POST", `/projects/${project.id}/recover`)).status, 404, "it is not deleted");
    assert.equal((await plane.call("DELETE", `/projects/${project.id}`)).status, 200);
    await carryOut();
    assert.equal((await plane.drivers().compute.status(endpoints[0].id))?.state, "stopped");
    assert.deepEqual(await list(""), []);
    const [listed] = await list("recoverable=true");
    assert.equal(listed?.id, project.id);
    const days = (Date.parse(listed?.recoverable_until ?? "") - Date.parse(listed?.deleted_at ?? "")) / 86_400_000;
    assert.equal(days, 7);

    const member = await plane.addMember("member");
    assert.equal((await plane.call("POST", `/projects/${project.id}/recover`, { key: member })).status, 403);
    const recovered = await plane.call<Answer & { branches: { id: string }[] }>(
      "POST",
      `/projects/${project.id}/recover`,
    );
    assert.equal(recovered.status, 200);
    assert.deepEqual(
      recovered.body.branches.map(({ id }) => id),
      [branch.id],
    );
    await carryOut();
    assert.deepEqual(await queryAsClient(uri, "select n from kept"), [{ n: 1 }]);
    assert.equal((await plane.call("GET", `/projects/${project.id}`, { key })).status, 401);
    assert.equal((await plane.call("DELETE", `/projects/${project.id}`)).status, 200);
  });

  it("after seven days nothing is left to recover", async () => {
    await plane.endRecovery();
    const [project] = await list("recoverable=true");
    await carryOut();
    assert.deepEqual(await plane.onMachine(), { computes: [], branches: [] });
    assert.deepEqual(await list("recoverable=true"), []);
    assert.equal((await plane.call("POST", `/projects/${project?.id}/recover`)).status, 404);
  });

  it("settings that are honoured are kept, field by field, and others are refused by name", async () => {
    const { project } = await createProject(plane, { settings: { allowed_ips: { ips: ["203.0.113.0/24"] } } });
    const { id } = project;
    const only = await patch(id, { settings: { allowed_ips: { protected_branches_only: true } } });
    const expected = { ips: ["203.0.113.0/24"], protected_branches_only: true };
    assert.deepEqual(only.body.project.settings.allowed_ips, expected);
    const several = ["203.0.113.7", "2001:db8::/32", "203.0.113.1-203.0.113.20"];
    const changed = await patch(id, { settings: { allowed_ips: { ips: several } } });
    assert.deepEqual(changed.body.project.settings.allowed_ips?.ips, several);
    for (const ip of ["", "x", "203.0.113.7/33", "203.0.113.9-203.0.113.1", "203.0.113.0/24/8", "::/129"]) {
      assert.equal((await patch(id, { settings: { allowed_ips: { ips: [ip] } } })).status, 400, ip);
    }
    for (const refused of [
      { settings: { enable_logical_replication: true } },
      { settings: { block_public_connections: true } },
      { history_retention_seconds: 86_400 },
      { default_endpoint_settings: { autoscaling_limit_max_cu: 0.75 } },
      { default_endpoint_settings: { autoscaling_limit_max_cu: 56, autoscaling_limit_min_cu: 56 } },
      { default_endpoint_settings: { pg_settings: { archive_command: "x" } } },
    ]) {
      assert.equal((await patch(id, refused)).status, 400, JSON.stringify(refused));
    }
    await carryOut();
    await plane.call("DELETE", `/projects/${id}`);
  });

  it("of two changes at the same time neither undoes the other", async () => {
    const { project } = await createProject(plane);
    const change = (settings: object) => patch(project.id, { settings });
    const waiting = async () => {
      const { rows } = await sql`select from pg_stat_activity where wait_event_type = 'Lock'`.execute(plane.db);
      return rows.length === 2;
    };
    // Both have read the project by the time either may write.
    const changes = await plane.db.transaction().execute(async (tx) => {
      await sql`select from projects where id = ${project.id} for update`.execute(tx);
      const begun = [change({ allowed_ips: { ips: ["203.0.113.7"] } }), change({ quota: { active_time_seconds: 60 } })];
      await waitFor("both changes", waiting);
      return begun;
    });
    for (const { status } of await Promise.all(changes)) assert.equal(status, 200);
    const { body } = await plane.call<Answer>("GET", `/projects/${project.id}`);
    assert.deepEqual(body.project.settings.allowed_ips?.ips, ["203.0.113.7"]);
    assert.equal(body.project.settings.quota?.active_time_seconds, 60);
    await carryOut();
    await plane.call("DELETE", `/projects/${project.id}`);
  });

  it("computes made from then on have the project's default settings", async () => {
    const default_endpoint_settings = { pg_settings: { work_mem: "3MB" } };
    const { project, connection_uris } = await createProject(plane, { default_endpoint_settings });
    await carryOut();
    assert.deepEqual(await queryAsClient(connection_uris[0].connection_uri, "show work_mem"), [{ work_mem: "3MB" }]);
    const libraries = await plane.call<{ libraries: object[] }>(
      "GET",
      `/projects/${project.id}/available_preload_libraries`,
    );
    assert.deepEqual(libraries.body.libraries, []);
    await plane.call("DELETE", `/projects/${project.id}`);
  });

  it("a transferred project belongs to the other organization at once, and its project keys are dead", async () => {
    const { project } = await createProject(plane);
    const key = await projectKey(project.id);
    assert.equal((await plane.call("GET", `/projects/${project.id}`, { key })).status, 200);
    const transfer = (destination_org_id: string, project_ids = [project.id], as?: string) =>
      plane.call<Answer>("POST", `/organizations/${plane.org_id}/projects/transfer`, {
        body: { destination_org_id, project_ids },
        ...(as === undefined ? {} : { key: as }),
      });
    const mine = await newOrganization("member");
    assert.equal((await transfer(await newOrganization())).status, 403, "not a member there");
    assert.equal((await transfer(mine, [project.id], await plane.addMember("member"))).status, 403, "no admin here");
    const org_key = await plane.call<{ key: string }>("POST", `/organizations/${plane.org_id}/api_keys`, {
      body: { key_name: newUuid() },
    });
    assert.equal(
      (await transfer(mine, [project.id], org_key.body.key)).status,
      403,
      "a key stands in one organization",
    );
    assert.equal((await transfer(plane.org_id)).status, 400);
    assert.equal((await transfer(mine, [project.id, "no-such-00000000"])).status, 404);
    assert.equal((await plane.call<Answer>("GET", `/projects/${project.id}`)).body.project.org_id, plane.org_id);

    assert.equal((await transfer(mine)).status, 200);
    assert.equal((await plane.call("GET", `/projects/${project.id}`, { key })).status, 401);
    assert.equal((await plane.call("GET", `/projects/${project.id}`, { key: org_key.body.key })).status, 404);
    assert.equal((await plane.call<Answer>("GET", `/projects/${project.id}`)).body.project.org_id, mine);
    assert.ok(!(await list("")).some(({ id }) => id === project.id));
  });
});
