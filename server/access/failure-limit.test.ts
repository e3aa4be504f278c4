import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../clock.ts";
import { FailureLimit, networkOf } from "./failure-limit.ts";

function limitAt(time: { ms: number }): FailureLimit {
  return new FailureLimit({ ...systemClock, monotonic_ms: () => time.ms });
}

test("an address may fail a hundred times at once and ten times a second, others are not touched", () => {
  const time = { ms: 0 };
  const limit = limitAt(time);
  const allowed = (calls: number) =>
    Array.from({ length: calls }, () => limit.fail("192.0.2.1")).filter((told) => told !== "exceeded").length;
  assert.equal(allowed(300), 100);
  assert.ok(limit.isExhausted("192.0.2.1"));
  time.ms += 1_000;
  assert.equal(allowed(300), 10);
  assert.equal(limit.fail("192.0.2.2"), "allowed");
  time.ms += 60_000;
  assert.equal(allowed(300), 100);
});

test("a flood is told once, however long it goes on, and the next one after a pause again", () => {
  const time = { ms: 0 };
  const limit = limitAt(time);
  const told = (seconds: number) => {
    let times = 0;
    for (let i = 0; i < seconds * 1_000; i++, time.ms++) if (limit.fail("192.0.2.1") === "last") times++;
    return times;
  };
  assert.equal(told(60), 1);
  time.ms += 10_000;
  assert.equal(told(5), 1);
});

test("answers to a flood are held back for a moment each, a thousand at a time", async () => {
  const held: { ms: number; release: () => void }[] = [];
  const sleep = (ms: number) => new Promise<void>((release) => void held.push({ ms, release }));
  const limit = new FailureLimit({ ...systemClock, sleep });
  const answers = Array.from({ length: 1_000 }, () => limit.hold());
  assert.equal(held.length, 1_000);
  for (const { ms } of held) assert.ok(ms >= 250 && ms <= 500, `${ms}`);
  assert.ok(new Set(held.map(({ ms }) => Math.floor(ms / 50))).size > 1, "not all at once");
  await limit.hold();
  assert.equal(held.length, 1_000);
  for (const { release } of held.splice(0)) release();
  await Promise.all(answers);
  void limit.hold();
  assert.equal(held.length, 1);
});

test("credentials that must be looked up in spite of that wait for a common turn, 256 at a time", async () => {
  let go = () => {};
  let turns = 0;
  const sleep = (ms: number) => {
    assert.equal(ms, 250);
    turns++;
    return new Promise<void>((resolve) => {
      go = resolve;
    });
  };
  const limit = new FailureLimit({ ...systemClock, sleep });
  for (const turn of [1, 2]) {
    let passed = 0;
    const waiting = Array.from({ length: 256 }, async () => {
      assert.equal(await limit.waitForTurn(), true);
      passed++;
    });
    assert.equal(await limit.waitForTurn(), false, "one more than a turn takes");
    assert.equal(turns, turn);
    assert.equal(passed, 0);
    go();
    await Promise.all(waiting);
  }
});

test("whoever has one address of an IPv6 network has them all", () => {
  assert.equal(networkOf("2001:db8:1:2:3:4:5:6"), networkOf("2001:db8:1:2::1"));
  assert.notEqual(networkOf("2001:db8:1:2::1"), networkOf("2001:db8:1:3::1"));
  assert.equal(networkOf("::ffff:192.0.2.1"), "192.0.2.1");
});
