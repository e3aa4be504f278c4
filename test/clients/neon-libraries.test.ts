import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createNeonClient, raw } from "@neon/sdk";
import { ConsumptionHistoryGranularity, createApiClient } from "@neondatabase/api-client";
import { queryAt } from "../harness/query-at.ts";
import { type SetupLine, startServer, type TestServer } from "../harness/server.ts";

/** Neon's own libraries, unmodified, as a program would use them: only the address is ours. */
describe("Neon's libraries against the server", () => {
  let server: TestServer;
  let setup: SetupLine;

  before(async () => {
    server = await startServer();
    setup = await server.setup();
  });

  after(async () => await server?.close());

  const sdk = (apiKey: string) =>
    createNeonClient({
      apiKey,
      baseUrl: server.api,
      orgId: setup.org_id,
      throwOnError: true,
      wait: { pollIntervalMs: 50 },
    });

  test("@neon/sdk creates a project, waits until it is ready, and its connection string answers", async () => {
    const neon = sdk(setup.api_key);
    const { project, connectionString } = await neon.projects.createAndConnect({ name: "from-sdk" });
    assert.equal(project.name, "from-sdk");
    assert.deepEqual(await queryAt(connectionString, "select current_user::text"), ["neondb_owner"]);
    assert.equal((await neon.projects.get({ projectId: project.id })).org_id, setup.org_id);
    const operations = await neon.operations.list({ projectId: project.id }).all();
    assert.ok(operations.length >= 2 && operations.every(({ status }) => status === "finished"));
    await neon.projects.delete({ projectId: project.id });
    const { error } = await neon.projects.get({ projectId: project.id }, { throwOnError: false });
    assert.equal(error?.kind, "not_found");
  });

  test("@neon/sdk pages through all projects and stops at the end", async () => {
    const neon = sdk(setup.api_key);
    const names = ["page-1", "page-2", "page-3"];
    for (const name of names) await neon.projects.create({ name }, { waitForReadiness: false });
    const found = await neon.projects.list({ limit: 2 }).all();
    assert.deepEqual(
      found
        .map(({ name }) => name)
        .filter((name) => name.startsWith("page-"))
        .sort(),
      names,
    );
    assert.equal(new Set(found.map(({ id }) => id)).size, found.length);
  });

  test("@neon/sdk creates, lists and revokes a personal key, which is then refused", async () => {
    const neon = sdk(setup.api_key);
    const { id, key } = await neon.apiKeys.create({ keyName: "from-sdk" });
    assert.equal((await sdk(key).user.me()).email, "ada@example.com");
    assert.ok((await neon.apiKeys.list()).some((listed) => listed.id === id));
    assert.equal((await neon.apiKeys.revoke({ keyId: id })).revoked, true);
    const { error } = await sdk(key).user.me({ throwOnError: false });
    assert.ok(error?.kind === "auth" && error.status === 401);
    assert.match(error.requestId ?? "", /\S/);
  });

  test("@neon/sdk's raw layer makes organization and project-scoped keys, and each reaches what it should", async () => {
    const auth = { baseUrl: server.api, auth: setup.api_key, throwOnError: true as const };
    const { project } = await sdk(setup.api_key).projects.createAndConnect({ name: "raw" });
    const path = { org_id: setup.org_id };
    const organization = await raw.createOrgApiKey({ ...auth, path, body: { key_name: "raw org" } });
    const scoped = await raw.createOrgApiKey({
      ...auth,
      path,
      body: { key_name: "raw project", project_id: project.id },
    });
    assert.equal("project_id" in organization, false);
    assert.equal(scoped.project_id, project.id);
    const own = await sdk(organization.key).user.organizations();
    assert.deepEqual(
      own.map(({ id }) => id),
      [setup.org_id],
    );
    assert.equal((await sdk(scoped.key).projects.get({ projectId: project.id })).id, project.id);
    await assert.rejects(sdk(scoped.key).projects.list().all(), /outside the project this key is scoped to/);
    for (const { id, key } of [organization, scoped]) {
      assert.equal((await raw.revokeOrgApiKey({ ...auth, path: { ...path, key_id: id } })).revoked, true);
      const refused = await sdk(key).projects.get({ projectId: project.id }, { throwOnError: false });
      assert.ok(refused.error?.kind === "auth" && refused.error.status === 401);
    }
  });

  test("@neondatabase/api-client goes the same way: me, keys of three kinds, a project, its connection", async () => {
    const client = (apiKey: string) => createApiClient({ apiKey, baseURL: server.api, validateStatus: null });
    const neon = client(setup.api_key);
    assert.equal((await neon.getCurrentUserInfo()).data.email, "ada@example.com");

    const created = await neon.createProject({ project: { name: "from-client", org_id: setup.org_id } });
    assert.equal(created.status, 201);
    const { project, connection_uris, operations, branch } = created.data;
    assert.ok(operations.every(({ status }) => ["scheduling", "running"].includes(status)));
    await server.settle(project.id, setup.api_key);
    assert.deepEqual(await queryAt(connection_uris[0]?.connection_uri ?? "", "select 6 * 7"), [42]);
    const of = { projectId: project.id, branchId: branch.id };
    assert.deepEqual(
      (await neon.listProjectBranches({ projectId: project.id })).data.branches.map(({ name }) => name),
      ["main"],
    );
    const [role] = (await neon.listProjectBranchRoles(of.projectId, of.branchId)).data.roles;
    const [database] = (await neon.listProjectBranchDatabases(of.projectId, of.branchId)).data.databases;
    assert.deepEqual([role?.name, database?.name], ["neondb_owner", "neondb"]);
    const { uri } = (
      await neon.getConnectionUri({ projectId: project.id, database_name: "neondb", role_name: "neondb_owner" })
    ).data;
    assert.deepEqual(await queryAt(uri, "select 1"), [1]);

    const keys = [
      (await neon.createApiKey({ key_name: "client" })).data,
      (await neon.createOrgApiKey(setup.org_id, { key_name: "client" })).data,
      (await neon.createOrgApiKey(setup.org_id, { key_name: "client project", project_id: project.id })).data,
    ];
    for (const { key } of keys) assert.equal((await client(key).getProject(project.id)).status, 200);
    assert.equal((await neon.revokeApiKey(keys[0]?.id ?? 0)).data.revoked, true);
    for (const { id } of keys.slice(1)) {
      assert.equal((await neon.revokeOrgApiKey(setup.org_id, id)).data.revoked, true);
    }
    for (const { key } of keys) assert.equal((await client(key).getProject(project.id)).status, 401);

    assert.equal((await neon.updateProject(project.id, { project: { name: "renamed" } })).data.project.name, "renamed");
    assert.equal((await neon.deleteProject(project.id)).status, 200);
    assert.equal((await neon.getProject(project.id)).status, 404);
  });

  test("@neondatabase/api-client suspends, starts and restarts a compute, which it does without a body", async () => {
    const neon = createApiClient({ apiKey: setup.api_key, baseURL: server.api });
    const { project } = await sdk(setup.api_key).projects.createAndConnect({ name: "computes" });
    const id = (await neon.listProjectEndpoints(project.id)).data.endpoints[0]?.id ?? "";
    for (const [change, state] of [
      [neon.suspendProjectEndpoint, "idle"],
      [neon.startProjectEndpoint, "active"],
      [neon.restartProjectEndpoint, "active"],
    ] as const) {
      assert.equal((await change(project.id, id)).status, 200);
      await server.settle(project.id, setup.api_key);
      assert.equal((await neon.getProjectEndpoint(project.id, id)).data.endpoint.current_state, state);
    }
  });

  test("both libraries read what projects and branches have consumed, lists of ids and metrics included", async () => {
    const auth = { baseUrl: server.api, auth: setup.api_key, throwOnError: true as const };
    const neon = createApiClient({ apiKey: setup.api_key, baseURL: server.api });
    const made = await sdk(setup.api_key).projects.createAndConnect({ name: "consuming" });
    const { project } = made;
    const day = 86_400_000;
    const from = new Date(Date.now() - day).toISOString();
    const to = new Date(Date.now() + day).toISOString();
    const range = { from, to, granularity: ConsumptionHistoryGranularity.Daily, org_id: setup.org_id };
    // The meters look every half minute; a suspension makes them.
    const { endpoints } = (await neon.listProjectEndpoints(project.id)).data;
    await neon.suspendProjectEndpoint(project.id, endpoints[0]?.id ?? "");
    await server.settle(project.id, setup.api_key);

    const project_ids = [project.id, "no-such-project-1"];
    const query = { ...range, project_ids, metrics: ["compute_unit_seconds", "extra_branches_month"] };
    const [seen] = (await raw.getConsumptionHistoryPerProject({ ...auth, query: { ...range, project_ids } })).projects;
    assert.equal(seen?.project_id, project.id);
    const timeframes = seen.periods.flatMap(({ consumption }) => consumption);
    assert.ok(timeframes.length >= 1 && timeframes.every((one) => one.active_time_seconds >= 0), JSON.stringify(seen));
    const { projects } = await raw.getConsumptionHistoryPerProjectV2({ ...auth, query });
    assert.deepEqual(
      projects.map(({ project_id }) => project_id),
      [project.id],
    );
    const metrics = ["compute_unit_seconds", "root_branch_bytes_month"];
    const { branches } = await raw.getConsumptionHistoryPerBranchV2({ ...auth, query: { ...query, metrics } });
    assert.deepEqual(
      branches[0]?.periods[0]?.consumption[0]?.metrics?.map(({ metric_name }) => metric_name),
      metrics,
    );

    assert.deepEqual((await neon.getConsumptionHistoryPerProjectV2(query)).data.projects, projects);
    const first = (await neon.getConsumptionHistoryPerProject({ ...range, limit: 1 })).data;
    const second = await neon.getConsumptionHistoryPerProject({
      ...range,
      limit: 1,
      cursor: first.pagination?.cursor ?? "",
    });
    assert.notEqual(second.data.projects[0]?.project_id, first.projects[0]?.project_id);
    const refused = neon.getConsumptionHistoryPerProject({
      ...range,
      granularity: ConsumptionHistoryGranularity.Hourly,
      from: "2024-03-01T00:00:00Z",
    });
    await assert.rejects(refused, (error: { response?: { status: number } }) => error.response?.status === 406);
  });
});
