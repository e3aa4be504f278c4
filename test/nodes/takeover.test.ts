import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import pg from "pg";
import { SILENT_MS } from "../../server/placement/hold.ts";
import { ExternalDatabase } from "../harness/external-database.ts";
import { postmastersOf } from "../harness/processes.ts";
import { freePort, TestServer, waitFor } from "../harness/server.ts";
import type { CreatedProject } from "../harness/world.ts";
import { Nodes } from "../revocation/experiment.ts";
import { SwallowingProxy } from "../revocation/swallowing-proxy.ts";

const UNTOLD = /has not been heard from/;

/**
 * Three real servers on one database, with the real times of `server/placement/`: what becomes of computes when their
 * node's server is cut off from the database, and when another process takes its place.
 */
describe("a node that is cut off or taken over", () => {
  let database: ExternalDatabase;
  let proxy: SwallowingProxy;
  let nodes: Nodes;
  const pg_ports: number[] = [];

  before(async () => {
    database = await ExternalDatabase.make();
    proxy = await SwallowingProxy.open(database.port);
    for (let i = 0; i < 3; i++) pg_ports.push(await freePort());
    const environments = pg_ports.map((port) => ({ LATCHKEY_PG_PORT: String(port) }));
    // The node that is looked at has its own way to the database.
    Object.assign(environments[1] ?? {}, { DATABASE_URL: database.urlAt(proxy.port) });
    nodes = await Nodes.start(database, environments);
  });
  after(async () => {
    await nodes?.close();
    await proxy?.close();
    await database?.close();
  });

  interface Project {
    readonly id: string;
    readonly endpoint_id: string;
    readonly uri: URL;
  }

  /** A project on the second node, with a table in it. */
  async function makeProject(): Promise<Project> {
    const key = nodes.admin_key;
    const node_id = await readFile(join(nodes.node(1).data_dir, "node-id"), "utf8");
    for (;;) {
      const made = await nodes
        .node(0)
        .expect<CreatedProject>(201, "POST", "/projects", { key, body: { project: { org_id: nodes.org_id } } });
      await nodes.node(0).settle(made.project.id, key);
      const text = "select from branches where project_id = $1 and node_id = $2";
      if ((await database.query(text, [made.project.id, node_id])).length === 0) continue;
      const uri = new URL(made.connection_uris[0]?.connection_uri ?? "");
      const project = { id: made.project.id, endpoint_id: made.endpoints[0]?.id ?? "", uri };
      await query(project, 0, "create table kept as select 42 as n");
      return project;
    }
  }

  /** A client at the port that a node's gateway has for all computes. */
  async function connect({ uri, endpoint_id }: Project, through: number): Promise<pg.Client> {
    const [user, password] = [uri.username, uri.password].map(decodeURIComponent);
    const client = new pg.Client({
      ...{ host: "127.0.0.1", port: pg_ports[through] ?? 0, user, password, database: "neondb" },
      ...{ ssl: { rejectUnauthorized: false }, enableChannelBinding: true, connectionTimeoutMillis: 20_000 },
      options: `endpoint=${endpoint_id}`,
    });
    client.on("error", () => {});
    await client.connect();
    return client;
  }

  async function query(project: Project, through: number, text: string): Promise<Record<string, unknown>[]> {
    const client = await connect(project, through);
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }

  async function suspend({ id, endpoint_id }: Omit<Project, "uri">): Promise<void> {
    const key = nodes.admin_key;
    await nodes.node(0).expect(200, "POST", `/projects/${id}/endpoints/${endpoint_id}/suspend`, { key });
    await nodes.node(0).settle(id, key);
  }

  async function isTold({ id, endpoint_id }: Project): Promise<boolean> {
    const { endpoint } = await nodes
      .node(0)
      .expect<{ endpoint: { unreachable_since?: string } }>(
        ...([200, "GET", `/projects/${id}/endpoints/${endpoint_id}`, { key: nodes.admin_key }] as const),
      );
    return endpoint.unreachable_since !== undefined;
  }

  /** The operator's part: what the original runs must not be running when a copy of it is started. */
  async function suspendAll(): Promise<void> {
    const key = nodes.admin_key;
    const path = `/projects?limit=400&org_id=${nodes.org_id}`;
    const { projects } = await nodes.node(0).expect<{ projects: { id: string }[] }>(200, "GET", path, { key });
    for (const { id } of projects) {
      const { endpoints } = await nodes
        .node(0)
        .expect<{ endpoints: { id: string }[] }>(200, "GET", `/projects/${id}/endpoints`, { key });
      for (const endpoint of endpoints) await suspend({ id, endpoint_id: endpoint.id });
    }
  }

  const computesOf = async (data_dir: string) => (await postmastersOf(data_dir)).map(({ pid }) => pid).sort();

  test("cut off from the database it starts nothing, keeps what runs with its sessions, and goes on when it is back", async () => {
    const [running, sleeping] = [await makeProject(), await makeProject()];
    await suspend(sleeping);
    const node = nodes.node(1);
    const before_ = await computesOf(node.data_dir);
    const session = await connect(running, 1);
    proxy.swallows = true;
    try {
      await waitFor("it to be told", () => isTold(running));
      assert.deepEqual((await session.query("select n from kept")).rows, [{ n: 42 }], "a session goes on");
      await assert.rejects(query(sleeping, 0, "select 1"), UNTOLD);
      // At its own gateway, too, which has the data and cannot know whether it is still its own.
      await assert.rejects(query(sleeping, 1, "select 1"));
      assert.deepEqual(await computesOf(node.data_dir), before_);
    } finally {
      proxy.heal();
    }
    await waitFor("its return", async () => !(await isTold(running)));
    assert.deepEqual((await session.query("select n from kept")).rows, [{ n: 42 }]);
    await session.end();
    for (const project of [running, sleeping]) {
      for (const through of [0, 1, 2])
        assert.deepEqual(await query(project, through, "select n from kept"), [{ n: 42 }]);
    }
    const pids = await computesOf(node.data_dir);
    assert.deepEqual(
      before_.filter((pid) => !pids.includes(pid)),
      [],
      "what ran was not started again",
    );
  });

  test("a frozen node's place is taken with a copy of its data; thawed with a client at its door it starts nothing, and ends", async (t) => {
    const project = await makeProject();
    await suspendAll();
    const frozen = nodes.node(1);
    assert.deepEqual(await computesOf(frozen.data_dir), []);
    process.kill(frozen.pid, "SIGSTOP");
    const data_dir = await copyForAnotherMachine(frozen.data_dir);
    const port = await freePort();
    const taker = new TestServer(port, data_dir, {
      ...frozen.env,
      ...{ LATCHKEY_PORT: String(port), LATCHKEY_PG_PORT: String(await freePort()), LATCHKEY_DATA_DIR: data_dir },
    });
    t.after(() => taker.close());
    const began = performance.now();
    // It waits until the holder has been silent for long enough, and takes the place then.
    await taker.start();
    assert.ok(performance.now() - began > SILENT_MS);
    await waitFor("it to be told", async () => !(await isTold(project)));
    assert.deepEqual(await query(project, 0, "insert into kept values (43) returning n"), [{ n: 43 }]);
    assert.equal((await computesOf(data_dir)).length, 1);
    assert.deepEqual(await computesOf(frozen.data_dir), []);

    // A client that has knocked at the frozen one is the first thing that it sees when it thaws.
    const refused = assert.rejects(query(project, 1, "select n from kept"));
    const started: number[] = [];
    const ended = frozen.ended();
    process.kill(frozen.pid, "SIGCONT");
    let over = false;
    void ended.then(() => {
      over = true;
    });
    await waitFor("its end", async () => {
      started.push(...(await computesOf(frozen.data_dir)));
      return over;
    });
    await refused;
    assert.deepEqual(started, []);
    await ended;
    assert.match(frozen.output, /placement\.taken/);
    assert.deepEqual(await query(project, 2, "select n from kept order by n"), [{ n: 42 }, { n: 43 }]);
    assert.equal((await computesOf(data_dir)).length, 1);
    // Nor does it come back while the other one is there.
    await assert.rejects(frozen.start(), /another server works as node/);
    assert.deepEqual(await computesOf(frozen.data_dir), []);
  });
});

/** A data directory as it is on another machine, where the processes that its locks name are not. */
async function copyForAnotherMachine(data_dir: string): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "latchkey-node-"));
  await promisify(execFile)("cp", ["-a", `${data_dir}/.`, copy]);
  for (const lock of ["server.lock", "local/lock"]) await rm(join(copy, lock));
  return copy;
}
