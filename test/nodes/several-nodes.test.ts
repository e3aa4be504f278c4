import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect } from "node:tls";
import pg from "pg";
import { systemClock } from "../../server/clock.ts";
import { readLinkIdentity } from "../../server/gateway/links/identity.ts";
import { LINK_PROTOCOL, send } from "../../server/gateway/links/wire.ts";
import { ownAccount } from "../../server/postgres/account.ts";
import { ensureCertificate } from "../../server/postgres/certificate.ts";
import { requestCancel } from "../harness/cancel.ts";
import { ExternalDatabase } from "../harness/external-database.ts";
import { ensurePgBouncer } from "../harness/pgbouncer.ts";
import { postmastersOf } from "../harness/processes.ts";
import { freePort, TestServer, waitFor } from "../harness/server.ts";
import type { CreatedProject } from "../harness/world.ts";
import { Nodes } from "../revocation/experiment.ts";

interface DataNode {
  readonly id: string;
  readonly state: string;
  readonly projects: number;
  readonly address: string | null;
}

interface Login {
  readonly user?: string;
  readonly password?: string;
  readonly options?: string;
}

interface Endpoint {
  readonly id: string;
  readonly current_state: string;
  readonly unreachable_since?: string;
}

/** Three real servers on one database: where projects live, how they are reached, and what becomes of them without their node. */
describe("several nodes on one database", () => {
  let database: ExternalDatabase;
  let nodes: Nodes;
  const pg_ports: number[] = [];

  before(async () => {
    database = await ExternalDatabase.make();
    for (let i = 0; i < 3; i++) pg_ports.push(await freePort());
    const LATCHKEY_PGBOUNCER = await ensurePgBouncer();
    const environments = pg_ports.map((port) => ({ LATCHKEY_PG_PORT: String(port), LATCHKEY_PGBOUNCER }));
    nodes = await Nodes.start(database, environments);
  });
  after(async () => {
    await nodes?.close();
    await database?.close();
  });

  const listDataNodes = async (through: number) =>
    ((await (await fetch(`${nodes.node(through).url}/nodes`)).json()) as { data_nodes: DataNode[] }).data_nodes;
  const dataNodeOf = (number: number) => readFile(join(nodes.node(number).data_dir, "node-id"), "utf8");
  const computesOf = async (server: TestServer) => (await postmastersOf(server.data_dir)).map(({ pid }) => pid);

  async function nodeOf(project_id: string): Promise<string | undefined> {
    const [row] = await database.query<{ node_id: string }>("select node_id from branches where project_id = $1", [
      project_id,
    ]);
    return row?.node_id;
  }

  /** A project on a node, made through others until it comes to lie there. */
  async function makeProjectOn(number: number): Promise<Project> {
    const key = nodes.admin_key;
    for (let through = number + 1; ; through++) {
      const server = nodes.node(through % 3);
      const body = { project: { org_id: nodes.org_id } };
      const made = await server.expect<CreatedProject>(201, "POST", "/projects", { key, body });
      await server.settle(made.project.id, key);
      if ((await nodeOf(made.project.id)) === (await dataNodeOf(number))) return new Project(made);
    }
  }

  class Project {
    readonly id: string;
    readonly path: string;
    readonly branch_id: string;
    readonly endpoint_id: string;
    readonly uri: URL;

    constructor(made: CreatedProject) {
      this.id = made.project.id;
      this.path = `/projects/${this.id}`;
      this.branch_id = made.branch.id;
      this.endpoint_id = made.endpoints[0]?.id ?? "";
      this.uri = new URL(made.connection_uris[0]?.connection_uri ?? "");
    }

    /** A client at the port that a node's gateway has for all computes. */
    async client(through: number, login: Login = {}): Promise<pg.Client> {
      const [user, password] = [this.uri.username, this.uri.password].map(decodeURIComponent);
      const client = new pg.Client({
        ...{ host: "127.0.0.1", port: pg_ports[through] ?? 0, user, password, database: "neondb" },
        ssl: { rejectUnauthorized: false },
        enableChannelBinding: true,
        options: `endpoint=${this.endpoint_id}`,
        ...login,
      });
      client.on("error", () => {});
      await client.connect();
      return client;
    }

    async query(through: number, text: string, login = {}): Promise<Record<string, unknown>[]> {
      const client = await this.client(through, login);
      try {
        return (await client.query<Record<string, unknown>>(text)).rows;
      } finally {
        await client.end();
      }
    }

    async endpoint(through: number): Promise<Endpoint> {
      const path = `${this.path}/endpoints/${this.endpoint_id}`;
      const { endpoint } = await nodes
        .node(through)
        .expect<{ endpoint: Endpoint }>(200, "GET", path, { key: nodes.admin_key });
      return endpoint;
    }
  }

  test("a project that was made through one node and lies on another works through the API and the gateway of each", async () => {
    const key = nodes.admin_key;
    const project = await makeProjectOn(1);
    assert.deepEqual(new Set((await listDataNodes(0)).map(({ state }) => state)), new Set(["live"]));
    await project.query(0, "create table notes as select 'first' as text");
    for (const through of [0, 1, 2]) {
      assert.deepEqual(await project.query(through, "select text from notes"), [{ text: "first" }]);
      assert.equal((await project.endpoint(through)).current_state, "active");
    }

    // A role made with SQL at one gateway is known at the others with the next packet.
    const login = { user: "visitor", password: "a passw0rd for the visitor" };
    await project.query(2, `create role visitor login password '${login.password}'; grant select on notes to visitor`);
    for (const through of [0, 1, 2])
      assert.equal((await project.query(through, "select * from notes", login)).length, 1);
    await assert.rejects(project.query(0, "select 1", { ...login, password: "wrong" }), { code: "28P01" });

    // It is in the API of each, where the node that has the compute has put it.
    for (const through of [0, 1, 2]) {
      const server = nodes.node(through);
      await waitFor("the role in the API", async () => {
        const at = `${project.path}/branches/${project.branch_id}/roles/visitor`;
        return (await server.call("GET", at, { key })).status === 200;
      });
    }

    // A compute that sleeps is woken by a client of any gateway.
    const endpoint_path = `${project.path}/endpoints/${project.endpoint_id}`;
    await nodes.node(2).expect(200, "POST", `${endpoint_path}/suspend`, { key });
    await nodes.node(2).settle(project.id, key);
    assert.deepEqual(await project.query(0, "select text from notes"), [{ text: "first" }]);

    // A branch made through one node is reached through another.
    const { branch, endpoints } = await nodes
      .node(0)
      .expect<{ branch: { id: string }; endpoints: { id: string }[] }>(201, "POST", `${project.path}/branches`, {
        key,
        body: { endpoints: [{ type: "read_write" }] },
      });
    await nodes.node(0).settle(project.id, key);
    const at = Object.assign(Object.create(project) as Project, { endpoint_id: endpoints[0]?.id });
    assert.deepEqual(await at.query(2, "select text from notes"), [{ text: "first" }]);
    const { sql } = await nodes
      .node(2)
      .expect<{ sql: string }>(200, "GET", `${project.path}/branches/${branch.id}/schema?db_name=neondb`, { key });
    assert.match(sql, /CREATE TABLE public.notes/);
  });

  test("the client's own address is judged wherever it comes in", async () => {
    const key = nodes.admin_key;
    const project = await makeProjectOn(2);
    const allow = (ips: string[]) => {
      const body = { project: { settings: { allowed_ips: { ips, protected_branches_only: false } } } };
      return nodes.node(0).expect(200, "PATCH", project.path, { key, body });
    };
    await allow(["10.0.0.1"]);
    for (const through of [0, 1, 2]) {
      await assert.rejects(project.query(through, "select 1"), /127\.0\.0\.1 is not allowed/);
    }
    await allow(["127.0.0.1"]);
    for (const through of [0, 1, 2]) assert.equal((await project.query(through, "select 1")).length, 1);
  });

  test("a query is cancelled by way of the gateway that it came in at, and sessions are counted where they arrive", async () => {
    const project = await makeProjectOn(1);
    const client = await project.client(0);
    const { processID: pid, secretKey: secret } = client as unknown as { processID: number; secretKey: number };
    const sleeping = assert.rejects(client.query("select pg_sleep(60)"), { code: "57014" });
    const asleep = "select from pg_stat_activity where wait_event = 'PgSleep'";
    await waitFor("the query", async () => (await project.query(2, asleep)).length === 1);
    // Those of the tests before may still be on their way out.
    await waitFor("one session", async () => (await nodes.metric(0, "latchkey_gateway_sessions")) === 1);
    assert.ok((await nodes.metric(1, "latchkey_gateway_sessions")) >= 1);
    await requestCancel(pg_ports[0] ?? 0, pid, secret);
    await sleeping;
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
    await client.end();
  });

  test("the pooler of a compute is reached by way of every gateway, wakes it, cancels, and keeps roles apart", async () => {
    const project = await makeProjectOn(1);
    const pooled = { options: `endpoint=${project.endpoint_id}-pooler` };
    const session =
      "select current_user as me, count(*)::integer as n from pg_stat_activity where usename = current_user";
    const suspend = `${project.path}/endpoints/${project.endpoint_id}/suspend`;
    await nodes.node(2).expect(200, "POST", suspend, { key: nodes.admin_key });
    await nodes.node(2).settle(project.id, nodes.admin_key);
    const clients = await Promise.all([0, 1, 2, 0, 1, 2].map((through) => project.client(through, pooled)));
    for (const client of clients) {
      // One after another they all have the same session.
      assert.deepEqual((await client.query(session)).rows, [{ me: "neondb_owner", n: 1 }]);
    }
    const login = { user: "visitor", password: "a passw0rd for the visitor", ...pooled };
    await project.query(0, `create role visitor login password '${login.password}'`);
    assert.deepEqual(await project.query(2, "select current_user as me", login), [{ me: "visitor" }]);
    await assert.rejects(project.query(2, "select 1", { ...login, password: "wrong" }), { code: "28P01" });

    const [client] = clients;
    assert.ok(client);
    const { processID: pid, secretKey: secret } = client as unknown as { processID: number; secretKey: number };
    const sleeping = assert.rejects(client.query("select pg_sleep(60)"), { code: "57014" });
    const asleep = "select from pg_stat_activity where wait_event = 'PgSleep'";
    await waitFor("the query", async () => (await project.query(2, asleep)).length === 1);
    await requestCancel(pg_ports[0] ?? 0, pid, secret);
    await sleeping;
    for (const open of clients) await open.end();
  });

  test("who is no node of the database gets nothing out of a link", async (t) => {
    const project = await makeProjectOn(1);
    const own = await dataNodeOf(1);
    const address = (await listDataNodes(0)).find(({ id }) => id === own)?.address ?? "";
    const [host = "", port] = address.split(":");
    const files = await ensureCertificate(join(nodes.node(0).data_dir, "stranger"), ownAccount(), systemClock);
    const { context } = await readLinkIdentity(files);
    const ask = async (options: object) => {
      const link = connect({
        host,
        port: Number(port),
        rejectUnauthorized: false,
        ALPNProtocols: [LINK_PROTOCOL],
        ...options,
      });
      t.after(() => link.destroy());
      let answer = "";
      await new Promise<void>((resolve) => {
        link.on("data", (chunk) => (answer += chunk)).on("close", () => resolve());
        link.on("error", () => {});
        send(link, { ask: "verifier", endpoint_id: project.endpoint_id, role: project.uri.username });
      });
      return answer;
    };
    assert.equal(await ask({}), "");
    assert.equal(await ask({ secureContext: context }), "");
    const known = await readLinkIdentity({
      certificate: join(nodes.node(0).data_dir, "link/server.crt"),
      key: join(nodes.node(0).data_dir, "link/server.key"),
    });
    assert.match(await ask({ secureContext: known.context }), /SCRAM-SHA-256/);
  });

  test("a killed node's computes are told as unreachable, nothing starts them elsewhere, and work that can wait waits", async () => {
    const key = nodes.admin_key;
    const project = await makeProjectOn(1);
    const doomed = await makeProjectOn(1);
    const through = nodes.node(0);
    await project.query(2, "create table kept as select 42 as n");
    const { branch } = await through.expect<{ branch: { id: string } }>(201, "POST", `${project.path}/branches`, {
      ...{ key, body: {} },
    });
    await through.settle(project.id, key);
    const others = async () => [await computesOf(nodes.node(0)), await computesOf(nodes.node(2))];
    const before_ = await others();

    await nodes.node(1).kill();
    await waitFor("it to be told", async () => (await project.endpoint(0)).unreachable_since !== undefined);
    assert.equal((await project.endpoint(2)).current_state, "active");
    assert.equal((await listDataNodes(2)).filter(({ state }) => state === "lost").length, 1);
    await waitFor("the figure", async () => (await nodes.metric(2, "latchkey_data_nodes_lost")) === 1);
    const toldWhatToDo = /has not been heard from since .*start that server again/;
    for (const gateway of [0, 2]) await assert.rejects(project.query(gateway, "select 1"), toldWhatToDo);
    await assert.rejects(project.query(0, "select 1", { password: "wrong" }), { code: "28P01" });

    for (const [path, body] of [
      [`${project.path}/endpoints/${project.endpoint_id}/start`, undefined],
      [`${project.path}/endpoints/${project.endpoint_id}/restart`, undefined],
      [`${project.path}/branches`, {}],
    ] as const) {
      const answer = await through.call<{ message: string }>("POST", path, { key, ...(body ? { body } : {}) });
      assert.equal(answer.status, 503, path);
      assert.match(answer.body.message, toldWhatToDo);
    }
    const branch_path = `${project.path}/branches/${branch.id}`;
    const { operations } = await nodes
      .node(2)
      .expect<{ operations: { id: string }[] }>(200, "DELETE", branch_path, { key });
    const { operation } = await through.expect<{ operation: { status: string; error?: string } }>(
      ...([200, "GET", `${project.path}/operations/${operations[0]?.id}`, { key }] as const),
    );
    assert.equal(operation.status, "scheduling");
    assert.match(operation.error ?? "", toldWhatToDo);
    // What comes after that work would wait as long.
    const suspend = `${project.path}/endpoints/${project.endpoint_id}/suspend`;
    await through.expect(200, "POST", suspend, { key });
    for (const [method, path] of [
      ["POST", suspend],
      ["DELETE", project.path],
    ] as const) {
      const answer = await through.call<{ message: string }>(method, path, { key });
      assert.equal(answer.status, 503, path);
      assert.match(answer.body.message, toldWhatToDo);
    }
    await through.expect(200, "DELETE", doomed.path, { key });
    // As if the days had passed in which it can be recovered.
    await database.query("update projects set deleted_at = now() - interval '8 days' where id = $1", [doomed.id]);
    const isThere = async () => (await database.query("select from projects where id = $1", [doomed.id])).length > 0;
    // New projects go to those that live.
    const made = await through.expect<CreatedProject>(201, "POST", "/projects", {
      ...{ key, body: { project: { org_id: nodes.org_id } } },
    });
    assert.notEqual(await nodeOf(made.project.id), await dataNodeOf(1));
    await through.settle(made.project.id, key);
    assert.equal((await others()).flat().length, before_.flat().length + 1);
    assert.equal(await isThere(), true);

    await nodes.node(1).start();
    await through.settle(project.id, key);
    assert.equal((await project.endpoint(0)).unreachable_since, undefined);
    for (const gateway of [0, 1, 2]) assert.deepEqual(await project.query(gateway, "select n from kept"), [{ n: 42 }]);
    await through.expect(404, "GET", branch_path, { key });
    await waitFor("the deleted project's end", async () => !(await isThere()));
  });

  test("a frozen node is told as lost, and thawed it goes on with the computes that it had", async () => {
    const project = await makeProjectOn(1);
    await project.query(0, "create table kept as select 42 as n");
    const frozen = nodes.node(1);
    const before_ = (await computesOf(frozen)).sort();
    process.kill(frozen.pid, "SIGSTOP");
    try {
      await waitFor("it to be told", async () => (await project.endpoint(0)).unreachable_since !== undefined);
      await assert.rejects(project.query(2, "select 1"), /has not been heard from/);
      // Nobody can take its place: its directory is locked, and its process is there.
      const second = new TestServer(await freePort(), frozen.data_dir, {
        ...frozen.env,
        ...{ LATCHKEY_PORT: String(await freePort()), LATCHKEY_PG_PORT: "0" },
      });
      await assert.rejects(second.start(), /another Latchkey server is running/);
    } finally {
      process.kill(frozen.pid, "SIGCONT");
    }
    await waitFor("its return", async () => (await project.endpoint(0)).unreachable_since === undefined);
    assert.deepEqual(await project.query(2, "select n from kept"), [{ n: 42 }]);
    assert.deepEqual((await computesOf(frozen)).sort(), before_);
  });

  test("a rolling restart leaves every project where it was, reached through every node", async () => {
    const projects = [await makeProjectOn(0), await makeProjectOn(1), await makeProjectOn(2)];
    for (const [number, project] of projects.entries()) {
      await project.query(0, `create table kept as select ${number} as n`);
    }
    for (const server of nodes.servers) {
      assert.equal(await server.stop(), 0);
      assert.deepEqual(await computesOf(server), []);
      await server.start();
    }
    for (const [number, project] of projects.entries()) {
      assert.equal(await nodeOf(project.id), await dataNodeOf(number));
      for (const through of [0, 1, 2]) {
        assert.deepEqual(await project.query(through, "select n from kept"), [{ n: number }]);
      }
    }
  });
});
