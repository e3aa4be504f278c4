import assert from "node:assert/strict";
import { test } from "node:test";
import { countChanges, readDiff } from "./diff-lines.ts";

test("a diff's lines are told apart by their sign, a comment of SQL included, and the file's names are left out", () => {
  const diff = [
    "--- a/neondb",
    "+++ b/neondb",
    "@@ -1,2 +1,3 @@",
    " same",
    "--- removed comment",
    "+-- added",
    "+x",
    "",
  ].join("\n");
  const lines = readDiff(diff);
  assert.deepEqual(
    lines.map(({ kind }) => kind),
    ["place", "same", "removed", "added", "added"],
  );
  assert.deepEqual(countChanges(lines), { added: 2, removed: 1 });
});
