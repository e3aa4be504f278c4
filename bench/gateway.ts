import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { findAccount } from "../server/postgres/account.ts";
import { ensurePgBouncer } from "../test/harness/pgbouncer.ts";
import { freePort, startServer, type TestServer, waitFor } from "../test/harness/server.ts";
import { createProject } from "../test/harness/world.ts";

/**
 * What the gateway costs: `node bench/gateway.ts [ROUNDS]`, as root, with `pgbench` of the system and PgBouncer 1.21 or
 * later. `pgbench -S -M prepared` at one compute by its unix socket, through the gateway, through the gateway and the pooler
 * behind it, and through PgBouncer alone (a session each), in turns, so that
 * what else the machine does meets all of them; each is told as its share of the socket's figure in the same round. What
 * could be reached at best is told by two that carry bytes and do nothing else: HAProxy, where it is installed, and the
 * shortest relay that can be written with Node.
 */
const ROUNDS = Number(process.argv[2] ?? 5);
const SECONDS = 2;
const SCALE = 5;
const CLIENTS = [1, 8];
const WAKES = 100;

interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly options?: string;
}
type Way = readonly [name: string, at: Target, sslmode: "disable" | "require"];

const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0;
const median = (values: readonly number[]) => quantile(values, 0.5);
const shown = (value: number, digits = 2) => Number(value.toFixed(digits));

if (spawnSync("pgbench", ["--version"]).error) throw new Error("pgbench is not installed");
const pgbouncer = await ensurePgBouncer();

// Never waited for synchronously: the server's log goes through a pipe of ours, and a full one would stop the server.
const run = promisify(execFile);

async function pgbench(at: Target, sslmode: string, args: readonly string[]): Promise<string> {
  const { host, port, user, password, database, options = "" } = at;
  const env = {
    ...{ PATH: process.env.PATH, PGPASSWORD: password, PGOPTIONS: options },
    ...{ PGSSLMODE: sslmode, PGCHANNELBINDING: "prefer" },
  };
  const { stdout } = await run("pgbench", ["-h", host, "-p", String(port), "-U", user, ...args, database], { env });
  return stdout;
}

async function transactionsPerSecond([, at, sslmode]: Way, clients: number): Promise<number> {
  const threads = Math.min(2, clients);
  const load = ["-n", "-S", "-M", "prepared", "-c", String(clients), "-j", String(threads), "-T", String(SECONDS)];
  return Number(/^tps = ([\d.]+)/m.exec(await pgbench(at, sslmode, load))?.[1]);
}

/** Where a compute listens, as its own lock file says. */
async function socketOf(server: TestServer, branch_id: string, { user, password, database }: Target): Promise<Target> {
  const file = join(server.data_dir, "local/branches", branch_id, "data/postmaster.pid");
  const [, , , port, host = ""] = (await readFile(file, "utf8")).split("\n");
  return { host, port: Number(port), user, password, database };
}

/** PgBouncer with a session of its own for each client, as the gateway gives them, and with the gateway's certificate. */
async function startPgBouncer(compute: Target, certificates: string): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), "latchkey-bench-"));
  const account = findAccount();
  const port = await freePort();
  const at = (name: string) => join(directory, name);
  for (const name of ["server.crt", "server.key"]) await copyFile(join(certificates, name), at(name));
  await writeFile(at("users.txt"), `"${compute.user}" "${compute.password}"\n`);
  await writeFile(
    at("pgbouncer.ini"),
    `[databases]
${compute.database} = host=${compute.host} port=${compute.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${at("users.txt")}
pool_mode = session
client_tls_sslmode = allow
client_tls_cert_file = ${at("server.crt")}
client_tls_key_file = ${at("server.key")}
`,
  );
  await chmod(directory, 0o755);
  execFileSync("chown", ["-R", account.name, directory]);
  const child = spawn(pgbouncer, ["--quiet", "--user", account.name, at("pgbouncer.ini")], { stdio: "ignore" });
  return await untilAnswering(child, directory, { ...compute, host: "127.0.0.1", port }, true);
}

interface Peer {
  readonly at: Target;
  end(): Promise<void>;
}

/** Waits for a peer's first answer; its end takes its files with it. */
async function untilAnswering(child: ChildProcess, directory: string, at: Target, tls: boolean): Promise<Peer> {
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await waitFor("the peer", () => firstQuery(at, tls).then(Boolean, () => false));
    return { at, end };
  } catch (error) {
    await end();
    throw error;
  }
}

const socketPath = ({ host, port }: Target) => join(host, `.s.PGSQL.${port}`);

/** HAProxy with one thread, as the others have. */
async function startHaproxy(compute: Target): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), "latchkey-bench-"));
  const port = await freePort();
  const file = join(directory, "haproxy.cfg");
  await writeFile(
    file,
    `global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen compute
  bind 127.0.0.1:${port}
  server compute unix@${socketPath(compute)}
`,
  );
  const child = spawn("haproxy", ["-db", "-q", "-f", file], { stdio: "ignore" });
  return await untilAnswering(child, directory, { ...compute, host: "127.0.0.1", port }, false);
}

