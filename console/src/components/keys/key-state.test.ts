import assert from "node:assert/strict";
import { test } from "node:test";
import { stateOfKey } from "./key-state.ts";

const NOW_MS = Date.parse("2026-11-28T12:00:00Z");
const daysAgo = (days: number) => new Date(NOW_MS - days * 24 * 3_600_000).toISOString();

test("a key is active after a use, unused before the first, and stale when a quarter has passed since either", () => {
  const state = (created: number, used: number | null) =>
    stateOfKey({ created_at: daysAgo(created), last_used_at: used === null ? null : daysAgo(used) }, NOW_MS);
  assert.equal(state(400, 0), "active");
  assert.equal(state(400, 90), "active");
  assert.equal(state(400, 90.01), "stale");
  assert.equal(state(90, null), "unused");
  assert.equal(state(90.01, null), "stale");
});
