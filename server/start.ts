import { systemClock as clock } from "./clock.ts";
import { openLocalDriver } from "./compute/drivers/local/driver.ts";
import type { Config } from "./config.ts";
import { lockDataDirForServer, readOrMakeNodeId } from "./data-dir.ts";
import { openGateway } from "./gateway/open.ts";
import { createMachinery } from "./jobs/reconcilers.ts";
import { JobRunner } from "./jobs/runner.ts";
import { describeError, type Log } from "./log.ts";
import { findMachinery, joinInstance, type Machinery, openInstance, postgresLog } from "./open.ts";
import { NodeHold } from "./placement/hold.ts";
import { thisNetwork } from "./placement/machine.ts";
import { findPgBouncer, type PgBouncer } from "./postgres/pgbouncer.ts";
import { serve } from "./serve.ts";
import type { Stack } from "./stack.ts";
import { issueSetupToken } from "./users/setup-token.ts";
import { version } from "./version.ts";
import { type Assignment, Primary, startWorkers } from "./workers.ts";

/** How long Postgres clients that are at work may finish, when the server stops. */
const GATEWAY_DRAIN_MS = 5_000;

/**
 * Starts a node: takes its directory, opens the database and the drivers, then the gateway and the jobs, then what serves
 * requests. Returns the token with which the first person signs up, while there is none.
 */
export async function startNode(config: Config, log: Log, started: Stack, onTaken: () => void) {
  const lock = await lockDataDirForServer(config.data_dir, clock);
  started.add("data directory", () => lock.release());
  const node_id = await readOrMakeNodeId(config.data_dir);
  const { instance, hold, drivers } = await openInParallel(config, await findMachinery(config), {
    ...{ node_id, onTaken, log, started },
  });
  const { db, sealer, connection } = instance;
  const machinery = createMachinery({ db, sealer, ...drivers, clock, log, node_id });
  await machinery.skipDowntime();
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
    ...{ wake: machinery.waking.wake, rest: machinery.waking.rest },
    ...{ observe: machinery.observe, changePort: machinery.changePort },
  });
  started.add("gateway", () => gateway.close(GATEWAY_DRAIN_MS));
  const storage = drivers.storage.capabilities();
  const { settings, capacity, pooling: pools_connections } = drivers.compute.capabilities();
  await hold.announce({
    ...{ network: thisNetwork(), pg_versions: storage.pg_versions, version, capacity, pools_connections },
    address: gateway.link ? (node_address?.text ?? `127.0.0.1:${gateway.link.port}`) : null,
    certificate_digest: gateway.link?.certificate_digest ?? null,
  });
  const jobs = new JobRunner([...machinery.jobs, ...gateway.jobs], { clock, log });
  const poke = () => jobs.poke();
  const assignment: Assignment = { connection, node_id, storage, settings, capacity, pools_connections };
  jobs.start();
  started.add("jobs", () => jobs.stop());
  // Last to start and first to stop: whoever gets an answer gets it from a whole server.
  if (config.workers === 1) await serve(config, instance, assignment, { poke, log, started });
  else {
    const workers = await startWorkers(config.workers, assignment, { poke, clock, log });
    started.add("workers", () => workers.stop());
  }
  return await issueSetupToken(db);
}

/** A worker: what serves requests, on the primary's assignment. */
export async function startWorker(config: Config, log: Log, started: Stack, onLost: () => void): Promise<void> {
  const { primary, assignment } = await Primary.join(clock, log, onLost);
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

function certificateOf({ pg_certificate, pg_key }: Config) {
  return pg_certificate === undefined || pg_key === undefined
    ? undefined
    : { certificate: pg_certificate, key: pg_key };
}
