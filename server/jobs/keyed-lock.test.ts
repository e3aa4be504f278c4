import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KeyedLock } from "./keyed-lock.ts";

describe("the lock by key", () => {
  it("lets work on one key in one at a time, in order, and work on another key past it", async () => {
    const lock = new KeyedLock();
    const events: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = lock.run("a", async () => {
      events.push("first begins");
      await gate.promise;
      events.push("first ends");
    });
    const second = lock.run("a", async () => void events.push("second"));
    await lock.run("b", async () => void events.push("other"));
    gate.resolve();
    await Promise.all([first, second]);
    assert.deepEqual(events, ["first begins", "other", "first ends", "second"]);
  });

  it("is held from the asking until the last who asked is done", async () => {
    const lock = new KeyedLock();
    const gate = Promise.withResolvers<void>();
    const both = [lock.run("a", () => gate.promise), lock.run("a", async () => assert.ok(lock.isHeld("a")))];
    assert.deepEqual([lock.isHeld("a"), lock.isHeld("b")], [true, false]);
    gate.resolve();
    await Promise.all(both);
    assert.equal(lock.isHeld("a"), false);
  });

  it("tells whoever asks when it is done, without a place among those who wait", async () => {
    const lock = new KeyedLock();
    const gate = Promise.withResolvers<void>();
    const events: string[] = [];
    const work = lock.run("a", () => gate.promise).then(() => events.push("work"));
    const told = lock.whenDone("a").then(() => events.push("told"));
    gate.resolve();
    await Promise.all([work, told, lock.whenDone("b")]);
    assert.deepEqual(events.toSorted(), ["told", "work"]);
    assert.equal(lock.isHeld("a"), false);
  });

  it("goes on after work that failed", async () => {
    const lock = new KeyedLock();
    const failing = lock.run("a", () => Promise.reject(new Error("no luck")));
    const next = lock.run("a", async () => "done");
    await assert.rejects(failing, /no luck/);
    assert.equal(await next, "done");
  });
});
