import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { findLeftProcesses } from "../../scripts/leftovers.ts";
import { socketDirectoryFor } from "../../server/postgres/socket-directory.ts";
import { connectToMetadata } from "../harness/metadata.ts";
import { postmastersOf } from "../harness/processes.ts";
import { type Answer, type CallOptions, startServer, type TestServer, waitFor } from "../harness/server.ts";
import { type CreatedKey, type CreatedProject, fromElsewhere, unique } from "../harness/world.ts";

const ROUNDS = 20;
/** The kill comes after so many acknowledged changes at most, and then some milliseconds more. */
const MOST_CHANGES_A_ROUND = 20;
const LONGEST_PAUSE_MS = 40;
const ROUND_DEADLINE_MS = 60_000;
/** Live keys, revoked keys and projects, without which all the killing would have shown nothing. */
const LEAST_LOAD = [10, 10, 3];
const REVOKERS = 4;
/** Every so many rounds the kill comes while the server starts. */
const KILL_AT_START_EVERY = 5;
const MOST_PROJECTS = 10;
const MOST_KEYS_A_ROUND = 60;
/** Fewer are not revoked any more: there must be some whose life can be verified. */
const FEWEST_KEYS = 12;

interface LoadedKey {
  readonly id: number;
  readonly key: string;
  readonly path: string;
}

/** What clients were told, and so what must hold whatever happens; what they were not told may be either way. */
class Acknowledged {
  readonly live = new Map<number, LoadedKey>();
  readonly revoked = new Map<number, LoadedKey>();
  readonly projects = new Map<string, CreatedProject>();
  readonly deleted = new Set<string>();
  /** How many changes have been acknowledged. */
  changes = 0;
}

class Load {
  readonly #server: TestServer;
  readonly #key: string;
  readonly #org_id: string;
  readonly #told: Acknowledged;
  #running = true;
  #keys_made = 0;

  constructor(server: TestServer, key: string, org_id: string, told: Acknowledged) {
    this.#server = server;
    this.#key = key;
    this.#org_id = org_id;
    this.#told = told;
  }

  /** Runs until the server is gone. */
  async run(): Promise<void> {
    await Promise.all([
      this.#createKeys(),
      this.#createKeys(),
      ...Array.from({ length: REVOKERS }, () => this.#revokeKeys()),
      this.#createProjects(),
      this.#deleteProjects(),
    ]);
  }

  end(): void {
    this.#running = false;
  }

  /** Undefined once the server has been killed under the request: nobody knows then what became of it. */
  async #call<Body>(method: string, path: string, options: CallOptions = {}): Promise<Answer<Body> | undefined> {
    try {
      const answer = await this.#server.call<Body>(method, path, { key: this.#key, ...options });
      assert.ok(answer.status < 500 || answer.status === 503, `${method} ${path}: ${answer.status}`);
      if (answer.status < 300) this.#told.changes += 1;
      return answer;
    } catch (error) {
      if (error instanceof TypeError) this.#running = false;
      else throw error;
      return undefined;
    }
  }

  async #createKeys(): Promise<void> {
    while (this.#running && this.#keys_made++ < MOST_KEYS_A_ROUND) {
      const owner = `/organizations/${this.#org_id}/api_keys`;
      const [project] = this.#told.projects.keys();
      const kinds = [
        { path: "/api_keys", body: {} },
        { path: owner, body: {} },
        ...(project === undefined || this.#told.deleted.has(project)
          ? []
          : [{ path: owner, body: { project_id: project } }]),
      ];
      const { path, body } = kinds[Math.floor(Math.random() * kinds.length)] ?? { path: "/api_keys", body: {} };
      const answer = await this.#call<CreatedKey>("POST", path, { body: { key_name: unique(), ...body } });
      if (answer?.status === 200)
        this.#told.live.set(answer.body.id, { id: answer.body.id, key: answer.body.key, path });
      await delay(Math.random() * 20);
    }
  }

  async #revokeKeys(): Promise<void> {
    while (this.#running) {
      await delay(Math.random() * 30);
      const keys = [...this.#told.live.values()];
      const chosen = keys[Math.floor(Math.random() * keys.length)];
      if (!chosen || !this.#running || keys.length < FEWEST_KEYS) continue;
      // From here on the client does not know; only an answer tells.
      this.#told.live.delete(chosen.id);
      const answer = await this.#call("DELETE", `${chosen.path}/${chosen.id}`);
      if (answer?.status === 200) this.#told.revoked.set(chosen.id, chosen);
    }
  }

  async #createProjects(): Promise<void> {
    await delay(Math.random() * 50);
    if (!this.#running || this.#told.projects.size >= MOST_PROJECTS || Math.random() < 0.3) return;
    const body = { project: { name: unique("project"), org_id: this.#org_id } };
    const answer = await this.#call<CreatedProject>("POST", "/projects", { body });
    if (answer?.status === 201) this.#told.projects.set(answer.body.project.id, answer.body);
  }

  /** Now and then a project goes again; the first one stays, for its keys. */
  async #deleteProjects(): Promise<void> {
    await delay(Math.random() * 100);
    const ids = [...this.#told.projects.keys()].slice(1).filter((id) => !this.#told.deleted.has(id));
    const chosen = ids[Math.floor(Math.random() * ids.length)];
    if (!this.#running || chosen === undefined || Math.random() < 0.8) return;
    const whole = this.#told.projects.get(chosen);
    this.#told.projects.delete(chosen);
    const answer = await this.#call("DELETE", `/projects/${chosen}`);
    if (answer?.status === 200) this.#told.deleted.add(chosen);
    // Still being made: refused, so it stays.
    else if (answer?.status === 423 && whole) this.#told.projects.set(chosen, whole);
  }
}

async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<void>, at_once = 8): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: at_once }, worker));
}

