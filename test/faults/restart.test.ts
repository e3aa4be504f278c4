import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import { ExternalDatabase } from "../harness/external-database.ts";
import { findPostmaster, isEmbedded, postmastersOf } from "../harness/processes.ts";
import { type SetupLine, startServer, TestServer, waitFor } from "../harness/server.ts";
import { type CreatedProject, createProject, setupTokenOf, signUp } from "../harness/world.ts";

interface Running {
  readonly server: TestServer;
  readonly person: SetupLine;
  readonly made: CreatedProject;
  readonly uri: string;
}

/** A server with one project that has something in it. */
async function startWithProject(t: TestContext): Promise<Running> {
  const server = await startServer(t);
  const person = await server.setup();
  const made = await createProject(server, person.api_key, person.org_id);
  await server.settle(made.project.id, person.api_key);
  const uri = made.connection_uris[0]?.connection_uri ?? "";
  await query(uri, "create table kept (n int); insert into kept values (42)");
  return { server, person, made, uri };
}

async function connect(uri: string): Promise<pg.Client> {
  const connectionString = uri.replace("sslmode=require", "sslmode=no-verify");
  const client = new pg.Client({ connectionString, enableChannelBinding: true, connectionTimeoutMillis: 5_000 });
  client.on("error", () => {});
  await client.connect();
  return client;
}

