import assert from "node:assert/strict";
import test from "node:test";
import { checkLimit, LIMITS, readLimits, writeLimits } from "./limits.ts";

const NONE = writeLimits();

test("limits are hours and gigabytes, and nothing where there is none", () => {
  assert.deepEqual(Object.values(NONE), ["", "", "", "", ""]);
  assert.deepEqual(writeLimits({ active_time_seconds: 5_400, written_data_bytes: 0, logical_size_bytes: 2.5e9 }), {
    ...NONE,
    active_time_seconds: "1.5",
    logical_size_bytes: "2.5",
  });
});

test("what was changed is read, and what was left alone stays as exact as it was", () => {
  const before = writeLimits({ active_time_seconds: 100_001, data_transfer_bytes: 1e9 });
  assert.deepEqual(readLimits({ ...before, written_data_bytes: " 0.5 ", data_transfer_bytes: "" }, before), {
    written_data_bytes: 5e8,
    data_transfer_bytes: 0,
  });
  assert.deepEqual(readLimits(before, before), {});
});

test("what is no number, or none that can be counted, is told", () => {
  const [hours] = LIMITS;
  assert.ok(hours);
  for (const good of ["", " ", "1", "2.5", " 3 "]) assert.equal(checkLimit(hours, good), true, good);
  for (const bad of ["-1", "1,5", "ten", "1e3", "0", "0.0000001", "99999999999999"]) {
    assert.equal(typeof checkLimit(hours, bad), "string", bad);
  }
});