/** A server that cannot say asks to be asked again (503), as Neon's clients do; it must not guess meanwhile. */
async function statusOf(server: TestServer, options: CallOptions): Promise<number> {
  let status = 503;
  await waitFor("an answer other than 503", async () => {
    status = (await server.call("GET", "/auth", options)).status;
    return status !== 503;
  });
  return status;
}

/** Everything that clients were told, asked of the server again. */
async function verify(server: TestServer, key: string, org_id: string, told: Acknowledged): Promise<void> {
  await inParallel(told.live.values(), async (live) => {
    assert.equal(await statusOf(server, { key: live.key }), 200, `key ${live.id} is lost`);
  });
  await inParallel(told.revoked.values(), async (revoked) => {
    const status = await statusOf(server, { key: revoked.key, headers: fromElsewhere() });
    assert.equal(status, 401, `key ${revoked.id} is back`);
  });
  const lists = await Promise.all(
    ["/api_keys", `/organizations/${org_id}/api_keys`].map((path) =>
      server.expect<{ id: number }[]>(200, "GET", path, { key }),
    ),
  );
  const listed = new Set(lists.flat().map(({ id }) => id));
  for (const id of told.live.keys()) assert.ok(listed.has(id), `key ${id} is not listed`);
  for (const id of told.revoked.keys()) assert.ok(!listed.has(id), `revoked key ${id} is listed`);
  for (const id of told.projects.keys()) await server.expect(200, "GET", `/projects/${id}`, { key });
  for (const id of told.deleted) await server.expect(404, "GET", `/projects/${id}`, { key });
}

/** The latest of what the server and its database have written of anything but the ordinary. */
async function lastWords({ output, data_dir }: TestServer): Promise<string[]> {
  const log = await readFile(join(data_dir, "postgres", "postgres.log"), "utf8").catch(() => "");
  const telling = /"level":[45]0|"server\.|"event":"postgres\./;
  const lines = output.split("\n").filter((line) => telling.test(line) && !line.includes("compute.running"));
  return [...lines.slice(-60), ...log.split("\n").slice(-60)];
}

async function ask(uri: string): Promise<unknown> {
  const connectionString = uri.replace("sslmode=require", "sslmode=no-verify");
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query("select 1 as one")).rows[0].one;
  } finally {
    await client.end();
  }
}

test(`${ROUNDS} times killed at a random moment under load, the server keeps every word it gave and leaves nothing half made`, async (t) => {
  const server = await startServer(t, { LATCHKEY_TRUST_PROXY: "1", LATCHKEY_LOG_LEVEL: "debug" });
  try {
    await killAgainAndAgain(t, server);
  } catch (error) {
    for (const line of await lastWords(server)) t.diagnostic(line);
    throw error;
  }
});

