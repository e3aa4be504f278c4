import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord } from "../../compute/driver.ts";
import { selectRecords, tellApart } from "./select.ts";

const at = (second: number, message: string): LogRecord => {
  return { timestamp: `2026-11-28T20:00:0${second}.000Z`, pid: 1, severity: "LOG", message };
};
/** The third and fourth were written by two processes at once. */
const RECORDS = [at(1, "a"), at(2, "b"), at(4, "c"), at(3, "d"), at(5, "e")];
const messages = (records: readonly LogRecord[]) => records.map(({ message }) => message).join("");

describe("the records of a log that are asked for", () => {
  it("are the last ones, newest last", () => {
    assert.equal(messages(selectRecords(RECORDS, { limit: 2 })), "de");
    assert.equal(messages(selectRecords(RECORDS, { limit: 100 })), "abcde");
  });

  it("are the first ones from a time on, whatever zone it is told in", () => {
    assert.equal(messages(selectRecords(RECORDS, { limit: 2, since: "2026-11-28T20:00:02Z" })), "bc");
    assert.equal(messages(selectRecords(RECORDS, { limit: 9, since: "2026-11-28T21:00:04+01:00" })), "ce");
  });

  it("are those after one that was told, none left out and none twice", () => {
    const told: LogRecord[] = [];
    for (let after = undefined; told.length < RECORDS.length; after = tellApart(told.at(-1) as LogRecord)) {
      const page = selectRecords(
        RECORDS,
        after === undefined ? { limit: 1, since: "2026-11-28T20:00:00Z" } : { limit: 1, after },
      );
      assert.equal(page.length, 1);
      told.push(...page);
    }
    assert.equal(messages(told), "abcde");
    assert.deepEqual(selectRecords(RECORDS, { limit: 1, after: tellApart(at(5, "e")) }), []);
  });

  it("are what there is after it, where the log does not have it any more", () => {
    assert.equal(messages(selectRecords(RECORDS, { limit: 9, after: tellApart(at(4, "gone")) })), "ce");
  });
});
