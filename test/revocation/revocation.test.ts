import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ExternalDatabase } from "../harness/external-database.ts";
import { describeOutcome, type Experiment, Nodes, type Outcome, runExperiment } from "./experiment.ts";
import { type Pooler, startPooler } from "./pooler.ts";
import { SwallowingProxy } from "./swallowing-proxy.ts";

/**
 * Short by default; `REVOCATION_TESTS=full` gives each experiment the 60 seconds, 2,000 keys and 500
 * revocations of issue 3.
 */

/** A lease, and what a round trip or two take besides. */
const LONGEST_MS = 2_000 + 500;
const CLOCK = { NODE_OPTIONS: `--import=${new URL("./settable-clock.mjs", import.meta.url).href}` };

/** What an audit row tells of a revocation that was answered. */
interface Waited {
  readonly acknowledged: readonly string[];
  readonly lapsed: readonly string[];
  readonly waited_ms: number;
}

interface Checked {
  readonly outcome: Outcome;
  readonly waited: readonly Waited[];
}

/** Three nodes and a database, and what all experiments are held to. */
class Laboratory {
  readonly database: ExternalDatabase;
  readonly nodes: Nodes;

  constructor(database: ExternalDatabase, nodes: Nodes) {
    this.database = database;
    this.nodes = nodes;
  }

  async check(t: { diagnostic(text: string): void }, experiment: Experiment = {}): Promise<Checked> {
    const [last] = await this.database.query<{ id: number }>(
      "select coalesce(max(id), 0)::int as id from audit_events",
    );
    const outcome = await runExperiment(this.nodes, experiment);
    t.diagnostic(describeOutcome(outcome));
    assert.deepEqual(outcome.violations, []);
    assert.deepEqual(outcome.wrong_answers, []);
    assert.ok(outcome.revoked >= 20, "too few revocations to show anything");
    assert.ok(outcome.sent_after_revoke >= 50, "too few requests after revocations to show anything");
    assert.ok(outcome.accepted >= 500, "too few verifications to show anything");
    const allowed_ms = LONGEST_MS + 10 * outcome.stalled_ms;
    assert.ok(outcome.longest_ms < allowed_ms, `a revocation took ${outcome.longest_ms} ms`);
    const rows = await this.database.query<{ confirmation: Waited | null }>(
      `select confirmation from audit_events
       where action = 'organization_key.revoke' and confirmation is not null and id > ${last?.id}`,
    );
    return { outcome, waited: rows.flatMap(({ confirmation }) => confirmation ?? []) };
  }

  /** By the name under which the other nodes know it. */
  async idOf(node: number): Promise<string> {
    const [row] = await this.database.query<{ id: string }>(
      `select id::text from nodes where pid = ${this.nodes.node(node).pid} order by renewed_at desc limit 1`,
    );
    return row?.id ?? assert.fail(`node ${node} is not known`);
  }

  async close(): Promise<void> {
    await this.nodes.close();
    await this.database.close();
  }
}

/** Repeats a disturbance until the experiment is over. */
function again(disturb: (turn: number) => Promise<void>): NonNullable<Experiment["disturb"]> {
  return async (signal) => {
    for (let turn = 0; !signal.aborted; turn++) await disturb(turn);
  };
}

