import assert from "node:assert/strict";
import { readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { STEPS, type Step } from "../../server/jobs/deps.ts";
import { connectToMetadata } from "../harness/metadata.ts";
import { isAlive, postmastersOf } from "../harness/processes.ts";
import { startServer, type TestServer, waitFor } from "../harness/server.ts";
import type { CreatedProject } from "../harness/world.ts";

/** `KILL_TESTS=full`: each step in each kind of work, which takes five minutes more; else each step once. */
const fullTest = process.env.KILL_TESTS === "full" ? test : () => {};

/** So long any client may be kept at most, be it with an answer or with a refusal; a wake takes a second. */
const CLIENT_WITHIN_MS = 60_000;

interface Named {
  readonly id: string;
  readonly name: string;
}

interface Branch extends Named {
  readonly parent_id?: string;
}

/** A real server that kills itself at each step that its jobs have, for each kind of work that passes there. */
describe("killed at any step of any work, a server finishes it after its restart and leaves nothing behind", () => {
  let server: TestServer;
  let key: string;
  let org_id: string;
  let root: CreatedProject;
  let die_at: string;
  const died = new Set<Step>();

  before(async () => {
    const hook = join(import.meta.dirname, "die-at-step.ts");
    die_at = join(tmpdir(), `latchkey-die-at-${process.pid}`);
    server = await startServer(undefined, { NODE_OPTIONS: `--import=${hook}`, DIE_AT: die_at });
    ({ api_key: key, org_id } = await server.setup());
    root = await makeProject("root");
    await server.settle(root.project.id, key);
    await ask(await uriOf(root.branch.id), "create table origin as select 'root' as name");
  });
  after(async () => {
    await rm(die_at, { force: true });
    await server?.close();
  });

  const get = <Body>(path: string) => server.expect<Body>(200, "GET", path, { key });
  const inRoot = (path: string) => `/projects/${root.project.id}${path}`;
  const makeProject = (name: string) =>
    server.expect<CreatedProject>(201, "POST", "/projects", { key, body: { project: { name, org_id } } });

  async function uriOf(branch_id: string, project_id = root.project.id): Promise<string> {
    const query = `branch_id=${branch_id}&database_name=neondb&role_name=neondb_owner`;
    return (await get<{ uri: string }>(`/projects/${project_id}/connection_uri?${query}`)).uri;
  }

  async function ask(uri: string, text: string): Promise<Record<string, unknown>[]> {
    const { hostname, port, username, password, pathname } = new URL(uri);
    const [user, secret, database] = [username, password, pathname.slice(1)].map(decodeURIComponent);
    const client = new pg.Client({
      ...{ host: hostname, port: Number(port), user, password: secret, database, connectionTimeoutMillis: 20_000 },
      ssl: { rejectUnauthorized: false },
    });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** Connects again and again while the server dies and comes back; whatever happens to it, no client is kept for ever. */
  function connectThroughout(uri: string): { end(): Promise<void> } {
    let ending = false;
    const connecting = (async () => {
      while (!ending) {
        const gone = new AbortController();
        const stuck = delay(CLIENT_WITHIN_MS, "stuck", { signal: gone.signal }).catch(() => "ended");
        const attempt = ask(uri, "select 1").then(
          () => "answered",
          () => "refused",
        );
        assert.notEqual(await Promise.race([attempt, stuck]), "stuck", "a client was neither answered nor refused");
        gone.abort();
        await delay(50);
      }
    })();
    connecting.catch(() => {});
    return {
      end: async () => {
        ending = true;
        await connecting;
      },
    };
  }

  /** Has the server die at a step of the work that `act` asks for, starts it again, and waits until all is done. */
  async function dieAt(step: Step, act: () => Promise<unknown>): Promise<void> {
    const { pid } = server;
    const uri = await uriOf(root.branch.id);
    await writeFile(die_at, step);
    const clients = connectThroughout(uri);
    // It may die before it has answered; what was asked for has been recorded then all the same.
    const asked = act().catch((error: Error) => {
      if (!/fetch failed|terminated|socket|closed|ECONNRE/i.test(`${error.message} ${error.cause}`)) throw error;
    });
    await waitFor(`the server to die at ${step}`, () => !isAlive(pid));
    await asked;
    await rm(die_at);
    died.add(step);
    await server.start();
    await server.settle(root.project.id, key);
    await clients.end();
    assert.deepEqual(await ask(uri, "select 1 as one"), [{ one: 1 }]);
  }

  const branches = async () => (await get<{ branches: Branch[] }>(inRoot("/branches"))).branches;
  async function branchNamed(name: string): Promise<Branch> {
    const found = (await branches()).find((branch) => branch.name === name);
    assert.ok(found, `there is no branch ${name}`);
    return found;
  }

  async function makeBranch(name: string, more: object = {}): Promise<string> {
    const body = { branch: { name, ...more }, endpoints: [{ type: "read_write" }] };
    const made = await server.expect<{ branch: Branch }>(201, "POST", inRoot("/branches"), { key, body });
    return made.branch.id;
  }

  async function removeBranch(id: string): Promise<void> {
    await server.expect(200, "DELETE", inRoot(`/branches/${id}`), { key });
    await server.settle(root.project.id, key);
  }

  async function endpointOf(branch_id: string) {
    const path = inRoot(`/branches/${branch_id}/endpoints`);
    const [endpoint] = (await get<{ endpoints: { id: string; current_state: string }[] }>(path)).endpoints;
    return endpoint;
  }

  /** The rows, the disk and the processes tell the same. */
  async function assertNothingLeft(): Promise<void> {
    const metadata = await connectToMetadata(server.data_dir);
    try {
      const select = async (text: string) =>
        (await metadata.query<{ id: string }>(text)).rows.map(({ id }) => id).sort();
      const onDisk = async (room: string) => (await readdir(join(server.data_dir, "local", room))).sort();
      await waitFor("the disk to be what the rows say", async () => {
        const stored = await select("select storage_id as id from branches");
        return (await onDisk("branches")).join() === stored.join();
      });
      await waitFor("no compute that no row knows", async () => {
        const found = await onDisk("computes");
        const endpoints = new Set(await select("select id from endpoints"));
        return found.every((id) => endpoints.has(id));
      });
      await waitFor("as many servers as there are computes that run", async () => {
        const running = await select("select id from endpoints where current_state = 'active'");
        return (await postmastersOf(server.data_dir)).length === running.length + 1;
      });
    } finally {
      await metadata.end();
    }
  }

  const stepsOf = (...actions: string[]) => STEPS.filter((step) => actions.includes(step.split(":")[0] ?? ""));

  for (const step of stepsOf("create_timeline", "start_compute")) {
    test(`${step}, as a project is made`, async () => {
      await dieAt(step, () => makeProject(step));
      const { projects } = await get<{ projects: Named[] }>(`/projects?limit=400&org_id=${org_id}`);
      const project = projects.find(({ name }) => name === step);
      assert.ok(project);
      await server.settle(project.id, key);
      const [branch] = (await get<{ branches: Branch[] }>(`/projects/${project.id}/branches`)).branches;
      assert.deepEqual(await ask(await uriOf(branch?.id ?? "", project.id), "select 1 as one"), [{ one: 1 }]);
      await assertNothingLeft();
      // Removed while the others are worked on.
      await beginRemoval(project.id);
    });
  }

  for (const step of stepsOf("create_timeline")) {
    fullTest(`${step}, as a branch is made`, async () => {
      await dieAt(step, () => makeBranch(step));
      const { id } = await branchNamed(step);
      assert.deepEqual(await ask(await uriOf(id), "select name from origin"), [{ name: "root" }]);
      await removeBranch(id);
      await assertNothingLeft();
    });
  }

  for (const step of stepsOf("seed_timeline")) {
    test(`${step}, as a branch with a schema alone is made`, async () => {
      await dieAt(step, () => makeBranch(step, { init_source: "schema-only" }));
      const { id } = await branchNamed(step);
      assert.deepEqual(await ask(await uriOf(id), "select name from origin"), []);
      await removeBranch(id);
      await assertNothingLeft();
    });
  }

  for (const step of stepsOf("reset_timeline")) {
    test(`${step}, as a branch is restored and keeps what it had under another name`, async () => {
      const id = await makeBranch(step);
      await server.settle(root.project.id, key);
      await ask(await uriOf(id), "update origin set name = 'child'");
      const body = { source_branch_id: root.branch.id, preserve_under_name: `before ${step}` };
      await dieAt(step, () => server.expect(200, "POST", inRoot(`/branches/${id}/restore`), { key, body }));
      assert.deepEqual(await ask(await uriOf(id), "select name from origin"), [{ name: "root" }]);
      const backup = await branchNamed(`before ${step}`);
      await removeBranch(id);
      await removeBranch(backup.id);
      await assertNothingLeft();
    });

    fullTest(`${step}, as a branch is reset and what it had goes`, async () => {
      const id = await makeBranch(step);
      await server.settle(root.project.id, key);
      await ask(await uriOf(id), "update origin set name = 'child'");
      const body = { source_branch_id: root.branch.id };
      await dieAt(step, () => server.expect(200, "POST", inRoot(`/branches/${id}/restore`), { key, body }));
      assert.deepEqual(await ask(await uriOf(id), "select name from origin"), [{ name: "root" }]);
      await assertNothingLeft();
      await removeBranch(id);
    });
  }

  for (const step of stepsOf("suspend_compute", "start_compute")) {
    (step.startsWith("suspend_compute") ? test : fullTest)(`${step}, as a compute is restarted`, async () => {
      const { id = "" } = (await endpointOf(root.branch.id)) ?? {};
      await dieAt(step, () => server.expect(200, "POST", inRoot(`/endpoints/${id}/restart`), { key }));
      assert.equal((await endpointOf(root.branch.id))?.current_state, "active");
      assert.deepEqual(await ask(await uriOf(root.branch.id), "select name from origin"), [{ name: "root" }]);
      await assertNothingLeft();
    });
  }

  for (const step of stepsOf("suspend_compute")) {
    fullTest(`${step}, as a compute is deleted`, async () => {
      const branch_id = await makeBranch(step);
      await server.settle(root.project.id, key);
      const { id = "" } = (await endpointOf(branch_id)) ?? {};
      await dieAt(step, () => server.expect(200, "DELETE", inRoot(`/endpoints/${id}`), { key }));
      assert.equal(await endpointOf(branch_id), undefined);
      await removeBranch(branch_id);
      await assertNothingLeft();
    });
  }

  for (const step of stepsOf("wake")) {
    test(`${step}, as a client wakes a compute`, async () => {
      const { id = "" } = (await endpointOf(root.branch.id)) ?? {};
      const uri = await uriOf(root.branch.id);
      await server.expect(200, "POST", inRoot(`/endpoints/${id}/suspend`), { key });
      await server.settle(root.project.id, key);
      await dieAt(step, () => ask(uri, "select 1"));
      assert.equal((await endpointOf(root.branch.id))?.current_state, "active");
      assert.deepEqual(await ask(uri, "select name from origin"), [{ name: "root" }]);
      await assertNothingLeft();
    });
  }

  for (const step of stepsOf("rest")) {
    test(`${step}, as a compute that nobody uses is put to rest`, async () => {
      const branch_id = await makeBranch(step);
      await server.settle(root.project.id, key);
      const { id = "" } = (await endpointOf(branch_id)) ?? {};
      const brief = { endpoint: { suspend_timeout_seconds: 1 } };
      await dieAt(step, () => server.expect(200, "PATCH", inRoot(`/endpoints/${id}`), { key, body: brief }));
      await waitFor("the compute to rest", async () => (await endpointOf(branch_id))?.current_state === "idle");
      await assertNothingLeft();
      assert.deepEqual(await ask(await uriOf(branch_id), "select name from origin"), [{ name: "root" }]);
      await removeBranch(branch_id);
    });
  }

  for (const step of stepsOf("apply_config")) {
    const at = () => inRoot(`/branches/${root.branch.id}`);
    const role = { role: { name: "guest" } };
    const look =
      "select rolname::text as name from pg_roles where rolname = 'guest' union select datname from pg_database where datname = 'things' order by 1";
    const names = async () => (await ask(await uriOf(root.branch.id), look)).map(({ name }) => name);

    test(`${step}, as a role is made`, async () => {
      await dieAt(step, () => server.expect(201, "POST", `${at()}/roles`, { key, body: role }));
      assert.deepEqual(await names(), ["guest"]);
      await server.expect(200, "DELETE", `${at()}/roles/guest`, { key });
      await server.settle(root.project.id, key);
      await assertNothingLeft();
    });

    fullTest(`${step}, as a role with a database is made, and as both are deleted`, async () => {
      await server.expect(201, "POST", `${at()}/roles`, { key, body: role });
      await server.settle(root.project.id, key);
      const database = { database: { name: "things", owner_name: "guest" } };
      await dieAt(step, () => server.expect(201, "POST", `${at()}/databases`, { key, body: database }));
      assert.deepEqual(await names(), ["guest", "things"]);
      await dieAt(step, () => server.expect(200, "DELETE", `${at()}/databases/things`, { key }));
      assert.deepEqual(await names(), ["guest"]);
      await dieAt(step, () => server.expect(200, "DELETE", `${at()}/roles/guest`, { key }));
      assert.deepEqual(await names(), []);
      await assertNothingLeft();
    });
  }

  for (const step of stepsOf("delete_timeline", "remove_branch")) {
    test(`${step}, as a branch is deleted`, async () => {
      const id = await makeBranch(step);
      await server.settle(root.project.id, key);
      await dieAt(step, () => server.expect(200, "DELETE", inRoot(`/branches/${id}`), { key }));
      assert.ok(!(await branches()).some((branch) => branch.id === id));
      await assertNothingLeft();
    });
  }

  /** Deletes a project, and lets the days pass in which it can be recovered. */
  async function beginRemoval(id: string): Promise<void> {
    await server.expect(200, "DELETE", `/projects/${id}`, { key });
    const metadata = await connectToMetadata(server.data_dir);
    try {
      await metadata.query("update projects set deleted_at = now() - interval '8 days' where id = $1", [id]);
    } finally {
      await metadata.end();
    }
  }

  async function untilRemoved(id: string): Promise<void> {
    const metadata = await connectToMetadata(server.data_dir);
    try {
      const count = async () => (await metadata.query("select from projects where id = $1", [id])).rowCount;
      await waitFor("the project's end", async () => (await count()) === 0);
    } finally {
      await metadata.end();
    }
  }

  for (const step of stepsOf("remove_branch")) {
    fullTest(`${step}, as a deleted project is removed`, async () => {
      const { project } = await makeProject(step);
      await server.settle(project.id, key);
      await dieAt(step, () => beginRemoval(project.id));
      await untilRemoved(project.id);
      await assertNothingLeft();
    });
  }

  test("there is no step that it has not died at", () => {
    assert.deepEqual(
      STEPS.filter((step) => !died.has(step)),
      [],
    );
  });
});
