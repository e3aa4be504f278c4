import assert from "node:assert/strict";
import test from "node:test";
import { renderSettings } from "./settings.ts";

test("a setting's value cannot end its line or its quotes", () => {
  const text = renderSettings({ work_mem: "1MB'\narchive_command = 'x\\", jit: false, port: 5432 });
  assert.deepEqual(text.split("\n").slice(1), [
    "work_mem = '1MB''\\narchive_command = ''x\\\\'",
    "jit = 'off'",
    "port = '5432'",
    "",
  ]);
});

test("a setting's name cannot be anything but a name", () => {
  for (const name of ["include 'x'", "a b", "a\nb", "", "a.b.c", "1a"]) {
    assert.throws(() => renderSettings({ [name]: 1 }), TypeError, name);
  }
});
