import assert from "node:assert/strict";
import test from "node:test";
import { findRefusal } from "./refusals.ts";

const saying = (...lines: string[]) =>
  [
    'LOG:  skipping missing configuration file "/secret/path/postgresql.auto.conf"',
    ...lines,
    'FATAL:  configuration file "/secret/path/postgresql.conf" contains errors',
  ]
    .map((line) => `2026-11-29 14:03:04.544 GMT [21294] ${line}\n`)
    .join("");

test("a refusal is PostgreSQL's sentences about settings, and nothing else that it says", () => {
  for (const [line, sentence] of [
    ['LOG:  invalid value for parameter "work_mem": "plenty"', 'invalid value for parameter "work_mem": "plenty"'],
    [
      'LOG:  1 kB is outside the valid range for parameter "work_mem" (64 kB .. 2147483647 kB)',
      '1 kB is outside the valid range for parameter "work_mem" (64 kB .. 2147483647 kB)',
    ],
    [
      'LOG:  -5 is outside the valid range for parameter "geqo_threshold" (2 .. 2147483647)',
      '-5 is outside the valid range for parameter "geqo_threshold" (2 .. 2147483647)',
    ],
    ['LOG:  parameter "jit" requires a Boolean value', 'parameter "jit" requires a Boolean value'],
    [
      'LOG:  unrecognized configuration parameter "transaction_timeout" in file "/secret/path/postgresql.conf" line 2',
      'unrecognized configuration parameter "transaction_timeout"',
    ],
    ['LOG:  something about "/secret/path"', "PostgreSQL refuses the configuration"],
  ] as const) {
    const { code, message } = findRefusal(saying(line, "HINT:  See /secret/path.")) ?? assert.fail();
    assert.deepEqual([code, message], ["setting_refused", sentence]);
  }
});

test("of several settings all are told that were refused, each shortly", () => {
  const refused = ["a", "b"].map((name) => `LOG:  invalid value for parameter "${name}": "${"é".repeat(500)}"`);
  const { message = "" } = findRefusal(saying(...refused)) ?? {};
  assert.equal(message.split("; ").length, 2);
  assert.ok(message.length < 500 && message.isWellFormed());
  assert.match(message, /parameter "a": "é+…; invalid value for parameter "b": "é+…$/);
});

test("what is not about the configuration is none", () => {
  assert.equal(findRefusal('FATAL:  could not open file "global/pg_control": No such file or directory'), undefined);
  assert.equal(findRefusal('LOG:  could not bind IPv4 address "127.0.0.1": Address already in use'), undefined);
});
