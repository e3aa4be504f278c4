import { randomBytes } from "node:crypto";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { newToken } from "../../server/keys/token.ts";
import type { ExternalDatabase } from "../harness/external-database.ts";
import { freePort, TestServer, waitFor } from "../harness/server.ts";
import { HttpConnection } from "./http-client.ts";

/**
 * The experiment of issue 3: several nodes on one database, keys verified on all of them without a pause
 * while keys are revoked through random ones. What is counted is the one thing that must not be: a request
 * that was sent after the revoke call had returned, and was accepted.
 */
export const FULL = process.env.REVOCATION_TESTS === "full";
const DURATION_MS = FULL ? 60_000 : 6_000;
const KEYS = FULL ? 2_000 : 500;
const REVOCATIONS = FULL ? 500 : 60;
const CONNECTIONS_PER_NODE = 3;

export interface TestKey {
  readonly id: number;
  readonly token: string;
  state: "live" | "being revoked" | "revoked";
  /** On our monotonic clock, when the answer had been read. */
  revoked_ms: number;
}

export class Nodes {
  readonly database: ExternalDatabase;
  readonly servers: TestServer[] = [];
  keys: readonly TestKey[] = [];
  admin_key = "";
  org_id = "";
  user_id = "";

  private constructor(database: ExternalDatabase) {
    this.database = database;
  }

  /** Starts a node for each environment, on one database that is emptied first. */
  static async start(database: ExternalDatabase, environments: Record<string, string>[]): Promise<Nodes> {
    await database.query("drop schema public cascade; create schema public");
    const nodes = new Nodes(database);
    const secret_key = randomBytes(32).toString("base64url");
    try {
      for (const env of environments) {
        const data_dir = await mkdtemp(join(tmpdir(), "latchkey-node-"));
        const server = new TestServer(await freePort(), data_dir, {
          DATABASE_URL: database.url,
          LATCHKEY_SECRET_KEY: secret_key,
          LATCHKEY_LOG_LEVEL: "warn",
          LATCHKEY_TRUST_PROXY: "1",
          ...env,
        });
        nodes.servers.push(server);
        await server.start();
      }
      const { user_id, org_id, api_key } = await nodes.node(0).setup();
      nodes.admin_key = api_key;
      nodes.org_id = org_id;
      nodes.user_id = user_id;
    } catch (error) {
      await nodes.close();
      throw error;
    }
    return nodes;
  }

  /** Makes new keys for an experiment, and waits until every node holds its lease. */
  async prepare(): Promise<void> {
    const made = Array.from({ length: KEYS }, () => newToken("org"));
    const rows = await this.database.query<{ id: string; token_digest: Buffer }>(
      `insert into api_keys (kind, org_id, name, token_digest, hint, created_by)
       select 'org', $1, gen_random_uuid()::text, digest, 'hint', $2
       from unnest($3::bytea[]) as made (digest) returning id, token_digest`,
      [this.org_id, this.user_id, made.map(({ digest }) => digest)],
    );
    const ids = new Map(rows.map(({ id, token_digest }) => [token_digest.toString("hex"), Number(id)]));
    this.keys = made.map(({ token, digest }) => ({
      id: ids.get(digest.toString("hex")) ?? 0,
      token: token.reveal(),
      state: "live",
      revoked_ms: Number.POSITIVE_INFINITY,
    }));
    for (let node = 0; node < this.servers.length; node++) {
      await waitFor(
        `the lease of node ${node}`,
        async () => (await this.metric(node, "latchkey_node_lease_held")) === 1,
      );
    }
  }

  node(number: number): TestServer {
    const server = this.servers[number];
    if (!server) throw new Error(`there is no node ${number}`);
    return server;
  }

  /** Revokes a key through a node; false when it was not promised. */
  async revoke(key: TestKey, through: TestServer): Promise<{ promised: boolean; took_ms: number; status: number }> {
    key.state = "being revoked";
    const began_ms = performance.now();
    const answer = await through
      .call("DELETE", `/organizations/${this.org_id}/api_keys/${key.id}`, { key: this.admin_key })
      .catch(() => undefined);
    const now = performance.now();
    const promised = answer?.status === 200;
    if (promised) {
      key.state = "revoked";
      key.revoked_ms = now;
    }
    return { promised, took_ms: now - began_ms, status: answer?.status ?? 0 };
  }

