import assert from "node:assert/strict";
import test from "node:test";
import { readSettings, writeSettings } from "./compute-settings.ts";

test("settings that are written are read again as they were", () => {
  const settings = { work_mem: "64MB", search_path: '"$user", public', timezone: "Europe/Vienna" };
  assert.deepEqual(readSettings(writeSettings(settings)), { settings });
});

test("empty lines mean nothing, and quotes are those of postgresql.conf", () => {
  assert.deepEqual(readSettings("\n  work_mem='8 MB' \n\ntimezone = 'it''s'\n"), {
    settings: { work_mem: "8 MB", timezone: "it's" },
  });
  assert.deepEqual(readSettings(""), { settings: {} });
});

test("a line that names no setting is told", () => {
  for (const line of ["work_mem", "work_mem =", "= 8MB", "8 = x"]) {
    assert.deepEqual(readSettings(`jit = off\n${line}`), { wrong_line: line });
  }
});
