import { randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import type { InjectOptions } from "fastify";
import { sql } from "kysely";
import pg from "pg";
import { insertTestUser, openTestDatabase } from "../../test/harness/database.ts";
import { assertLikeNeon } from "../../test/harness/neon-openapi.ts";
import { Authenticator } from "../access/authenticate.ts";
import { FailureLimit } from "../access/failure-limit.ts";
import { apiKeyRoutes } from "../api-keys/routes.ts";
import { insertPersonalKeyForSetup } from "../api-keys/store.ts";
import { insertAuditEvent } from "../audit/store.ts";
import { branchRoutes } from "../branches/routes.ts";
import { systemClock } from "../clock.ts";
import type { Drivers } from "../compute/driver.ts";
import { openLocalDriver } from "../compute/drivers/local/driver.ts";
import { databaseRoutes } from "../databases/routes.ts";
import { endpointLogRoutes } from "../endpoints/log/routes.ts";
import { endpointRoutes } from "../endpoints/routes.ts";
import { openGateway } from "../gateway/open.ts";
import { API_PREFIX, createApp } from "../http/app.ts";
import { newOrganizationId, newUuid } from "../ids.ts";
import { openKeys } from "../keys/open-keys.ts";
import { Sealer } from "../keys/seal.ts";
import { Secret } from "../keys/secret.ts";
import { createLog } from "../log.ts";
import { operationRoutes } from "../operations/routes.ts";
import { findAccount } from "../postgres/account.ts";
import { locateBinaries } from "../postgres/binaries.ts";
import { consumptionRoutes } from "../projects/consumption/routes.ts";
import { projectRoutes } from "../projects/routes.ts";
import { roleRoutes } from "../roles/routes.ts";
import type { ReconcilerDeps } from "./deps.ts";
import { createMachinery, type Machinery } from "./reconcilers.ts";
import type { Job } from "./runner.ts";

const NODE_ID = "node-of-tests";
const NEVER = new AbortController().signal;
/** How long operations may stay open while the jobs run: the back-off of several attempts. */
const CARRY_OUT_MS = 60_000;

export type Plane = Awaited<ReturnType<typeof openPlane>>;

/**
 * The Postgres plane of a server, for tests: database, driver, API with real keys, and jobs to run by hand. The driver is
 * the local one unless another is given.
 */
export async function openPlane(openOther?: (data_dir: string) => Promise<Drivers>) {
  const database = await openTestDatabase();
  const { db, pool, data_dir } = database;
  const account = findAccount();
  const binaries = await locateBinaries({ dataDir: data_dir, account });
  const openLocal = () => openLocalDriver({ dataDir: data_dir, binaries, account, clock: systemClock, spares: 0 });
  const openDrivers = () => (openOther ? openOther(data_dir) : openLocal());
  let drivers: Drivers = await openDrivers();
  let logged = "";
  const write = (chunk: Buffer, _: unknown, done: () => void) => {
    logged += chunk;
    done();
  };
  const log = createLog("debug", new Writable({ write }));
  const sealer = new Sealer(new Secret(randomBytes(32).toString("base64url")));

  const user_id = await insertTestUser(db, "ada@example.com");
  const org_id = newOrganizationId();
  await db
    .insertInto("organizations")
    .values({ id: org_id, name: "Acme", handle: "acme", personal_of: null })
    .execute();
  await db.insertInto("members").values({ id: newUuid(), org_id, user_id, role: "admin" }).execute();
  const personal_key = (await insertPersonalKeyForSetup(db, user_id, "tests")).key;

  // Never started: without a lease each request asks the database.
  const { verifier, recorder, revocations } = openKeys({
    config: { key_cache_bytes: 0, listen: "off" },
    connection: database.connection,
    db,
    pool,
    description: { data_node_id: NODE_ID, address: "", pid: process.pid, version: "test" },
    clock: systemClock,
    log,
  });
  const { settings, capacity } = drivers.compute.capabilities();
  const machinery = (overrides: Partial<ReconcilerDeps> = {}) =>
    createMachinery({ db, sealer, ...drivers, clock: systemClock, log, node_id: NODE_ID, ...overrides });
  /** The jobs that a request waits for: they are poked like the others and, unlike them, run at once. */
  const runAtOnce = (name: string) => () => {
    const run = jobNamed(machinery().jobs, name)
      .run(NEVER)
      .finally(() => at_once.delete(run));
    at_once.add(run);
  };
  /** Such runs ask the database once more after they have answered, and must not find it gone. */
  const at_once = new Set<Promise<void>>();
  const app = await createApp({
    routes: [
      ...apiKeyRoutes(),
      ...projectRoutes({ sealer, node_id: NODE_ID, storage: drivers.storage, settings, capacity }),
      ...consumptionRoutes(),
      ...branchRoutes({ sealer, node_id: NODE_ID, settings, capacity, clock: systemClock, poke: runAtOnce("schemas") }),
      ...endpointRoutes({ settings, capacity }),
      ...endpointLogRoutes({ clock: systemClock, poke: runAtOnce("logs") }),
      ...roleRoutes({ sealer }),
      ...databaseRoutes(),
      ...operationRoutes(),
    ],
    db,
    authenticator: new Authenticator({
      verifier,
      recorder,
      grant_recorder: recorder,
      sessions: async () => undefined,
      failures: new FailureLimit(systemClock),
      without_credential: new FailureLimit(systemClock),
      log,
    }),
    public_url: "http://127.0.0.1",
    trust_proxy: 0,
    revocations,
    recordAudit: insertAuditEvent,
    afterChange: () => {},
    clock: systemClock,
    log,
  });

  /** One request; the answer is held against Neon's document. */
  async function call<Body = Record<string, never>>(
    method: NonNullable<InjectOptions["method"]> & string,
    path: string,
    { key = personal_key, body }: { key?: string; body?: object } = {},
  ): Promise<{ status: number; body: Body }> {
    const answer = await app.inject({
      method: method as "GET",
      url: API_PREFIX + path,
      headers: { authorization: `Bearer ${key}` },
      ...(body === undefined ? {} : { payload: body }),
    });
    const parsed = answer.json() as Body;
    assertLikeNeon(method, path.split("?")[0] ?? path, answer.statusCode, parsed);
    return { status: answer.statusCode, body: parsed };
  }

  const { gateway, jobs: gateway_jobs } = await openGateway({
    ...{ shared: undefined, domain: undefined, plaintext: "loopback", certificate: undefined, data_dir },
    ...{ mock_key: sealer.strangersKey(), db, node_id: NODE_ID, clock: systemClock, log },
    compute: {
      query: (id, query) => drivers.compute.query(id, query),
      capabilities: () => drivers.compute.capabilities(),
      ensurePooler: (id, login) => drivers.compute.ensurePooler(id, login),
    },
    wake: (id) => machinery().waking.wake(id),
    rest: (id, isIdle) => machinery().waking.rest(id, isIdle),
    observe: (id, branch_id, inTurn) => machinery().observe(id, branch_id, inTurn),
    changePort: (id) => machinery().changePort(id),
  });

  return {
    db,
    data_dir,
    org_id,
    gateway,
    log,
    logged: () => logged,
    call,
    drivers: () => drivers,

    /** The personal key of a new person with this member role. */
    async addMember(role: "admin" | "member"): Promise<string> {
      const user_id = await insertTestUser(db);
      await db.insertInto("members").values({ id: newUuid(), org_id, user_id, role }).execute();
      return (await insertPersonalKeyForSetup(db, user_id, "tests")).key;
    },

    /** Lets the time pass in which deleted projects can be recovered. */
    async endRecovery(): Promise<void> {
      const deleted_at = new Date(systemClock.now_ms() - 8 * 24 * 3600 * 1000).toISOString();
      await db.updateTable("projects").set({ deleted_at }).where("deleted_at", "is not", null).execute();
    },

    /** The jobs of a process that has just started; the gateway's are last. */
    reconcilers(overrides: Partial<ReconcilerDeps> = {}): Job[] {
      return [...machinery(overrides).jobs, ...gateway_jobs];
    },

    /**
     * Runs the jobs until no operation is open: one that the machine's load made fail has another attempt to come. What
     * failed is printed, and ends the test where it goes on failing.
     */
    async carryOut(): Promise<void> {
      const given_up_at_ms = systemClock.monotonic_ms() + CARRY_OUT_MS;
      for (;;) {
        const from = logged.length;
        await runOnce(this.reconcilers());
        const { rows: open } = await sql<{ action: string; status: string; error: string | null }>`
          select o.action, o.status, o.error from operations o join branches b on b.id = o.branch_id
          where o.status in ('scheduling', 'running') and b.node_id = ${NODE_ID}`.execute(db);
        if (open.length === 0) return;
        const retried = logged
          .slice(from)
          .split("\n")
          .filter((line) => line.includes("operation.retried"));
        const told = [...open.map((operation) => JSON.stringify(operation)), ...retried].join("\n");
        if (systemClock.monotonic_ms() > given_up_at_ms) throw new Error(`operations stay open:\n${told}`);
        if (retried.length > 0) process.stderr.write(`operations are tried again:\n${told}\n`);
        await systemClock.sleep(100, NEVER);
      }
    },

    /** The reconcilers alone, with the gateway's way to a compute. */
    machinery: machinery as (overrides?: Partial<ReconcilerDeps>) => Machinery,

    /** Waits for the jobs that requests have started, which may still be looking for more. */
    async settled(): Promise<void> {
      await Promise.allSettled(at_once);
    },

    /** Stops every compute and opens the driver anew, as a restart of the machine does. */
    async restartDrivers(): Promise<void> {
      await drivers.compute.shutdown();
      drivers = await openDrivers();
      await machinery().skipDowntime();
    },

    /** What is on the machine, whoever knows of it. */
    async onMachine() {
      const computes = (await drivers.compute.list()).map(({ endpoint_id }) => endpoint_id);
      return { computes, branches: await drivers.storage.list() };
    },

    async close(): Promise<void> {
      await app.close();
      await Promise.allSettled(at_once);
      await gateway.close(0);
      await recorder.stop();
      await drivers.compute.shutdown();
      await database.close();
    },
  };
}

/** Runs each job once, in order. */
export async function runOnce(jobs: readonly Job[]): Promise<void> {
  for (const job of jobs) await job.run(NEVER);
}

/** The same driver, but for these methods. */
export function replacing<T extends object>(driver: T, methods: Partial<T>): T {
  return new Proxy(driver, {
    get(target, name) {
      const found = Reflect.get(Object.hasOwn(methods, name) ? methods : target, name);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

export function jobNamed(jobs: readonly Job[], name: string): Job {
  const job = jobs.find((candidate) => candidate.name === name);
  if (!job) throw new Error(`there is no job ${name}`);
  return job;
}

export interface CreatedProject {
  readonly project: { id: string; name: string };
  readonly branch: { id: string };
  readonly endpoints: [{ id: string; host: string }];
  readonly operations: { id: string; action: string; status: string }[];
  readonly connection_uris: [{ connection_uri: string; connection_parameters: Record<string, string> }];
}

/** Creates a project through the API and throws unless that worked. */
export async function createProject(plane: Plane, project: object = {}): Promise<CreatedProject> {
  const { org_id } = plane;
  const { status, body } = await plane.call<CreatedProject>("POST", "/projects", {
    body: { project: { org_id, ...project } },
  });
  if (status !== 201) throw new Error(`${status}: ${JSON.stringify(body)}`);
  return body;
}

/** A plane with one project that is ready, and the connection string of its database. */
export async function openPlaneWithProject(): Promise<{ plane: Plane; root: CreatedProject; uri: string }> {
  const plane = await openPlane();
  const root = await createProject(plane);
  await plane.carryOut();
  return { plane, root, uri: root.connection_uris[0].connection_uri };
}

/** Runs one statement as a client with this connection string would: over TLS, with channel binding. */
export async function queryAsClient(connection_uri: string, text: string): Promise<Record<string, unknown>[]> {
  const { hostname, port, username, password, pathname } = new URL(connection_uri);
  const client = new pg.Client({
    host: hostname,
    port: Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)),
    ssl: { rejectUnauthorized: false },
    enableChannelBinding: true,
  });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** A connection string with another role or database in it, as a person would write it down. */
export function connectAs(
  connection_uri: string,
  { role, password, database }: { role?: string; password?: string; database?: string },
): string {
  const url = new URL(connection_uri);
  if (role !== undefined) url.username = encodeURIComponent(role);
  if (password !== undefined) url.password = encodeURIComponent(password);
  if (database !== undefined) url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}