  async metric(number: number, name: string): Promise<number> {
    const text = await (await fetch(`${this.node(number).url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  }

  async close(): Promise<void> {
    await Promise.all(
      this.servers.map(async (server) => {
        if (server.pid) wake(server);
        await server.close();
      }),
    );
  }
}

function wake(server: TestServer): void {
  try {
    process.kill(server.pid, "SIGCONT");
  } catch {
    // It has ended.
  }
}

export interface Outcome {
  readonly verifications: number;
  readonly accepted: number;
  readonly refused: number;
  readonly unavailable: number;
  readonly lost: number;
  /** Requests that were sent after revoke had returned, and accepted. */
  readonly violations: readonly string[];
  /** What nobody may be told: that a key is not good which nobody has revoked, or anything but 200, 401 and 503. */
  readonly wrong_answers: readonly string[];
  /** How many requests were sent after revoke had returned: what the zero above is out of. */
  readonly sent_after_revoke: number;
  readonly revoked: number;
  readonly unpromised: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly longest_ms: number;
  /** How long this process itself was kept from running at worst: the machine's fault, not the protocol's. */
  readonly stalled_ms: number;
}

export interface Experiment {
  /** Runs beside the load; the signal tells when it is over. */
  readonly disturb?: (signal: AbortSignal) => Promise<void>;
  /** Nodes that revocations go through; all unless said. */
  readonly through?: readonly number[];
  readonly onVerified?: (node: number, status: number, sent_ms: number) => void;
}

export async function runExperiment(nodes: Nodes, { disturb, through, onVerified }: Experiment = {}): Promise<Outcome> {
  await nodes.prepare();
  const lag = monitorEventLoopDelay({ resolution: 5 });
  lag.enable();
  const over = new AbortController();
  const counts = { verifications: 0, accepted: 0, refused: 0, unavailable: 0, lost: 0, sent_after_revoke: 0 };
  const violations: string[] = [];
  const wrong_answers: string[] = [];
  const took: number[] = [];
  let unpromised = 0;
  const connections: HttpConnection[] = [];

  const verify = async (connection: HttpConnection, node: number, key: TestKey) => {
    const sent_ms = performance.now();
    const late = key.revoked_ms <= sent_ms;
    try {
      const status = await connection.get("/api/v2/auth", key.token);
      counts.verifications++;
      if (late) counts.sent_after_revoke++;
      if (status === 200) counts.accepted++;
      else if (status === 401) counts.refused++;
      else if (status === 503) counts.unavailable++;
      else wrong_answers.push(`node ${node} answered ${status}`);
      // Nobody had begun to revoke it when the answer was read.
      if (status === 401 && key.state === "live")
        wrong_answers.push(`node ${node} refused key ${key.id}, which is live`);
      if (late && status === 200) {
        violations.push(
          `node ${node} accepted key ${key.id} ${(sent_ms - key.revoked_ms).toFixed(1)} ms after its revocation`,
        );
      }
      onVerified?.(node, status, sent_ms);
    } catch {
      counts.lost++;
      if (!over.signal.aborted) await delay(20);
    }
  };

  const verifyWithoutPause = async (node: number, offset: number) => {
    const connection = new HttpConnection(nodes.node(node).port);
    connections.push(connection);
    for (let i = offset; !over.signal.aborted; i += 7) {
      const key = nodes.keys[i % nodes.keys.length];
      // A revoked key is tried again and again, but not so often that refusals are all that happens.
      if (key && (key.state !== "revoked" || i % 8 === 0)) await verify(connection, node, key);
      // Without a breath three servers, the database and this process would only measure how two cores are shared.
      await delay(1);
    }
  };

  /** On connections of their own: at a frozen node these lie in the kernel until it thaws, and are first in line then. */
  const probe = async (key: TestKey) => {
    await Promise.all(
      nodes.servers.map(async (server, node) => {
        const connection = new HttpConnection(server.port);
        connections.push(connection);
        await verify(connection, node, key);
        connection.close();
      }),
    );
  };

  const probes: Promise<void>[] = [];
  const revokeAll = async () => {
    const nodes_through = through ?? nodes.servers.map((_, node) => node);
    const open: Promise<void>[] = [];
    const began_ms = performance.now();
    for (let i = 0; i < REVOCATIONS && !over.signal.aborted; i++) {
      const due_ms = began_ms + (i * DURATION_MS) / REVOCATIONS;
      await delay(Math.max(0, due_ms - performance.now()));
      const key = pick(nodes.keys.filter(({ state }) => state === "live"));
      const node = pick(nodes_through);
      if (!key || node === undefined) break;
      open.push(
        nodes.revoke(key, nodes.node(node)).then(({ promised, took_ms }) => {
          if (!promised) {
            unpromised++;
            return;
          }
          took.push(took_ms);
          probes.push(probe(key));
        }),
      );
    }
    await Promise.race([Promise.all(open), delay(15_000, undefined, { ref: false })]);
  };

  const loops = nodes.servers.flatMap((_, node) =>
    Array.from({ length: CONNECTIONS_PER_NODE }, (_, i) => verifyWithoutPause(node, i * 331 + node * 17)),
  );
  const disturbance = disturb?.(over.signal);
  await revokeAll();
  // The last ones revoked are tried for a while too.
  await delay(1_000);
  over.abort();
  await disturbance;
  await Promise.race([Promise.all([...loops, ...probes]), delay(5_000, undefined, { ref: false })]);
  for (const connection of connections) connection.close();
  await Promise.all([...loops, ...probes]);

  took.sort((a, b) => a - b);
  const quantile = (q: number) => took[Math.min(took.length - 1, Math.floor(took.length * q))] ?? Number.NaN;
  return {
    ...counts,
    violations,
    wrong_answers,
    revoked: took.length,
    unpromised,
    p50_ms: quantile(0.5),
    p99_ms: quantile(0.99),
    longest_ms: quantile(1),
    stalled_ms: lag.max / 1e6,
  };
}

function pick<T>(from: readonly T[]): T | undefined {
  return from[Math.floor(Math.random() * from.length)];
}

export function describeOutcome(outcome: Outcome): string {
  const { violations, revoked, unpromised, p50_ms, p99_ms, longest_ms, stalled_ms, ...counts } = outcome;
  return (
    `${violations.length} accepted of ${counts.sent_after_revoke} sent after revoke had returned; ` +
    `${counts.verifications} verifications (${counts.accepted} accepted, ${counts.refused} refused, ` +
    `${counts.unavailable} unavailable, ${counts.lost} lost); ${revoked} revoked (${unpromised} without a promise), ` +
    `revoke p50 ${p50_ms.toFixed(1)} ms, p99 ${p99_ms.toFixed(1)} ms, longest ${longest_ms.toFixed(1)} ms (the test itself stalled for up to ${stalled_ms.toFixed(0)} ms)`
  );
}