async function query(uri: string, sql: string): Promise<pg.QueryResult> {
  const client = await connect(uri);
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

const answers = (uri: string) =>
  query(uri, "select n from kept").then(
    ({ rows }) => rows.length === 1 && rows[0].n === 42,
    () => false,
  );

test("after a clean restart keys, sessions and projects are as before, under the same address", async (t) => {
  const server = await startServer(t);
  const { key, cookie, user_id } = await signUp(server, "Ada", { setup_token: setupTokenOf(server) });
  const { id: org_id } = await server.expect<{ id: string }>(201, "POST", "/organizations", {
    key,
    body: { organization: { name: "Engines" } },
  });
  const made = await createProject(server, key, org_id);
  await server.settle(made.project.id, key);
  const uri = made.connection_uris[0]?.connection_uri ?? "";
  await query(uri, "create table kept (n int); insert into kept values (42)");
  assert.equal(await server.stop(), 0);
  assert.deepEqual(await postmastersOf(server.data_dir), []);
  assert.equal(await answers(uri), false);
  await server.start();
  for (const credential of [{ key }, { cookie }]) {
    assert.equal((await server.expect<{ id: string }>(200, "GET", "/users/me", credential)).id, user_id);
  }
  await waitFor("the project to answer", () => answers(uri));
  assert.ok(!/\/setup#/.test(server.output.split("server.stopped").at(-1) ?? ""), "no new setup link");
});

test("the time in which a server was stopped is not counted as time of its computes", async (t) => {
  const database = await ExternalDatabase.make();
  t.after(() => database.close());
  const server = await startServer(t, { DATABASE_URL: database.url });
  const { api_key: key, org_id } = await server.setup();
  const made = await createProject(server, key, org_id);
  await server.settle(made.project.id, key);
  const uri = made.connection_uris[0]?.connection_uri ?? "";
  await query(uri, "select 1");
  assert.equal(await server.stop(), 0);
  const meter = "select counted_until > now() - interval '1 hour' as is_recent from compute_meters";
  await database.query("update compute_meters set counted_until = now() - interval '10 hours'");
  assert.deepEqual(await database.query(meter), [{ is_recent: false }]);
  await server.start();
  await waitFor("the first count", async () => (await database.query(meter))[0]?.is_recent === true);
  const { project } = await server.expect<{ project: { active_time_seconds: number } }>(
    ...([200, "GET", `/projects/${made.project.id}`, { key }] as const),
  );
  assert.ok(project.active_time_seconds < 600, `${project.active_time_seconds}`);
});

test("a copy of the data directory of a stopped server is a whole backup of it", async (t) => {
  const { server, person, uri } = await startWithProject(t);
  assert.equal(await server.stop(), 0);
  const backup = `${server.data_dir}-backup`;
  await promisify(execFile)("cp", ["-a", server.data_dir, backup]);
  const restored = new TestServer(server.port, backup, {});
  t.after(() => restored.close());
  await rm(server.data_dir, { recursive: true });
  await restored.start();
  assert.equal((await restored.expect(200, "GET", "/users/me", { key: person.api_key })).id, person.user_id);
  await waitFor("the project to answer", () => answers(uri));
  const another = await createProject(restored, person.api_key, person.org_id);
  await restored.settle(another.project.id, person.api_key);
});

test("a compute that is killed tells its clients and is started again, with everything in it", async (t) => {
  const { server, uri } = await startWithProject(t);
  const compute = await findPostmaster(server.data_dir, (found) => !isEmbedded(found));
  const client = await connect(uri);
  const told = once(client, "error");
  process.kill(compute.pid, "SIGKILL");
  await told;
  await waitFor("the compute to answer again", () => answers(uri));
  const again = await findPostmaster(server.data_dir, (found) => !isEmbedded(found));
  assert.notEqual(again.pid, compute.pid);
  assert.equal(again.directory, compute.directory);
});

test("while its database is dead the server answers 503, never lets anybody in, and recovers by itself", async (t) => {
  const { server, person, uri } = await startWithProject(t);
  const { pid } = await findPostmaster(server.data_dir, isEmbedded);
  process.kill(pid, "SIGKILL");
  const seen = new Map<number, number>();
  let healthy_in_a_row = 0;
  const began = performance.now();
  while (healthy_in_a_row < 10) {
    assert.ok(performance.now() - began < 30_000, "it did not recover");
    for (const [method, path, body] of [
      ["GET", "/users/me", undefined],
      ["POST", "/api_keys", { key_name: `during ${performance.now()}` }],
    ] as const) {
      const answer = await server.call(method, path, {
        key: person.api_key,
        ...(body === undefined ? {} : { body }),
      });
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      assert.ok(
        // A commit whose answer is lost may have been carried out, which 503 would deny.
        [200, 503].includes(answer.status) || (method === "POST" && answer.body.code === "UNCONFIRMED"),
        `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`,
      );
      if (answer.status === 503) assert.ok(Number(answer.headers.get("retry-after")) >= 1);
      healthy_in_a_row = answer.status === 200 ? healthy_in_a_row + 1 : 0;
    }
    const bad = await server.call("GET", "/users/me", { key: `${person.api_key.slice(0, -1)}~` });
    assert.ok([401, 503].includes(bad.status));
    // The process is alive all the while, and says that it is not ready.
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
    await delay(20);
  }
  assert.ok((seen.get(503) ?? 0) > 0, "nobody noticed that the database was dead");
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  assert.ok(await answers(uri), "the project never was in danger");
  t.diagnostic(
    `answers by status ${JSON.stringify([...seen])}, well again after ${Math.round(performance.now() - began)} ms`,
  );
});

test("after a loss of everything at once, as of power, the next start recovers by itself", async (t) => {
  const { server, person, made, uri } = await startWithProject(t);
  const postmasters = await postmastersOf(server.data_dir);
  assert.equal(postmasters.length, 2);
  await server.kill();
  for (const { pid } of postmasters) process.kill(pid, "SIGKILL");
  await waitFor("everything to be dead", async () => (await postmastersOf(server.data_dir)).length === 0);
  await server.start();
  await server.expect(200, "GET", `/projects/${made.project.id}`, { key: person.api_key });
  await waitFor("the project to answer", () => answers(uri));
  assert.equal(await server.stop(), 0);
  assert.deepEqual(await postmastersOf(server.data_dir), []);
});

test("a server that is killed leaves its computes running, and the next one takes them over as they are and stops them", async (t) => {
  const { server, uri } = await startWithProject(t);
  const before = await postmastersOf(server.data_dir);
  const client = await connect(uri);
  const cut_off = once(client, "error");
  await server.kill();
  await cut_off;
  assert.equal(await answers(uri), false, "the gateway is the only way in");
  await server.start();
  const after = await postmastersOf(server.data_dir);
  assert.deepEqual(after.map(({ pid }) => pid).sort(), before.map(({ pid }) => pid).sort());
  assert.ok(await answers(uri));
  // What is no child of ours must end with us all the same, and cleanly.
  assert.equal(await server.stop(), 0);
  assert.match(server.output, /"event":"server.stopped"/);
  assert.deepEqual(await postmastersOf(server.data_dir), []);
});
