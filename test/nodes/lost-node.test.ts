import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ExternalDatabase } from "../harness/external-database.ts";
import { postmastersOf } from "../harness/processes.ts";
import { type TestServer, waitFor } from "../harness/server.ts";
import type { CreatedProject } from "../harness/world.ts";
import { Nodes } from "../revocation/experiment.ts";

/** What becomes of a node's computes when the node does not answer. */
describe("a lost node, of three on one database", () => {
  let database: ExternalDatabase;
  let nodes: Nodes;

  before(async () => {
    database = await ExternalDatabase.make();
    nodes = await Nodes.start(database, [{}, {}, {}]);
  });
  after(async () => {
    await nodes?.close();
    await database?.close();
  });

  interface DataNode {
    readonly id: string;
    readonly state: string;
    readonly projects: number;
  }
  interface Endpoint {
    readonly current_state: string;
    readonly unreachable_since?: string;
  }

  const dataNodes = async (through: number) =>
    ((await (await fetch(`${nodes.node(through).url}/nodes`)).json()) as { data_nodes: DataNode[] }).data_nodes;

  async function makeProject(through: number): Promise<CreatedProject> {
    const key = nodes.admin_key;
    const made = await nodes
      .node(through)
      .expect<CreatedProject>(201, "POST", "/projects", { key, body: { project: { org_id: nodes.org_id } } });
    await nodes.node(through).settle(made.project.id, key);
    return made;
  }

  const computesOf = async (server: TestServer) => (await postmastersOf(server.data_dir)).length;

  test("a killed node's computes are told as unreachable, nothing starts them elsewhere, and work that can wait waits", async () => {
    const key = nodes.admin_key;
    const made = await makeProject(1);
    const doomed = await makeProject(1);
    const path = `/projects/${made.project.id}`;
    const endpoint = `${path}/endpoints/${made.endpoints[0]?.id}`;
    const through = nodes.node(0);
    const look = async () => (await through.expect<{ endpoint: Endpoint }>(200, "GET", endpoint, { key })).endpoint;
    assert.equal((await look()).unreachable_since, undefined);
    const branch = await through.expect<{ branch: { id: string } }>(201, "POST", `${path}/branches`, { key, body: {} });
    await through.settle(made.project.id, key);
    assert.deepEqual(new Set((await dataNodes(0)).map(({ state }) => state)), new Set(["live"]));

    await nodes.node(1).kill();
    await waitFor("it to be told", async () => (await look()).unreachable_since !== undefined);
    const { current_state, unreachable_since = "" } = await look();
    assert.equal(current_state, "active");
    assert.ok(Date.parse(unreachable_since) > 0);
    assert.equal((await dataNodes(2)).filter(({ state }) => state === "lost").length, 1);
    assert.equal(await nodes.metric(0, "latchkey_data_node_held"), 1);
    await waitFor("the figure", async () => (await nodes.metric(2, "latchkey_data_nodes_lost")) === 1);

    for (const [method, refused, body] of [
      ["POST", `${endpoint}/start`, undefined],
      ["POST", `${endpoint}/restart`, undefined],
      ["POST", `${path}/branches`, {}],
    ] as const) {
      const answer = await through.call<{ message: string }>(method, refused, { key, ...(body ? { body } : {}) });
      assert.equal(answer.status, 503, refused);
      assert.match(answer.body.message, /has not been heard from since .*start that server again/);
    }
    const { operations } = await nodes
      .node(2)
      .expect<{ operations: { id: string }[] }>(200, "DELETE", `${path}/branches/${branch.branch.id}`, { key });
    const operation = () =>
      through.expect<{ operation: { status: string; error?: string } }>(
        200,
        "GET",
        `${path}/operations/${operations[0]?.id}`,
        { key },
      );
    const waiting = (await operation()).operation;
    assert.equal(waiting.status, "scheduling");
    assert.match(waiting.error ?? "", /start that server again/);
    await through.expect(200, "DELETE", `/projects/${doomed.project.id}`, { key });
    // As if the days had passed in which it can be recovered.
    await database.query("update projects set deleted_at = now() - interval '8 days' where id = $1", [
      doomed.project.id,
    ]);
    const isThere = async () =>
      (await database.query("select from projects where id = $1", [doomed.project.id])).length;
    assert.equal(await computesOf(nodes.node(0)), 0);
    assert.equal(await computesOf(nodes.node(2)), 0);

    assert.equal(await isThere(), 1);

    await nodes.node(1).start();
    await through.settle(made.project.id, key);
    assert.equal((await look()).unreachable_since, undefined);
    await through.expect(404, "GET", `${path}/branches/${branch.branch.id}`, { key });
    await waitFor("the deleted project's end", async () => (await isThere()) === 0);
    assert.equal(await computesOf(nodes.node(1)), 1, "the compute of the one that is left");
  });
});
