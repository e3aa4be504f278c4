import assert from "node:assert/strict";
import { it } from "node:test";
import { TrafficBook } from "./traffic.ts";

it("what has settled at an endpoint never goes down, though it is forgotten and comes back", () => {
  const book = new TrafficBook({ monotonic_ms: () => 0 });
  const settledOf = (id: string) => book.of(id).settled;
  assert.equal(settledOf("a"), 0);
  for (let i = 0; i < 5; i++) book.settle("a");
  book.settle("b");
  const known = { a: settledOf("a"), b: settledOf("b") };
  book.forget("a");
  assert.ok(settledOf("a") > known.a, "what was settled last may not have been looked at");
  book.touch("a");
  const back = settledOf("a");
  assert.ok(back > known.a);
  book.settle("a");
  assert.ok(settledOf("a") > back);
  assert.equal(settledOf("b"), known.b, "and elsewhere nothing has changed");
});
