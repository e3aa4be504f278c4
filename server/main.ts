import cluster from "node:cluster";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Authenticator } from "./access/authenticate.ts";
import { FailureLimit } from "./access/failure-limit.ts";
import { apiKeyRoutes } from "./api-keys/routes.ts";
import { insertAuditEvent } from "./audit/store.ts";
import { branchRoutes } from "./branches/routes.ts";
import { systemClock as clock } from "./clock.ts";
import { openLocalDriver } from "./compute/drivers/local/driver.ts";
import { type Config, ConfigError, printConfig, readConfig } from "./config.ts";
import { registerConsole } from "./console/static.ts";
import { DataDirError, lockDataDirForServer, readOrMakeNodeId } from "./data-dir.ts";
import { databaseRoutes } from "./databases/routes.ts";
import { isDatabaseLost, pingDatabase } from "./db/pool.ts";
import { endpointRoutes } from "./endpoints/routes.ts";
import { openGateway } from "./gateway/open.ts";
import { CertificateError } from "./gateway/tls-identity.ts";
import { API_PREFIX, closeApp, createApp } from "./http/app.ts";
import { openApiDocument } from "./http/openapi.ts";
import { registerOps } from "./http/ops.ts";
import { RateLimits } from "./http/rate-limits.ts";
import { registerStandardRoutes } from "./http/standard-routes.ts";
import { createMachinery } from "./jobs/reconcilers.ts";
import { JobRunner } from "./jobs/runner.ts";
import { LastUsedRecorder } from "./keys/last-used.ts";
import { openKeys } from "./keys/open-keys.ts";
import type { Secret } from "./keys/secret.ts";
import { createLog, describeError, type Log } from "./log.ts";
import { createMailer } from "./mail/mailer.ts";
import { listNodes } from "./nodes/store.ts";
import { openApiSecurityScheme } from "./oauth/metadata.ts";
import { oauthRoutes } from "./oauth/routes.ts";
import { oauthStandardRoutes } from "./oauth/standard-routes.ts";
import { findGrantOfAccessToken, writeGrantUses } from "./oauth/store.ts";
import {
  findDefaultDataDir,
  findMachinery,
  type Instance,
  joinInstance,
  type Machinery,
  openInstance,
  postgresLog,
} from "./open.ts";
import { operationRoutes } from "./operations/routes.ts";
import { invitationRoutes } from "./organizations/invitations/routes.ts";
import { memberRoutes } from "./organizations/members/routes.ts";
import { organizationRoutes } from "./organizations/routes.ts";
import { NodeHold, NodeTaken } from "./placement/hold.ts";
import { thisNetwork } from "./placement/machine.ts";
import { listDataNodes } from "./placement/store.ts";
import { PostgresError } from "./postgres/errors.ts";
import { findPgBouncer, type PgBouncer } from "./postgres/pgbouncer.ts";
import { consumptionRoutes } from "./projects/consumption/routes.ts";
import { projectRoutes } from "./projects/routes.ts";
import { roleRoutes } from "./roles/routes.ts";
import { createIdentity } from "./sessions/identity.ts";
import { sessionRoutes } from "./sessions/routes.ts";
import { userRoutes } from "./users/routes.ts";
import { issueSetupToken } from "./users/setup-token.ts";
import { type Assignment, Primary, startWorkers } from "./workers.ts";

/**
 * The composition root: reads the configuration, wires every room to those it needs, and runs the server
 * until it is asked to stop. The only file that knows them all.
 */
const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "package.json"), "utf8")) as { version: string };

/** What has been started, in order; stopped in the opposite order. */
class Stack {
  readonly #steps: { name: string; stop: () => Promise<unknown> }[] = [];

  add(name: string, stop: () => Promise<unknown>): void {
    this.#steps.push({ name, stop });
  }

  /** Every step is tried, whatever the others do; returns what went wrong. */
  async stop(): Promise<string[]> {
    const problems: string[] = [];
    for (const { name, stop } of this.#steps.splice(0).reverse()) {
      await stop().catch((error) => problems.push(`${name}: ${describeError(error)}`));
    }
    return problems;
  }
}

/** How long Postgres clients that are at work may finish, when the server stops. */
const GATEWAY_DRAIN_MS = 5_000;