async function killAgainAndAgain(t: TestContext, server: TestServer): Promise<void> {
  const { api_key: key, org_id } = await server.setup();
  const told = new Acknowledged();
  const moments: number[] = [];

  for (let round = 0; round < ROUNDS; round++) {
    if (round % KILL_AT_START_EVERY === KILL_AT_START_EVERY - 1) {
      await server.kill();
      const starting = server.start().catch(() => {});
      await delay(Math.random() * 1_500);
      await server.kill();
      await starting;
      await server.start();
    }
    const load = new Load(server, key, org_id, told);
    const running = load.run();
    // A revocation is answered once no node can know the key any more, and the lease of the server that has
    // just been killed has some seconds to go: only a longer round sees one.
    const changes = Math.floor(Math.random() * (MOST_CHANGES_A_ROUND + 1));
    const revocations = round % 2 === 0 ? 0 : 1 + Math.floor(Math.random() * REVOKERS);
    const enough = { changes: told.changes + changes, revoked: told.revoked.size + revocations };
    await waitFor(
      "the load",
      () => told.changes >= enough.changes && told.revoked.size >= enough.revoked,
      ROUND_DEADLINE_MS,
    );
    await delay(Math.random() * LONGEST_PAUSE_MS);
    moments.push(changes);
    await server.kill();
    load.end();
    await running;
    await server.start();
    await verify(server, key, org_id, told);
  }
  const sizes = [told.live.size, told.revoked.size, told.projects.size];
  assert.ok(
    sizes.every((size, i) => size >= (LEAST_LOAD[i] ?? 0)),
    `there was no load to speak of: ${sizes}`,
  );

  const metadata = await connectToMetadata(server.data_dir);
  const select = async (sql: string) => (await metadata.query<{ id: string }>(sql)).rows.map(({ id }) => id);

  // Whether or not its creation was acknowledged: what is there is whole.
  for (const id of await select("select id from projects where deleted_at is null")) await server.settle(id, key);
  await inParallel(told.projects.values(), async ({ project, connection_uris }) => {
    assert.equal(await ask(connection_uris[0]?.connection_uri ?? ""), 1, project.id);
  });

  const sorted = (ids: readonly string[]) => ids.toSorted();
  const onDisk = async (room: string) => sorted(await readdir(join(server.data_dir, "local", room)));
  const branches = sorted(await select("select id from branches"));
  const endpoints = sorted(await select("select id from endpoints"));
  await waitFor("orphans on the disk to be removed", async () => (await onDisk("branches")).length <= branches.length);
  assert.deepEqual(await onDisk("branches"), branches, "branches on the disk, and rows");
  const unknown = (await onDisk("computes")).filter((id) => !endpoints.includes(id));
  assert.deepEqual(unknown, [], "computes on the disk that no row knows");
  // A deleted project can be recovered for a week: its rows and its data stay, and its compute does not run.
  const wanted = await select(
    "select e.id from endpoints e join projects p on p.id = e.project_id where p.deleted_at is null",
  );
  await waitFor("the computes of deleted projects to be stopped", async () => {
    return (await postmastersOf(server.data_dir)).length <= wanted.length + 1;
  });
  const directories = (await postmastersOf(server.data_dir)).map(({ directory }) => directory);
  assert.equal(new Set(directories).size, directories.length, "two PostgreSQL servers on one directory");
  assert.equal(directories.length, wanted.length + 1, "one server a compute, and the metadata database");

  // Every acknowledged change is in the audit log, once.
  const audited = async (action: string) =>
    (
      await metadata.query<{ subject: string }>("select subject from audit_events where action = any ($1)", [
        [action, action.replace("organization_", "personal_")],
      ])
    ).rows.map(({ subject }) => subject);
  const created = await audited("organization_key.create");
  const revoked = await audited("organization_key.revoke");
  for (const { id } of [...told.live.values(), ...told.revoked.values()]) {
    assert.equal(created.filter((subject) => subject === `api_key:${id}`).length, 1, `creation of ${id}`);
  }
  for (const id of told.revoked.keys()) {
    assert.equal(revoked.filter((subject) => subject === `api_key:${id}`).length, 1, `revocation of ${id}`);
  }
  await metadata.end();

  assert.equal(await server.stop(), 0);
  assert.deepEqual(await findLeftProcesses(server.data_dir), []);
  const sockets = ["postgres/socket", ...endpoints.map((id) => `local/computes/${id}/socket`)];
  for (const socket of sockets) {
    assert.ok(!existsSync(socketDirectoryFor(join(server.data_dir, socket))), `${socket} is left`);
  }
  t.diagnostic(
    `${told.live.size} live and ${told.revoked.size} revoked keys, ${told.projects.size} projects and ` +
      `${told.deleted.size} deleted; killed after ${moments.join(", ")} acknowledged changes`,
  );
}
