import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { newToken } from "../../server/keys/token.ts";
import { ExternalDatabase } from "../harness/external-database.ts";
import { isAlive } from "../harness/processes.ts";
import { startServer, waitFor } from "../harness/server.ts";
import { Nodes } from "./experiment.ts";
import { HttpConnection } from "./http-client.ts";
import { NARROWING } from "./narrowing.ts";

/** What several nodes on one database owe, apart from the experiment of `revocation.test.ts`. */
describe("several nodes on one database", () => {
  let database: ExternalDatabase;
  let nodes: Nodes;

  before(async () => {
    database = await ExternalDatabase.make();
    nodes = await Nodes.start(database, [{}, {}, {}]);
    await nodes.prepare();
  });
  after(async () => {
    await nodes?.close();
    await database?.close();
  });

  const statusAt = async (node: number, key: string) => (await nodes.node(node).call("GET", "/auth", { key })).status;

  test("a key that one node has made is good at every other at once, and its use is listed at all within 2 s", async () => {
    const made = await nodes.node(0).expect<{ id: number; key: string }>(200, "POST", "/api_keys", {
      key: nodes.admin_key,
      body: { key_name: "used once" },
    });
    for (const node of [1, 2]) assert.equal(await statusAt(node, made.key), 200);
    await delay(2_100);
    await nodes.node(1).expect(200, "GET", "/auth", { key: made.key });
    const used_ms = Date.now();
    await waitFor(
      "the use in every list",
      async () => {
        const lists = await Promise.all(
          nodes.servers.map((server) =>
            server.expect<{ id: number; last_used_at: string | null }[]>(200, "GET", "/api_keys", {
              key: nodes.admin_key,
            }),
          ),
        );
        return lists.every((list) => {
          const at = list.find(({ id }) => id === made.id)?.last_used_at;
          return at != null && Date.parse(at) >= used_ms - 1_000;
        });
      },
      2_000,
    );
  });

  test("the keys of a deleted project are dead at every node when the deletion is answered", async () => {
    const [project] = await database.query<{ id: string; org_id: string }>(
      `insert into projects (id, org_id, name, region_id, pg_version, created_by)
       values ('made-by-a-test-12345678', $1, 'p', 'local', 18, $2) returning id, org_id`,
      [nodes.org_id, nodes.user_id],
    );
    const { token, digest } = newToken("proj");
    await database.query(
      `insert into api_keys (kind, org_id, project_id, name, token_digest, hint, created_by)
       values ('proj', $1, $2, 'of a project', $3, 'hint', $4)`,
      [project?.org_id, project?.id, digest, nodes.user_id],
    );
    for (const node of [0, 1, 2]) assert.equal(await statusAt(node, token.reveal()), 200);
    const answer = await nodes.node(1).call("DELETE", `/projects/${project?.id}`, { key: nodes.admin_key });
    assert.equal(answer.status, 200);
    for (const node of [0, 1, 2]) assert.equal(await statusAt(node, token.reveal()), 401);
  });

  for (const [change, prepare] of Object.entries(NARROWING)) {
    test(`${change} at one node: the very next requests at the others are refused`, async () => {
      const { asks, narrow } = await prepare(nodes);
      const others = [1, 2];
      const askAll = () =>
        Promise.all(
          others.flatMap((node) =>
            asks.map(async ({ path, credential }) => (await nodes.node(node).call("GET", path, credential)).status),
          ),
        );
      // Twice, so that whatever a node remembers it remembers.
      for (let i = 0; i < 2; i++) {
        assert.deepEqual(
          await askAll(),
          others.flatMap(() => asks.map(() => 200)),
        );
      }
      await narrow();
      assert.deepEqual(
        await askAll(),
        others.flatMap(() => asks.map(({ refused }) => refused)),
      );
    });
  }

  test("a database put back to an earlier state takes no node in: what was acknowledged there does not count", async () => {
    const key = nodes.keys[0]?.token ?? "";
    for (const node of [0, 1, 2]) assert.equal(await statusAt(node, key), 200);
    // As after a restore: the same revisions are given once more, for other changes.
    await database.query(
      `begin; delete from access_changes where revision > 0; update access_revision set revision = 0;
       update nodes set acked_revision = 0; commit`,
    );
    const outcome = await nodes.revoke(nodes.keys[0] as (typeof nodes.keys)[number], nodes.node(1));
    assert.ok(outcome.promised);
    for (const node of [0, 1, 2]) assert.equal(await statusAt(node, key), 401);
  });

  test("a rolling restart loses no request", async () => {
    const over = new AbortController();
    const failed: string[] = [];
    let answered = 0;
    const client = async (first: number) => {
      let node = first;
      let connection = new HttpConnection(nodes.node(node).port);
      const goOn = () => {
        connection.close();
        node = (node + 1) % nodes.servers.length;
        connection = new HttpConnection(nodes.node(node).port);
      };
      for (let i = first; !over.signal.aborted; i++) {
        const key = nodes.keys[(i % 100) + 1]?.token ?? "";
        try {
          const status = await connection.get("/api/v2/auth", key);
          if (status !== 200) failed.push(`node ${node} answered ${status}`);
          answered++;
          // As a load balancer does with a node that is not ready any more, and with one that does not listen.
          if (connection.was_sent_away) goOn();
          await delay(2);
        } catch {
          if (connection.was_refused) goOn();
          else failed.push(`node ${node} lost a request`);
        }
      }
      connection.close();
    };
    const clients = Array.from({ length: 12 }, (_, i) => client(i % 3));
    for (const server of nodes.servers) {
      await delay(300);
      assert.equal(await server.stop(), 0);
      await server.start();
    }
    await delay(300);
    over.abort();
    await Promise.all(clients);
    assert.deepEqual(failed, []);
    assert.ok(answered > 500);
  });

  test("a node that has stopped is waited for by nobody", async () => {
    await nodes.node(2).stop();
    const key = nodes.keys.find(({ state }) => state === "live");
    assert.ok(key);
    await nodes.revoke(key, nodes.node(0));
    const [row] = await database.query<{ confirmation: { lapsed: string[]; acknowledged: string[] } }>(
      "select confirmation from audit_events order by id desc limit 1",
    );
    assert.deepEqual(row?.confirmation.lapsed, []);
    assert.equal(row?.confirmation.acknowledged.length, 2);
    await nodes.node(2).start();
  });
});