async function start(config: Config, log: Log, started: Stack, onTaken: () => void): Promise<string> {
  const lock = await lockDataDirForServer(config.data_dir, clock);
  started.add("data directory", () => lock.release());
  const node_id = await readOrMakeNodeId(config.data_dir);
  const { instance, hold, drivers } = await openInParallel(config, await findMachinery(config), {
    ...{ node_id, onTaken, log, started },
  });
  const { db, sealer, connection } = instance;
  const machinery = createMachinery({ db, sealer, ...drivers, clock, log, node_id });
  const { node_address } = config;
  const gateway = await openGateway({
    shared: config.pg_port === 0 ? undefined : { host: config.host, port: config.pg_port },
    domain: config.pg_domain && { name: config.pg_domain.name, port: config.pg_domain.port ?? config.pg_port },
    plaintext: config.pg_plaintext,
    certificate: certificateOf(config),
    data_dir: config.data_dir,
    mock_key: sealer.strangersKey(),
    link: config.database_url === undefined ? undefined : linkAddress(node_address),
    ...{ db, compute: drivers.compute, node_id, clock, log },
    ...{ wake: machinery.waking.wake, rest: machinery.waking.rest, changePort: machinery.changePort },
  });
  started.add("gateway", () => gateway.close(GATEWAY_DRAIN_MS));
  const { pg_versions } = drivers.storage.capabilities();
  await hold.announce({
    ...{ network: thisNetwork(), pg_versions, version },
    address: gateway.link ? (node_address?.text ?? `127.0.0.1:${gateway.link.port}`) : null,
    certificate_digest: gateway.link?.certificate_digest ?? null,
  });
  const jobs = new JobRunner([...machinery.jobs, ...gateway.jobs], { clock, log });
  const poke = () => jobs.poke();
  const assignment: Assignment = {
    connection,
    node_id,
    storage: drivers.storage.capabilities(),
    settings: drivers.compute.capabilities().settings,
    pools_connections: drivers.compute.capabilities().pooling,
  };
  jobs.start();
  started.add("jobs", () => jobs.stop());
  // Last to start and first to stop: whoever gets an answer gets it from a whole server.
  if (config.workers === 1) await serve(config, instance, assignment, { poke, log, started });
  else {
    const workers = await startWorkers(config.workers, assignment, { poke, clock, log });
    started.add("workers", () => workers.stop());
  }
  return banner(config, await issueSetupToken(db));
}

/** A worker: what serves requests, on the primary's assignment. */
async function startWorker(config: Config, log: Log, started: Stack, onLost: () => void): Promise<void> {
  const { primary, assignment } = await Primary.join(log, onLost);
  const instance = await joinInstance(config, assignment.connection, log);
  started.add("database", () => instance.close());
  await serve(config, instance, assignment, {
    poke: () => primary.poke(),
    readMetrics: () => primary.readMetrics(),
    log,
    started,
  });
  primary.serving();
}

interface Serving {
  readonly poke: () => void;
  readonly readMetrics?: () => Promise<string>;
  readonly log: Log;
  readonly started: Stack;
}