for (const [title, env] of [
  ["a revoked key is dead on every node once the revoke call has returned", {}],
  ["the same without notifications, by polling alone", { LATCHKEY_LISTEN: "off" }],
] as const)
  describe(title, () => {
    let laboratory: Laboratory;
    /** The third node reaches the database through a proxy that can be told to swallow. */
    let proxy: SwallowingProxy;

    before(async () => {
      const database = await ExternalDatabase.make();
      proxy = await SwallowingProxy.open(database.port);
      const environment = { ...CLOCK, ...env };
      const cut_off = { ...environment, DATABASE_URL: database.urlAt(proxy.port) };
      laboratory = new Laboratory(database, await Nodes.start(database, [environment, environment, cut_off]));
    });
    after(async () => {
      await proxy?.close();
      await laboratory?.close();
    });

    test("with nothing else going on; and its audit row tells what it waited for", async (t) => {
      const { outcome, waited } = await laboratory.check(t);
      assert.equal(outcome.unpromised + outcome.lost + outcome.unavailable, 0);
      const complete = waited.filter(({ acknowledged, lapsed }) => acknowledged.length + lapsed.length === 3);
      assert.equal(complete.length, outcome.revoked);
      const { nodes, database } = laboratory;
      assert.ok((await nodes.metric(0, "latchkey_revocation_wait_seconds_count")) > 0);
      assert.equal(await nodes.metric(0, "latchkey_nodes_live"), 3);
      const listening = await database.query("select from pg_stat_activity where query ilike 'listen%'");
      assert.equal(listening.length > 0, title.startsWith("a revoked key"));
    });

    test("with a node that is frozen and thawed, whose lapse is told", async (t) => {
      const { nodes } = laboratory;
      const { pid } = nodes.node(2);
      const frozen_id = await laboratory.idOf(2);
      const lapses = async () =>
        (await nodes.metric(0, "latchkey_revocation_lapsed_nodes_total")) +
        (await nodes.metric(1, "latchkey_revocation_lapsed_nodes_total"));
      const before_ = await lapses();
      const disturb = again(async () => {
        process.kill(pid, "SIGSTOP");
        await delay(3_000);
        process.kill(pid, "SIGCONT");
        await delay(1_000);
      });
      const { outcome, waited } = await laboratory.check(t, { disturb, through: [0, 1] });
      assert.equal(outcome.unpromised, 0);
      const lapsed = waited.filter((row) => row.lapsed.includes(frozen_id));
      assert.ok(lapsed.length > 0, "no audit row names the frozen node");
      assert.ok((await lapses()) - before_ >= lapsed.length);
      // By the server's own clock: neither the way to it nor this process is in it.
      const longest_ms = Math.max(...waited.map(({ waited_ms }) => waited_ms));
      assert.ok(longest_ms < LONGEST_MS + outcome.stalled_ms, `a revocation waited ${longest_ms} ms`);
    });

    test("with a node cut off from the database, which refuses rather than guesses", async (t) => {
      // From a lease after the cut to the healing, on our clock.
      const dark: { from_ms: number; to_ms: number }[] = [];
      const answers: { status: number; sent_ms: number; read_ms: number }[] = [];
      const disturb = again(async () => {
        proxy.swallows = true;
        const cut_ms = performance.now();
        await delay(5_000);
        dark.push({ from_ms: cut_ms + 2_000, to_ms: performance.now() });
        proxy.swallows = false;
        await delay(2_000);
      });
      const onVerified = (node: number, status: number, sent_ms: number) => {
        if (node === 2) answers.push({ status, sent_ms, read_ms: performance.now() });
      };
      const { outcome } = await laboratory.check(t, { disturb, through: [0, 1], onVerified });
      assert.equal(outcome.unpromised, 0);
      // One that is answered after the healing was answered by the database.
      const in_the_dark = answers.filter(({ sent_ms, read_ms }) =>
        dark.some(({ from_ms, to_ms }) => sent_ms > from_ms && read_ms < to_ms),
      );
      const guessed = in_the_dark.filter(({ status }) => status !== 503);
      assert.deepEqual(guessed, [], "answered without a lease and without the database");
      // A refusal takes until the database is given up, so it may belong to a request of just before the lapse.
      const refused = answers.filter(
        ({ status, read_ms }) => status === 503 && dark.some(({ to_ms }) => read_ms < to_ms),
      );
      assert.ok(refused.length > 0, "nobody was refused");
    });

    test("with the database restarted", async (t) => {
      const { database } = laboratory;
      const disturb = again(async () => {
        await delay(2_500);
        await database.stop();
        await delay(200);
        await database.start();
      });
      await laboratory.check(t, { disturb });
    });

    test("with the connections that listen and renew killed again and again", async (t) => {
      const disturb = again(async () => {
        await laboratory.database.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where application_name in ('latchkey listen', 'latchkey lease')`,
        );
        await delay(300);
      });
      const { outcome } = await laboratory.check(t, { disturb });
      assert.equal(outcome.unpromised, 0);
    });

    test("with wall clocks that jump by hours", async (t) => {
      const disturb = again(async (turn) => {
        // Each in turn: an hour on, and then back.
        process.kill(laboratory.nodes.node(turn % 3).pid, Math.floor(turn / 3) % 2 === 0 ? "SIGUSR2" : "SIGWINCH");
        await delay(400);
      });
      const { outcome } = await laboratory.check(t, { disturb });
      assert.equal(outcome.unpromised, 0);
    });
  });

describe("the same behind PgBouncer in transaction mode", () => {
  let laboratory: Laboratory;
  let pooler: Pooler;

  before(async () => {
    const database = await ExternalDatabase.make();
    pooler = await startPooler(database.port);
    const env = { DATABASE_URL: database.urlAt(pooler.port) };
    // Two that listen on a connection of their own, and one that polls.
    const direct = { ...env, LATCHKEY_LISTEN: database.url };
    const nodes = await Nodes.start(database, [direct, direct, { ...env, LATCHKEY_LISTEN: "off" }]);
    laboratory = new Laboratory(database, nodes);
  });
  after(async () => {
    await laboratory?.close();
    await pooler?.close();
  });

  test("with nothing else going on", async (t) => {
    const { outcome } = await laboratory.check(t);
    assert.equal(outcome.unpromised + outcome.lost + outcome.unavailable, 0);
  });

  test("with the pooler crashing and coming back", async (t) => {
    const disturb = again(async () => {
      await delay(1_500);
      await pooler.restart();
    });
    await laboratory.check(t, { disturb });
  });
});
