import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { requestIds } from "./request-ids.ts";

const request = (headers: Record<string, string>) => ({ headers }) as unknown as IncomingMessage;

test("requests without a fit name of their own get UUIDs of version 8, each another", () => {
  const name = requestIds();
  const names = Array.from({ length: 1_000 }, () => name(request({})));
  assert.equal(new Set(names).size, 1_000);
  for (const one of names) assert.match(one, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.ok(names[999]?.endsWith("-0000000003e7"));
});

test("a sender's own name is kept, unless it is none or holds what may be a token", () => {
  const name = requestIds();
  assert.equal(name(request({ "x-request-id": "build-17.2" })), "build-17.2");
  for (const given of ["", "two words", "x".repeat(129), "lk_user_abc"]) {
    assert.notEqual(name(request({ "x-request-id": given })), given);
  }
});