/** Everything between a request and the database, listening. */
async function serve(config: Config, instance: Instance, assignment: Assignment, serving: Serving): Promise<void> {
  const { db, pool, sealer } = instance;
  const { node_id, settings, pools_connections } = assignment;
  const { poke, readMetrics, log, started } = serving;
  const storage = { capabilities: () => assignment.storage };
  const identity = createIdentity({
    connection: instance.connection,
    cookie_secret: sealer.cookieSecret(),
    public_url: config.public_url,
    log,
  });
  started.add("sessions", () => identity.close());
  const mailer = createMailer(config, log);

  const keys = openKeys({
    config,
    connection: instance.connection,
    db,
    pool,
    description: { data_node_id: node_id, address: config.public_url, pid: process.pid, version },
    findGrant: (digest) => findGrantOfAccessToken(pool, digest),
    clock,
    log,
  });
  started.add("keys", () => keys.stop());
  await keys.start();
  const grant_recorder = new LastUsedRecorder(pool, clock, log, writeGrantUses);
  started.add("login uses", () => grant_recorder.stop());
  const routes = [
    ...userRoutes({
      ...{ identity, sign_up: config.sign_up, public_url: config.public_url },
      ...{ pools_connections, mailer, version, clock },
    }),
    ...sessionRoutes({ identity, db, clock }),
    ...oauthRoutes({ public_url: config.public_url, clock }),
    ...organizationRoutes(),
    ...memberRoutes(),
    ...invitationRoutes({ public_url: config.public_url, mailer }),
    ...apiKeyRoutes(),
    ...projectRoutes({ sealer, node_id, storage, settings }),
    ...consumptionRoutes(),
    ...branchRoutes({ sealer, node_id, settings, clock, poke }),
    ...endpointRoutes({ settings }),
    ...roleRoutes({ sealer }),
    ...databaseRoutes(),
    ...operationRoutes(),
  ];
  const app = await createApp({
    routes,
    db,
    authenticator: new Authenticator({
      verifier: keys.verifier,
      recorder: keys.recorder,
      grant_recorder,
      sessions: (cookie) => identity.sessionFromCookie(cookie),
      failures: new FailureLimit(clock),
      log,
    }),
    revocations: keys.revocations,
    rate_limits: config.rate_limits && new RateLimits(config.rate_limits, clock, log.metrics),
    public_url: config.public_url,
    trust_proxy: config.trust_proxy,
    recordAudit: insertAuditEvent,
    afterChange: poke,
    clock,
    log,
  });
  let stopping = false;
  await registerOps(app, {
    metrics: log.metrics,
    readMetrics,
    listNodes: () => listNodes(db),
    listDataNodes: () => listDataNodes(db),
    metrics_token: config.metrics_token,
    openapi: openApiDocument(routes, version, config.public_url + API_PREFIX, openApiSecurityScheme(config.public_url)),
    isReady: async () => {
      await pingDatabase(db);
      return !stopping;
    },
  });

  await registerStandardRoutes(app, oauthStandardRoutes({ db, public_url: config.public_url, clock, log }));
  await registerConsole(app, { dist: join(import.meta.dirname, "../console/dist") });

  await app.listen({ host: config.host, port: config.port });
  started.add("http", async () => {
    stopping = true;
    await closeApp(app, clock);
  });
}

interface Opening {
  readonly node_id: string;
  readonly onTaken: () => void;
  readonly log: Log;
  readonly started: Stack;
}

/** Opens the database, takes the node, opens the drivers; what has been opened is told of before any failure is. */
async function openInParallel(config: Config, machinery: Machinery, opening: Opening) {
  const { node_id, onTaken, log, started } = opening;
  const alone = config.database_url === undefined;
  const holding = openInstance(config, machinery, log).then(async (instance) => {
    started.add("database", () => instance.close());
    const hold = await NodeHold.take({ connection: instance.connection, node_id, alone, clock, log, onTaken });
    started.add("placement", () => hold.release());
    return { instance, hold };
  });
  const openDrivers = async () =>
    await openLocalDriver({
      ...{ dataDir: config.data_dir, ...machinery, clock, log: postgresLog(log) },
      pgbouncer: await findPooler(config, machinery, log),
      mayStart: async () => (await holding).hold.mayStart(),
    });
  // Before the node is taken nothing of it may be touched, unless its database is in the same directory: then nobody else
  // has either, and the two need not wait for one another.
  const [opened, drivers] = await Promise.allSettled([holding, alone ? openDrivers() : holding.then(openDrivers)]);
  // Last in, first out: when the node is given up nothing of it runs any more.
  if (drivers.status === "fulfilled") started.add("computes", () => drivers.value.compute.shutdown());
  if (opened.status === "rejected") throw opened.reason;
  if (drivers.status === "rejected") throw drivers.reason;
  return { ...opened.value, drivers: drivers.value };
}

/** One that is named must do; one that is only there need not. */
async function findPooler({ pgbouncer }: Config, { account }: Machinery, log: Log): Promise<PgBouncer | undefined> {
  if (pgbouncer === "off") return undefined;
  try {
    return await findPgBouncer(pgbouncer, account);
  } catch (error) {
    if (pgbouncer !== undefined) throw error;
    log.event("pooler.unusable", { reason: describeError(error) });
    return undefined;
  }
}

/** An address that others use may be one that this machine does not know, so then every one of its own is listened on. */
function linkAddress(address: Config["node_address"]) {
  if (address === undefined) return { host: "127.0.0.1", port: 0 };
  return address.loopback ? { host: address.host, port: address.port } : { port: address.port };
}

/** Where the computes are reached that are told by name. */
function postgresAddress({ host, pg_port, pg_domain }: Config): string {
  if (pg_domain) return `<compute>.${pg_domain.name}:${pg_domain.port ?? pg_port}`;
  return `${host.includes(":") ? `[${host}]` : host}:${pg_port}   (with options=endpoint=<compute>)`;
}

