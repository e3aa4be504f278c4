import assert from "node:assert/strict";
import test from "node:test";
import { DriverError } from "./driver.ts";
import { checkNames } from "./names.ts";

test("a name that is refused is told, whatever is in it", () => {
  const refusal = (role: string, database = "shop") => {
    try {
      checkNames({ roles: [{ name: role, login: true }], databases: [{ name: database }] });
    } catch (error) {
      if (error instanceof DriverError && error.code === "name_refused") return error.told;
    }
    return undefined;
  };
  assert.equal(refusal("pg_app"), 'the role name "pg_app" is reserved');
  assert.equal(refusal("app", "template1"), 'the database name "template1" is reserved');
  assert.equal(refusal("a\0\n"), 'a name is 1 to 63 bytes of UTF-8 without NUL, not "a\\u0000\\n"');
  const long = refusal("😀".repeat(1000)) ?? "";
  assert.ok(long.isWellFormed() && long.length < 250, long);
  assert.equal(refusal("app"), undefined);
});
