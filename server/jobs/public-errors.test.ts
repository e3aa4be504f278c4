import assert from "node:assert/strict";
import test from "node:test";
import { DriverError } from "../compute/driver.ts";
import { publicErrorOf } from "./public-errors.ts";

test("of an error people are told what it means and what is theirs, and never the rest of it", () => {
  const secret = "at /secret/path";
  for (const [code, alone, before] of [
    ["setting_refused", "a setting of the compute was refused", "a setting of the compute was refused"],
    ["name_refused", "the name of a role or database was refused", "the name of a role or database was refused"],
    [
      "schema_refused",
      "the schema of the other branch could not be loaded; the server's log has the reason",
      "the schema of the other branch could not be loaded",
    ],
  ] as const) {
    assert.equal(publicErrorOf(new DriverError(code, secret)), alone);
    assert.equal(publicErrorOf(new DriverError(code, secret, { told: "theirs" })), `${before}: theirs`);
  }
  for (const error of [new Error(secret), new DriverError("aborted", secret, { told: secret })]) {
    assert.equal(publicErrorOf(error), "internal error; the server's log has the detail");
  }
});
