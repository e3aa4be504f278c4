import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { createNeonClient } from "@neon/sdk";
import { ensurePgBouncer } from "../harness/pgbouncer.ts";
import { queryAt } from "../harness/query-at.ts";
import { type SetupLine, startServer, type TestServer } from "../harness/server.ts";

/**
 * The branch workflows of `@neon/sdk`, unmodified, each waiting for its operations as the library does and then looked
 * at with a query: what it takes for ready must be ready. Tests go on from one another.
 */
suite("branches by @neon/sdk", () => {
  let server: TestServer;
  let setup: SetupLine;
  let neon: ReturnType<typeof connect>;
  let projectId: string;
  let main: string;
  let dev: string;

  const connect = () =>
    createNeonClient({
      apiKey: setup.api_key,
      baseUrl: server.api,
      orgId: setup.org_id,
      throwOnError: true,
      // Every change is waited for.
      waitForReadiness: true,
      wait: { pollIntervalMs: 50 },
    });

  before(async () => {
    await ensurePgBouncer();
    server = await startServer();
    setup = await server.setup();
    neon = connect();
    const made = await neon.projects.createAndConnect({ name: "branches" });
    projectId = made.project.id;
    await queryAt(made.connectionString, "create table notes as select 'shared' as text");
    main = (await neon.branches.getDefault({ projectId })).id;
  });
  after(() => server?.close());

  async function askBranch(branchId: string, text: string): Promise<unknown[]> {
    const found = await neon.postgres.connectionString({ projectId, branchId });
    return await queryAt(found, text);
  }
  const notesOf = (branchId: string) => askBranch(branchId, "select text from notes order by text");
  const unfinished = async () =>
    (await neon.operations.list({ projectId }).all()).filter(({ status }) => status !== "finished");

  test("createAndConnect gives a branch whose connection string answers at once", async () => {
    const pooled = await neon.branches.createAndConnect({ projectId, name: "dev" });
    dev = pooled.branch.id;
    assert.deepEqual(await queryAt(pooled.connectionString, "insert into notes values ('mine') returning text"), [
      "mine",
    ]);
    assert.equal(pooled.endpoint.branch_id, dev);
    assert.deepEqual(await unfinished(), []);

    const direct = await neon.branches.createAndConnect({ projectId, name: "direct", parentId: dev, pooled: false });
    assert.deepEqual(await queryAt(direct.connectionString, "select text from notes order by text"), [
      "mine",
      "shared",
    ]);
    assert.equal(direct.branch.parent_id, dev);
    await neon.branches.delete({ projectId, branchId: direct.branch.id });
  });

  test("list pages through all branches, and get, update and delete do what they say", async () => {
    const made = await neon.branches.create({ projectId, name: "bare", noCompute: true });
    assert.equal((await neon.postgres.endpoints.list({ projectId })).length, 2);
    const listed = await neon.branches.list({ projectId, limit: 2 }).all();
    assert.deepEqual(listed.map(({ name }) => name).toSorted(), ["bare", "dev", "main"]);
    const searched = await neon.branches.list({ projectId, search: "BAR" }).all();
    assert.deepEqual(
      searched.map(({ id }) => id),
      [made.id],
    );

    const expires_at = "2999-01-01T00:00:00.000Z";
    const changed = await neon.branches.update({ projectId, branchId: made.id, name: "renamed", expires_at });
    assert.equal(changed.name, "renamed");
    const found = await neon.branches.get({ projectId, branchId: made.id });
    assert.equal(found.name, "renamed");
    assert.equal(Date.parse(found.expires_at ?? ""), Date.parse(expires_at));

    await neon.branches.delete({ projectId, branchId: made.id });
    const { error } = await neon.branches.get({ projectId, branchId: made.id }, { throwOnError: false });
    assert.equal(error?.kind, "not_found");
    assert.deepEqual(await unfinished(), []);
  });

  test("setDefault moves the default, and getDefault finds it by its mark and not by its name", async () => {
    assert.equal((await neon.branches.setDefault({ projectId, branchId: dev })).default, true);
    assert.equal((await neon.branches.getDefault({ projectId })).id, dev);
    assert.deepEqual(
      await queryAt(await neon.postgres.connectionString({ projectId }), "select count(*)::int from notes"),
      [2],
    );
    await neon.branches.setDefault({ projectId, branchId: main });
    assert.equal((await neon.branches.getDefault({ projectId })).id, main);
  });

  test("resetFromParent, once waited for, has the parent's data, and what there was under the name that was given", async () => {
    await askBranch(main, "insert into notes values ('news')");
    const reset = await neon.branches.resetFromParent({ projectId, branchId: dev, preserveUnderName: "dev-before" });
    assert.equal(reset.id, dev);
    assert.deepEqual(await unfinished(), []);
    assert.equal((await neon.branches.get({ projectId, branchId: dev })).current_state, "ready");
    assert.deepEqual(await notesOf(dev), ["news", "shared"]);

    const [kept] = await neon.branches.list({ projectId, search: "dev-before" }).all();
    assert.ok(kept);
    await neon.postgres.endpoints.create({ projectId, branch_id: kept.id, type: "read_write" });
    assert.deepEqual(await notesOf(kept.id), ["mine", "shared"]);
  });

  test("compareSchema tells what differs between two databases, and refuses a moment of the past by name", async () => {
    const same = await neon.branches.compareSchema({
      projectId,
      branchId: dev,
      baseBranchId: main,
      databaseName: "neondb",
    });
    assert.equal(same.diff ?? "", "");
    await askBranch(dev, "alter table notes add column email text");
    const compared = await neon.branches.compareSchema({
      ...{ projectId, branchId: dev, baseBranchId: main, databaseName: "neondb" },
    });
    assert.match(compared.diff ?? "", /^\+\s+email text$/m);
    const past = { timestamp: "2024-01-01T00:00:00Z" };
    await assert.rejects(
      neon.branches.compareSchema({ projectId, branchId: dev, databaseName: "neondb", ...past }),
      /not available in Latchkey: "timestamp"/,
    );
  });

  test("what is not offered is told in an error of the library's own, with the server's words", async () => {
    const snapshots = await neon.snapshots.list({ projectId });
    assert.deepEqual(snapshots, []);
    const { error } = await neon.snapshots.create({ projectId, branchId: main, name: "now" }, { throwOnError: false });
    assert.equal(error?.kind, "not_found");
    assert.match(error?.message ?? "", /snapshots not available in Latchkey/);
    const read_only = { branch_id: main, type: "read_only" as const };
    await assert.rejects(
      neon.postgres.endpoints.create({ projectId, ...read_only }),
      /"read_only" is not available in Latchkey/,
    );
  });
});
