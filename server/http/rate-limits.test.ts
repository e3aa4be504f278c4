import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { Principal } from "../access/principal.ts";
import { systemClock } from "../clock.ts";
import { ApiError } from "../errors.ts";
import { createLog } from "../log.ts";
import { RateLimits } from "./rate-limits.ts";

const FIGURES = { per_minute: 60, per_second: 5, key_creations_per_second: 2 };

let now_ms = 0;
let limits: RateLimits;
beforeEach(() => {
  now_ms = 0;
  const clock = { ...systemClock, monotonic_ms: () => now_ms };
  limits = new RateLimits(FIGURES, clock, createLog("silent").metrics);
});

const keyOf = (org_id: string, api_key_id: number): Principal => ({ kind: "organization", org_id, api_key_id });
const login = (oauth_grant_id: number): Principal => ({ kind: "person", user_id: "ada", via: "oauth", oauth_grant_id });

/** How many of some calls in a row go through; each on a route of its own unless one is named. */
function pass(principal: Principal, calls: number, route_id?: string): number {
  let passed = 0;
  for (let i = 0; i < calls; i++) {
    try {
      limits.count(principal, route_id ?? `route ${i}`);
      passed++;
    } catch (error) {
      assert.ok(error instanceof ApiError && error.status === 429);
    }
  }
  return passed;
}

test("a burst on one route ends at its figure, and goes on as time passes", () => {
  assert.equal(pass(keyOf("org-1", 1), 20, "listProjects"), 5);
  assert.equal(pass(keyOf("org-1", 1), 1, "listOrgApiKeys"), 1, "another route");
  now_ms += 400;
  assert.equal(pass(keyOf("org-1", 1), 20, "listProjects"), 2);
});

test("the minute's figure holds over all routes, for a key and for all keys of an organization", () => {
  assert.equal(pass(keyOf("org-1", 1), 100), 60);
  assert.equal(pass(keyOf("org-1", 2), 100), 0, "another key of the same organization");
  assert.equal(pass(keyOf("org-2", 3), 100), 60, "another organization");
  now_ms += 10_000;
  assert.equal(pass(keyOf("org-1", 2), 100), 10);
});

test("an organization creates no more keys in a second than the figure says", () => {
  assert.equal(pass(keyOf("org-1", 1), 5, "createOrgApiKey"), 2);
  now_ms += 1_000;
  assert.equal(pass(keyOf("org-1", 2), 5, "createOrgApiKey"), 2);
});

test("a login through the browser is limited like a key, a session of the Console is not", () => {
  assert.equal(pass(login(1), 100), 60);
  assert.equal(pass(login(2), 100), 0, "another login of the same person");
  assert.equal(pass({ kind: "person", user_id: "ada", via: "session", session_id: "1" }, 1_000), 1_000);
});

test("a refusal says when to come again", () => {
  pass(keyOf("org-1", 1), 60);
  assert.throws(
    () => limits.count(keyOf("org-1", 1), "listProjects"),
    (error: ApiError) => error.headers?.["retry-after"] === "1",
  );
});
