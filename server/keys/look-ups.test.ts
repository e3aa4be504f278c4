import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { beforeEach, describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ApiError } from "../errors.ts";
import { createLog, type Metrics } from "../log.ts";
import { digestFromBytes } from "./digest.ts";
import { KeyMemory } from "./key-memory.ts";
import { LookUps, MOST_IN_ONE, MOST_WAITING, remembering } from "./look-ups.ts";
import type { LiveKey } from "./store.ts";

/** A query that has been sent: the test says when it is answered, and how. */
interface Sent {
  readonly digests: readonly Buffer[];
  /** Finds a key for each digest: its place among all that were ever asked for is its id. */
  answer(): void;
  answerNothing(): void;
  fail(error: Error): void;
}

/** Stands between the look-ups and a database, and holds every query back. */
class Gate {
  readonly sent: Sent[] = [];
  asked = 0;

  readonly findAll = (digests: readonly Buffer[]): Promise<(LiveKey | undefined)[]> => {
    const { promise, resolve, reject } = Promise.withResolvers<(LiveKey | undefined)[]>();
    const first = this.asked;
    this.asked += digests.length;
    this.sent.push({
      digests,
      answer: () => resolve(digests.map((_, i) => liveKey(first + i))),
      answerNothing: () => resolve(digests.map(() => undefined)),
      fail: reject,
    });
    return promise;
  };

  query(number: number): Sent {
    const sent = this.sent[number];
    assert.ok(sent, `only ${this.sent.length} queries were sent`);
    return sent;
  }
}

const liveKey = (id: number): LiveKey => ({ id, kind: "org", user_id: null, org_id: "org-1", project_id: null });
/** An answer is given in one turn of the event loop, and the next query goes out at the end of the one after. */
const nextMoment = async () => {
  for (let turn = 0; turn < 3; turn++) await nextTurn();
};
/** Nobody uses a key here. */
const noUses = () => assert.fail();
const newDigest = () => randomBytes(32);
const newDigests = (count: number) => Array.from({ length: count }, newDigest);

describe("look-ups", () => {
  let gate: Gate;
  let metrics: Metrics;
  let look_ups: LookUps<LiveKey>;
  beforeEach(() => {
    gate = new Gate();
    ({ metrics } = createLog("silent"));
    look_ups = new LookUps(gate.findAll, metrics);
  });

  /** Takes both places, so that what comes next waits. */
  async function occupy(): Promise<void> {
    for (const digest of newDigests(2)) {
      void look_ups.find(digest);
      await nextMoment();
    }
    assert.equal(gate.sent.length, 2);
  }

  test("a request joins a query that has not been sent yet, and never one that has", async () => {
    const digest = newDigest();
    const first = look_ups.find(digest);
    await nextMoment();
    const second = look_ups.find(digest);
    await nextMoment();
    assert.equal(gate.sent.length, 2, "what has been sent may have been read before the second call");
    const late = [look_ups.find(digest), look_ups.find(digest), look_ups.find(newDigest())];
    await nextMoment();
    assert.equal(gate.sent.length, 2);

    gate.query(0).answer();
    assert.equal((await first)?.id, 0);
    await nextMoment();
    assert.equal(gate.query(2).digests.length, 2, "once for both that wait for it, and with what else waits");
    gate.query(2).answer();
    assert.deepEqual(
      (await Promise.all(late)).map((key) => key?.id),
      [2, 2, 3],
    );
    gate.query(1).answerNothing();
    assert.equal(await second, undefined, "each has the answer of its own query");
  });

  test("what comes in one turn of the event loop is asked for in one query, and each gets its own answer", async () => {
    const found = [];
    for (const digest of newDigests(50)) {
      found.push(look_ups.find(digest));
      // As between two requests that come over two connections: all that the first one has set off is done.
      await Promise.resolve();
    }
    await nextMoment();
    assert.equal(gate.sent.length, 1);
    gate.query(0).answer();
    assert.deepEqual(
      (await Promise.all(found)).map((key) => key?.id),
      found.map((_, i) => i),
    );
  });

  test("two queries at a time, of 256 digests at most, in the order in which they came", async () => {
    await occupy();
    const digests = newDigests(2 * MOST_IN_ONE + 10);
    for (const digest of digests) void look_ups.find(digest);
    await nextMoment();
    assert.equal(gate.sent.length, 2);
    for (let number = 0; number < 5; number++) {
      gate.query(number).answer();
      await nextMoment();
      const under_way = gate.sent.length - (number + 1);
      assert.ok(under_way <= 2, `${under_way} at a time`);
    }
    assert.deepEqual(
      gate.sent.slice(2).map((sent) => sent.digests.length),
      [MOST_IN_ONE, MOST_IN_ONE, 10],
    );
    assert.deepEqual(
      gate.sent.slice(2).flatMap((sent) => sent.digests),
      digests,
    );
  });

  test("a query that fails rejects all who wait for it and nobody else", async () => {
    await occupy();
    const doomed = newDigests(MOST_IN_ONE);
    const outcomes = Promise.allSettled([...doomed, ...doomed].map((digest) => look_ups.find(digest)));
    const others = newDigests(3).map((digest) => look_ups.find(digest));
    gate.query(0).answer();
    await nextMoment();
    gate.query(2).fail(new Error("no database"));
    for (const outcome of await outcomes) {
      assert.equal(outcome.status, "rejected");
      assert.match(String((outcome as PromiseRejectedResult).reason), /no database/);
    }
    await nextMoment();
    gate.query(3).answer();
    assert.ok((await Promise.all(others)).every((key) => key !== undefined));
    gate.query(1).answer();

    const after = look_ups.find(doomed[0] as Buffer);
    await nextMoment();
    gate.query(4).answer();
    assert.ok(await after, "and the next is asked as if nothing had happened");
  });

  test("of more than may wait the rest is told to come again, at once, and is counted; one that waits can be joined", async () => {
    await occupy();
    const digests = newDigests(MOST_WAITING);
    const waiting = digests.map((digest) => look_ups.find(digest));
    const joined = look_ups.find(digests[7] as Buffer);
    for (let i = 0; i < 3; i++) {
      await assert.rejects(
        Promise.race([look_ups.find(newDigest()), nextMoment()]),
        (error: unknown) =>
          error instanceof ApiError &&
          error.status === 503 &&
          error.code === "overloaded" &&
          error.headers["retry-after"] === "1",
      );
    }
    assert.equal((await metrics.look_ups_refused.get()).values[0]?.value, 3);

    gate.query(0).answer();
    await nextMoment();
    const room = look_ups.find(newDigest());
    for (let number = 1; number < gate.sent.length; number++) {
      gate.query(number).answer();
      await nextMoment();
    }
    assert.ok((await Promise.all([...waiting, joined, room])).every((key) => key !== undefined));
  });

  test("once closed, who waits and who comes is told to come again, and what was sent is still answered", async () => {
    await occupy();
    const sent = look_ups.find(newDigest());
    gate.query(0).answer();
    await nextMoment();
    const refused = (error: unknown) =>
      error instanceof ApiError && error.code === "overloaded" && /is stopping/.test(error.message);
    const waiting = assert.rejects(look_ups.find(newDigest()), refused);
    look_ups.close();
    await waiting;
    await assert.rejects(look_ups.find(newDigest()), refused);
    gate.query(1).answer();
    gate.query(2).answer();
    assert.ok(await sent);
    await nextMoment();
    assert.equal(gate.sent.length, 3, "no query was sent any more");
  });
});

