import assert from "node:assert/strict";
import test from "node:test";
import { COMPUTE_SIZES } from "@latchkey/contract/compute-size.ts";
import { fits, maxConnectionsOf, sizesWithin } from "./size.ts";

test("sizes take as many connections as Neon's", () => {
  const published = [
    ...[
      [0.25, 104],
      [0.5, 209],
      [1, 419],
      [2, 839],
      [3, 1258],
      [4, 1678],
      [5, 2098],
      [6, 2517],
      [7, 2937],
      [8, 3357],
    ],
    ...COMPUTE_SIZES.filter((size) => size >= 10).map((size) => [size, 4000]),
  ];
  for (const [size = 0, connections] of published) assert.equal(maxConnectionsOf(size), connections, `${size} CU`);
});

test("a machine has room for what its processors and its memory give, and always for the smallest", () => {
  const largest = (cpus: number, gib: number) => sizesWithin({ cpus, memory_bytes: gib * 2 ** 30 }).at(-1);
  assert.equal(largest(2, 24), 2);
  assert.equal(largest(64, 3.8), 1, "what is sold as 4 GB has a little less");
  assert.equal(largest(64, 2), 0.5);
  assert.equal(largest(1, 0.5), 0.25);
  assert.equal(largest(19, 1000), 18, "there is none of 19");
  assert.equal(largest(1000, 1000), 56);
  assert.equal(fits(0.25, { cpus: 0, memory_bytes: 0 }), true);
});