async function startBareRelay(compute: Target): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), "latchkey-bench-"));
  const port = await freePort();
  const program = join(import.meta.dirname, "peers/bare-relay.ts");
  const child = spawn(process.execPath, [program, String(port), socketPath(compute)], { stdio: "ignore" });
  return await untilAnswering(child, directory, { ...compute, host: "127.0.0.1", port }, false);
}

/** Milliseconds from the first byte to the answer of a new client's first query; over TLS bound to it. */
async function firstQuery(at: Target, tls = true): Promise<number> {
  const began = performance.now();
  const client = new pg.Client({ ...at, ssl: tls && { rejectUnauthorized: false }, enableChannelBinding: tls });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.query("select 1");
    return performance.now() - began;
  } finally {
    await client.end().catch(() => {});
  }
}

const told = (values: readonly number[]) => ({
  p50: shown(quantile(values, 0.5), 1),
  p99: shown(quantile(values, 0.99), 1),
});

const server = await startServer(undefined, { LATCHKEY_LOG_LEVEL: "warn", LATCHKEY_PGBOUNCER: pgbouncer });
try {
  const { api_key: key, org_id } = await server.setup();
  const made = await createProject(server, key, org_id);
  const project_id = made.project.id;
  await server.settle(project_id, key);
  const uri = new URL(made.connection_uris[0]?.connection_uri ?? "");
  const gateway: Target = {
    ...{ host: uri.hostname, port: Number(uri.port), user: uri.username, password: uri.password },
    database: uri.pathname.slice(1),
  };
  const pooled: Target = { ...gateway, options: `endpoint=${made.endpoints[0]?.id}-pooler` };
  await pgbench(gateway, "require", ["-i", "-q", "-s", String(SCALE)]);

  const suspend = `/projects/${project_id}/endpoints/${made.endpoints[0]?.id}/suspend`;
  const [wakes, awake]: [number[], number[]] = [[], []];
  const [pooler_absent, pooler_there]: [number[], number[]] = [[], []];
  for (let i = 0; i < WAKES; i++) {
    await server.expect(200, "POST", suspend, { key });
    await server.settle(project_id, key);
    wakes.push(await firstQuery(gateway));
    awake.push(await firstQuery(gateway));
    pooler_absent.push(await firstQuery(pooled));
    pooler_there.push(await firstQuery(pooled));
  }

  const direct = await socketOf(server, made.branch.id, gateway);
  const pooler = await startPgBouncer(direct, join(server.data_dir, "gateway"));
  const relays = [await startBareRelay(direct)];
  const hasHaproxy = !spawnSync("haproxy", ["-v"]).error;
  if (hasHaproxy) relays.push(await startHaproxy(direct));
  const bare: Way[] = ["bare relay", "HAProxy"].flatMap((name, i) => {
    const peer = relays[i];
    return peer ? [[name, peer.at, "disable"] as const] : [];
  });
  const ways: readonly Way[] = [
    ...bare,
    ["socket", direct, "disable"],
    ["gateway", gateway, "disable"],
    ["gateway, TLS", gateway, "require"],
    ["pooled", pooled, "disable"],
    ["pooled, TLS", pooled, "require"],
    ["PgBouncer", pooler.at, "disable"],
    ["PgBouncer, TLS", pooler.at, "require"],
  ];
  const figures: Record<string, object> = {};
  try {
    for (const clients of CLIENTS) {
      const rates = new Map<string, number[]>(ways.map(([name]) => [name, []]));
      for (let round = 0; round <= ROUNDS; round++) {
        // Each begins a round as often as the others, and the first round is to warm up.
        const order = [...ways.slice(round % ways.length), ...ways.slice(0, round % ways.length)];
        for (const way of order) {
          const rate = await transactionsPerSecond(way, clients);
          if (round > 0) rates.get(way[0])?.push(rate);
        }
      }
      const of = (name: string) => rates.get(name) ?? [];
      const share = (name: string, base: string) => {
        const ratios = of(name).map((rate, i) => rate / (of(base)[i] ?? rate));
        return { median: shown(median(ratios)), min: shown(Math.min(...ratios)), max: shown(Math.max(...ratios)) };
      };
      figures[`${clients} client${clients === 1 ? "" : "s"}`] = {
        transactions_per_second: Object.fromEntries(ways.map(([name]) => [name, Math.round(median(of(name)))])),
        to_the_socket: Object.fromEntries(
          ways.filter(([name]) => name !== "socket").map(([name]) => [name, share(name, "socket")]),
        ),
        to_pgbouncer: {
          plain: share("gateway", "PgBouncer"),
          tls: share("gateway, TLS", "PgBouncer, TLS"),
          pooled: share("pooled", "PgBouncer"),
          ...Object.fromEntries(bare.map(([name]) => [name, share(name, "PgBouncer")])),
        },
      };
    }
  } finally {
    for (const peer of [pooler, ...relays]) await peer.end();
  }
  const connect_ms = {
    ...{ suspended: told(wakes), awake: told(awake) },
    ...{ pooler_absent: told(pooler_absent), pooler_there: told(pooler_there) },
  };
  process.stdout.write(
    `${JSON.stringify({ rounds: ROUNDS, connect_until_first_query_ms: connect_ms, ...figures }, null, 2)}\n`,
  );
} finally {
  await server.close();
}
