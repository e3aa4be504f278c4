import assert from "node:assert/strict";
import test from "node:test";
import { describeTimeout, timeoutOptions, writeTimeout } from "./suspend-timeout.ts";

test("a time is told in the largest unit that it is a multiple of", () => {
  const told = [-1, 0, 1, 60, 90, 300, 3600, 86_400, 604_800].map(describeTimeout);
  assert.deepEqual(told, [
    "never by itself",
    "after 5 minutes without use",
    "after 1 second without use",
    "after 1 minute without use",
    "after 90 seconds without use",
    "after 5 minutes without use",
    "after 1 hour without use",
    "after 1 day without use",
    "after 7 days without use",
  ]);
});

test("what is chosen now can be chosen again, and no choice is there twice", () => {
  for (const seconds of [undefined, 0, 300, 90, -1]) {
    const now = writeTimeout(seconds);
    const options = timeoutOptions(now);
    assert.ok(options.some(({ value }) => value === now));
    assert.equal(new Set(options.map(({ label }) => label)).size, options.length);
  }
});