test("several workers serve one port, each a node; a worker that dies is replaced; all end together", async (t) => {
  const server = await startServer(t, { LATCHKEY_WORKERS: "2", LATCHKEY_LOG_LEVEL: "warn" });
  const { api_key } = await server.setup();
  const list = async () => {
    const { nodes } = (await (await fetch(`${server.url}/nodes`)).json()) as { nodes: { id: string; pid: number }[] };
    return nodes;
  };
  const before_ = await list();
  assert.equal(before_.length, 2);
  for (let i = 0; i < 10; i++) assert.equal((await server.call("GET", "/auth", { key: api_key })).status, 200);
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const counted = /^latchkey_http_request_duration_seconds_count\{.*route="\/api\/v2\/auth".*\} (\d+)$/m.exec(text);
  assert.equal(counted?.[1], "10", "the figures of all workers together");

  const made = await server.expect<{ id: number; key: string }>(200, "POST", "/api_keys", {
    key: api_key,
    body: { key_name: "short" },
  });
  for (let i = 0; i < 6; i++) assert.equal((await server.call("GET", "/auth", { key: made.key })).status, 200);
  const doomed = before_[0]?.pid ?? Number.NaN;
  process.kill(doomed, "SIGKILL");
  // A request on a connection that it still had would be lost with it.
  await waitFor("it to be gone", async () => !isAlive(doomed));
  await server.expect(200, "DELETE", `/api_keys/${made.id}`, { key: api_key });
  for (let i = 0; i < 6; i++) assert.equal((await server.call("GET", "/auth", { key: made.key })).status, 401);
  await waitFor("another worker", async () =>
    (await list()).some(({ id }) => !before_.some((known) => known.id === id)),
  );
  assert.equal(await server.stop(), 0);
});
