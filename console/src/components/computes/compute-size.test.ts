import assert from "node:assert/strict";
import test from "node:test";
import { readSize, sizeOptions, writeSize } from "./compute-size.ts";

const labels = (sizes: number[], now: string) => sizeOptions(sizes, now).map(({ label }) => label);

test("the sizes that there is room for can be chosen, and what is chosen now stays", () => {
  assert.deepEqual(labels([0.25, 0.5, 1], "0.25-0.25"), [
    "0.25 CU, 1 GB of memory",
    "0.5 CU, 2 GB of memory",
    "1 CU, 4 GB of memory",
  ]);
  assert.deepEqual(
    sizeOptions([0.25], "0.5-2").map(({ value }) => value),
    ["0.5-2", "0.25-0.25"],
  );
  assert.equal(labels([0.25], "0.5-2")[0], "2 CU, 8 GB of memory", "it has the most that it may have");
});

test("a size is read from its field as it was written", () => {
  const size = { autoscaling_limit_min_cu: 0.25, autoscaling_limit_max_cu: 8 };
  assert.deepEqual(readSize(writeSize(size)), size);
});
