import assert from "node:assert/strict";
import test from "node:test";
import pg from "pg";
import { tellable } from "./schema-copy.ts";

test("why a schema was not loaded is told in PostgreSQL's words about the schema, and never in those about the machine", () => {
  const said = (code: string, message: string) =>
    tellable(Object.assign(new pg.DatabaseError(message, message.length, "error"), { code }));
  for (const [code, message] of [
    ["42704", 'type "vector" does not exist'],
    ["42601", 'syntax error at or near "/"'],
    ["P0001", "not 1/2 of it, and/or less"],
  ] as const) {
    assert.equal(said(code, message), message);
  }
  assert.equal(said("P0001", "é".repeat(1000)), "é".repeat(500));
  for (const [code, message] of [
    ["53100", 'could not extend file "base/16384/2619": No space left on device'],
    ["58P01", 'could not open file "base/16384/2619": No such file or directory'],
    ["42501", 'could not open extension control file "/secret/path/vector.control": Permission denied'],
    ["42501", "could not open /secret/path"],
    ["42501", "/secret/path"],
    ["XX000", "cache lookup failed"],
  ] as const) {
    assert.equal(said(code, message), undefined, message);
  }
  const unreachable = Object.assign(new Error("connect ENOENT /secret/path/.s.PGSQL.5432"), { code: "ENOENT" });
  assert.equal(tellable(unreachable), undefined);
});
