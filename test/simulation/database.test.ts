import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import type { AccessChange } from "../../server/nodes/change.ts";
import * as store from "../../server/nodes/store.ts";
import { openTestDatabase } from "../harness/database.ts";
import { EMPTY, type Snapshot, type Statement, statements, type Version } from "./database.ts";
import { Random } from "./random.ts";

const STEPS = 1_500;
const DESCRIPTION = { data_node_id: "a", address: "", pid: 1, version: "" };

/** The stand-in, one statement after the other, and what stands for what in PostgreSQL. */
class StandIn {
  version: Version = EMPTY;
  server = "";

  run<Result>({ run }: Statement<Result>, now_ms: number): Result {
    const snapshot: Snapshot = { ...this.version, server: this.server };
    const { result, next } = run(snapshot, this.version, now_ms);
    if (next) this.version = next;
    return result;
  }
}

test("the simulation's database answers every statement of the nodes as PostgreSQL does", async (t) => {
  const at = await openTestDatabase();
  const client = new pg.Client(at.connection as pg.ClientConfig);
  t.after(async () => {
    await client.end();
    await at.close();
  });
  await client.connect();
  const random = new Random(7);
  const stand_in = new StandIn();
  const nodes = Array.from({ length: 4 }, (_, i) => `00000000-0000-4000-8000-00000000000${i}`);
  const { nonce, server } = await store.readHead(client);
  stand_in.server = server;
  stand_in.version = { ...EMPTY, changes: EMPTY.changes.map((change) => ({ ...change, nonce })) };
  let renewals = 0;
  let compared = 0;

  /** A place: that of a change that there is, or was, or never has been. */
  const place = () => {
    const known = random.pick(stand_in.version.changes);
    if (!known) throw new Error("there is always a change");
    const other = random.pick(stand_in.version.changes)?.nonce ?? nonce;
    return { revision: known.revision, nonce: random.chance(0.8) ? known.nonce : other };
  };
  const append = async () => {
    const made: AccessChange[] = Array.from({ length: random.chance(0.8) ? 1 : 3 }, () => ({
      kind: "key",
      subject: `${random.next()}`,
    }));
    const revision = await at.db.transaction().execute((tx) => store.appendAccessChanges(tx, made, random.chance(0.5)));
    // Some of them long ago.
    const age_ms = random.chance(0.5) ? 7_200_000 : 0;
    await client.query(
      `update access_changes set at = now() - make_interval(secs => ${age_ms / 1000}) where revision > ${revision - made.length}`,
    );
    const { rows } = await client.query(
      `select nonce from access_changes where revision > ${revision - made.length} order by revision`,
    );
    const { version } = stand_in;
    const added = made.map((change, i) => ({
      ...change,
      revision: version.revision + i + 1,
      nonce: rows[i]?.nonce as string,
      at_ms: -age_ms,
    }));
    stand_in.version = {
      ...version,
      revision: version.revision + made.length,
      changes: [...version.changes, ...added],
    };
    assert.equal(revision, stand_in.version.revision);
  };

  const steps: Record<string, () => Promise<void>> = {
    append,
    async extendLease() {
      const id = random.pick(nodes) ?? "";
      const applied = random.chance(0.8) ? place() : undefined;
      // Sometimes one that was given up arrives late.
      const renewal = random.chance(0.8) ? ++renewals : Math.max(1, renewals - 3);
      await store.extendLease(client, id, renewal, applied, DESCRIPTION);
      stand_in.run(statements.extendLease(id, renewal, applied), 0);
    },
    async acknowledge() {
      const [id, applied] = [random.pick(nodes) ?? "", place()];
      await store.acknowledge(client, id, applied);
      stand_in.run(statements.acknowledge(id, applied), 0);
    },
    async readHead() {
      assert.deepEqual({ ...(await store.readHead(client)) }, stand_in.run(statements.readHead(), 0));
    },
    async readChangesFrom() {
      const { revision } = place();
      const limit = random.pick([1, 3, 100]) ?? 1;
      const rows = await store.readChangesFrom(client, revision, limit);
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        stand_in.run(statements.readChangesFrom(revision, limit), 0),
      );
    },
    async deleteNodeAsSeen() {
      const row = random.pick([...stand_in.version.nodes.values()]);
      if (!row) return;
      const seen = { ...row, renewals: random.chance(0.3) ? row.renewals : row.renewals - 1 };
      await store.deleteNodeAsSeen(client, seen);
      stand_in.run(statements.deleteNodeAsSeen(seen), 0);
    },
    async deleteNode() {
      const id = random.pick(nodes) ?? "";
      if (!random.chance(0.3)) return;
      await store.deleteNode(client, id);
      stand_in.run(statements.deleteNode(id), 0);
    },
    async deleteOldChanges() {
      await store.deleteOldChanges(client);
      stand_in.run(statements.deleteOldChanges(), 0);
    },
  };
  for (let step = 0; step < STEPS; step++) {
    const [name, run] = random.pick(Object.entries(steps)) ?? ["", async () => {}];
    await run();
    const sorted = (rows: readonly store.NodeRow[]) =>
      rows.map((row) => ({ ...row })).sort((a, b) => a.id.localeCompare(b.id));
    const there = sorted(await store.readNodes(client));
    assert.deepEqual(there, sorted(stand_in.run(statements.readNodes(), 0)), `after step ${step}, ${name}`);
    if (there.length > 0) compared++;
  }
  assert.ok(compared > STEPS / 2, "hardly ever was there a node");
});
