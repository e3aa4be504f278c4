import assert from "node:assert/strict";
import test from "node:test";
import type { Branch } from "@latchkey/contract/branches.ts";
import type { Endpoint } from "@latchkey/contract/endpoints.ts";
import { arrange } from "./branch-tree.ts";

let made = 0;
const branch = (name: string, parent_id?: string, is_default = false) =>
  ({
    id: name,
    name,
    default: is_default,
    created_at: new Date(made++).toISOString(),
    ...(parent_id === undefined ? {} : { parent_id }),
  }) as Branch;

test("parents come before their children, siblings as they were made, and the default branch's family first", () => {
  const old = branch("old");
  const main = branch("main", undefined, true);
  const b = branch("b", "main");
  const a = branch("a", "main");
  const deep = branch("deep", "b");
  const nodes = arrange([deep, a, b, old, main], [{ id: "ep", branch_id: "a" } as Endpoint]);
  assert.deepEqual(
    nodes.map(({ branch: { name }, depth, parent, has_children, endpoint }) => [
      name,
      depth,
      parent?.name,
      has_children,
      endpoint?.id,
    ]),
    [
      ["main", 0, undefined, true, undefined],
      ["b", 1, "main", true, undefined],
      ["deep", 2, "b", false, undefined],
      ["a", 1, "main", false, "ep"],
      ["old", 0, undefined, false, undefined],
    ],
  );
});

test("a branch whose parent is not in the list counts as a root", () => {
  assert.deepEqual(
    arrange([branch("orphan", "gone")]).map(({ depth, parent }) => [depth, parent]),
    [[0, undefined]],
  );
});

test("a chain of ten thousand branches is arranged, and none is lost", () => {
  const chain = Array.from({ length: 10_000 }, (_, index) =>
    branch(`b${index}`, index === 0 ? undefined : `b${index - 1}`),
  );
  const nodes = arrange(chain.toReversed());
  assert.equal(nodes.at(-1)?.depth, 9_999);
});
