import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { explore } from "./explore.ts";
import { protocol, RULES, type Rule } from "./protocol.ts";

/**
 * The proof of the revocation protocol, as far as a machine can give one: every state of a small model is
 * visited. A proof that cannot fail proves nothing, so each safety rule is taken away in turn, and without
 * it a revoked key must get through.
 */
describe("the revocation protocol, explored exhaustively", () => {
  test("no request that began after revoke returned is accepted, and revoke can always return", (t) => {
    const { states, steps, violation, stuck } = explore(protocol({ with_other_change: true }));
    t.diagnostic(`${states} states, ${steps} steps`);
    assert.equal(violation, undefined, violation?.trace.join("\n"));
    assert.equal(stuck, 0, "states from which revoke never returns");
    assert.ok(states > 1_000_000, "the model has become trivial");
  });

  for (const [rule, text] of Object.entries(RULES)) {
    test(`without the rule "${text}" a revoked key gets through`, (t) => {
      const with_other_change = rule === "serialized_revisions";
      const { states, violation } = explore(protocol({ removed: rule as Rule, with_other_change }));
      assert.ok(violation, `${rule}: no violation in ${states} states, so the rule or the model is idle`);
      t.diagnostic(`${violation.what}, after ${states} states:\n    ${violation.trace.join("\n    ")}`);
    });
  }
});