function certificateOf({ pg_certificate, pg_key }: Config) {
  return pg_certificate === undefined || pg_key === undefined
    ? undefined
    : { certificate: pg_certificate, key: pg_key };
}

/** For people, on stdout; the log is on stderr. The setup link's token is in the fragment, which no server sees. */
function banner(config: Config, setup_token: Secret | undefined): string {
  const lines = [
    `Latchkey ${version} is ready.`,
    `  Console    ${config.public_url}`,
    `  API        ${config.public_url}${API_PREFIX}   (reference: ${config.public_url}/docs)`,
  ];
  if (config.pg_port !== 0) lines.push(`  Postgres   ${postgresAddress(config)}`);
  if (setup_token) {
    lines.push(
      `  Sign up    ${config.public_url}/setup#${setup_token.reveal()}`,
      "             This link works once: it makes the first person, who administers this instance.",
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Mistakes of the person at the terminal are told in a sentence; only our own come with a stack. */
function explainFailure(error: unknown): string {
  if ([ConfigError, DataDirError, NodeTaken, PostgresError, CertificateError].some((known) => error instanceof known)) {
    return (error as Error).message;
  }
  if (error instanceof Error && "code" in error) {
    if (error.code === "EADDRINUSE") {
      const port = "port" in error ? ` ${error.port}` : "";
      return `the port${port} is taken; stop what listens there, or set LATCHKEY_PORT (LATCHKEY_PG_PORT for Postgres)`;
    }
    if (error.code === "EACCES") return `${error.message}; choose another LATCHKEY_PORT or LATCHKEY_DATA_DIR`;
  }
  if (isDatabaseLost(error)) return `the database does not answer (${describeError(error)}); check DATABASE_URL`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const USAGE = `npm start [-- OPTION]

  --print-config   show the configuration, secrets redacted, and end
  --version        show the version and end
  --help           show this
`;

async function main(args: readonly string[]): Promise<void> {
  const [option] = args;
  if (option === "--help") return print(USAGE);
  if (option === "--version") return print(`${version}\n`);
  if (option !== undefined && option !== "--print-config") {
    process.stderr.write(`unknown option ${option}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  const began_ms = clock.monotonic_ms();
  const started = new Stack();
  try {
    const config = readConfig(await findDefaultDataDir());
    if (option === "--print-config") return print(`${printConfig(config)}\n`);
    const log = createLog(config.log_level);
    // Asked to stop while starting, the start is finished first: half a start is what nothing can stop cleanly.
    const signal = nextSignal();
    if (cluster.isWorker) await startWorker(config, log, started, () => signal.end("the primary has ended"));
    else print(await start(config, log, started, () => signal.end("another process has the node")));
    log.event("server.ready", {
      console_url: config.public_url,
      ready_ms: Math.round(clock.monotonic_ms() - began_ms),
    });

    log.event("server.stopping", { signal: await signal.received });
    const stopping_ms = clock.monotonic_ms();
    const problems = await started.stop();
    if (problems.length > 0) throw new Error(`did not stop cleanly: ${problems.join("; ")}`);
    log.event("server.stopped", { took_ms: Math.round(clock.monotonic_ms() - stopping_ms) });
    // The channel to the primary would keep a worker from ending.
    if (process.connected) process.disconnect();
  } catch (error) {
    process.stderr.write(`latchkey: ${explainFailure(error)}\n`);
    await started.stop();
    process.exitCode = 1;
  }
}

/** Ctrl-C reaches the whole terminal group, and npm passes it on once more: the echo is not a second wish. */
const ECHO_MS = 1_000;
const STOP_DEADLINE_MS = 30_000;

/** Resolves with the first signal to stop. A second one, or a stop that takes too long, ends the process at once. */
function nextSignal(): { received: Promise<string>; end: (reason: string) => void } {
  let end = (_reason: string) => {};
  const received = new Promise<string>((resolve) => {
    end = resolve;
    let first_ms: number | undefined;
    const onSignal = (name: NodeJS.Signals) => {
      if (first_ms === undefined) {
        first_ms = clock.monotonic_ms();
        setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
        resolve(name);
      } else if (clock.monotonic_ms() - first_ms > ECHO_MS) {
        process.exit(130);
      }
    };
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, onSignal);
  });
  return { received, end: (reason) => end(reason) };
}

function print(text: string): void {
  process.stdout.write(text);
}

await main(process.argv.slice(2));
