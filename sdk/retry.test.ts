import assert from "node:assert/strict";
import test from "node:test";
import { LONGEST_DELAY_MS, parseRetryAfter, retryDelay } from "./retry.ts";

test("Retry-After is read as seconds or as a date", () => {
  const now_ms = Date.parse("2026-01-01T00:00:00Z");
  assert.equal(parseRetryAfter("7", now_ms), 7000);
  assert.equal(parseRetryAfter("Thu, 01 Jan 2026 00:00:05 GMT", now_ms), 5000);
  assert.equal(parseRetryAfter("Wed, 31 Dec 2025 00:00:00 GMT", now_ms), 0);
  for (const nothing of [null, "", "soon", "-"]) assert.equal(parseRetryAfter(nothing, now_ms), undefined);
});

test("delays double, are never shorter than asked, and give up beyond what a caller can wait", () => {
  for (let attempt = 1; attempt < 6; attempt++) {
    const backoff = 250 * 2 ** (attempt - 1);
    const delay = retryDelay(attempt, undefined) ?? 0;
    assert.ok(delay >= backoff / 2 && delay <= backoff, `${attempt}: ${delay}`);
  }
  assert.ok((retryDelay(1, 2000) ?? 0) >= 2000);
  assert.equal(retryDelay(1, LONGEST_DELAY_MS + 1), undefined);
});