describe("look-ups that are remembered", () => {
  test("an answer fills the memory, unless something was dropped after its query was sent", async () => {
    const gate = new Gate();
    const memory = new KeyMemory(2 ** 20, noUses);
    const { metrics } = createLog("silent");
    const look_ups = new LookUps(remembering(memory, metrics, gate.findAll), metrics);
    const drop = () => memory.drop({ kind: "organization", subject: "another" });
    const [kept, outdated, first, second, waited] = newDigests(5) as [Buffer, Buffer, Buffer, Buffer, Buffer];
    const isRemembered = (digest: Buffer) => memory.find(digestFromBytes(digest)) !== undefined;
    const answer = async (number: number) => {
      gate.query(number).answer();
      await nextMoment();
    };

    void look_ups.find(kept);
    await nextMoment();
    await answer(0);
    assert.ok(isRemembered(kept));

    const found = look_ups.find(outdated);
    await nextMoment();
    drop();
    await answer(1);
    assert.ok(await found, "the request itself is answered: its query was sent after it came");
    assert.ok(!isRemembered(outdated), "the drop may have been of what this query has read");

    // The fence counts from when it is sent, not from when it was asked for.
    for (const digest of [first, second, waited]) {
      void look_ups.find(digest);
      await nextMoment();
    }
    assert.equal(gate.sent.length, 4);
    drop();
    await answer(2);
    assert.ok(!isRemembered(first));
    await answer(4);
    assert.ok(isRemembered(waited));
    await answer(3);
    assert.ok(!isRemembered(second));
  });

  test("what was refused is remembered by the same rule", async () => {
    const gate = new Gate();
    const memory = new KeyMemory(2 ** 20, noUses);
    const { metrics } = createLog("silent");
    const look_ups = new LookUps(remembering(memory, metrics, gate.findAll), metrics);
    const [refused, outdated] = newDigests(2) as [Buffer, Buffer];
    for (const [number, digest] of [refused, outdated].entries()) {
      void look_ups.find(digest);
      await nextMoment();
      if (digest === outdated) memory.drop({ kind: "user", subject: "somebody" });
      gate.query(number).answerNothing();
      await nextMoment();
    }
    assert.ok(!memory.isRefused(digestFromBytes(outdated)));
    // The second drop of anything forgets all refusals, so the first is asked for again.
    const again = look_ups.find(refused);
    await nextMoment();
    gate.query(2).answerNothing();
    assert.equal(await again, undefined);
    assert.ok(memory.isRefused(digestFromBytes(refused)));
  });

  test("queries are counted, and what is looked up in them", async () => {
    const gate = new Gate();
    const { metrics } = createLog("silent");
    const look_ups = new LookUps(remembering(new KeyMemory(0, noUses), metrics, gate.findAll), metrics);
    for (const digest of newDigests(30)) void look_ups.find(digest);
    await nextMoment();
    gate.query(0).answer();
    await nextMoment();
    void look_ups.find(newDigest());
    await nextMoment();
    assert.equal((await metrics.key_lookup_queries.get()).values[0]?.value, 2);
    assert.equal((await metrics.key_lookups.get()).values[0]?.value, 31);
    gate.query(1).answer();
  });
});
