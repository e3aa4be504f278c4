import { createHash } from "node:crypto";
import type { LogRecord } from "../../compute/driver.ts";
import type { LogQuestion, ToldRecord } from "../../db/schema.ts";

export function tellApart({ timestamp, pid, severity, message }: LogRecord): ToldRecord {
  const text = JSON.stringify([timestamp, pid, severity, message]);
  return { timestamp, digest: createHash("sha256").update(text).digest("base64url").slice(0, 16) };
}

/**
 * The last records, or the first of those that come after something. That is found by what it is and not by its time:
 * processes that write at the same moment do not do so in the order of their clocks.
 */
export function selectRecords(records: readonly LogRecord[], { limit, since, after }: LogQuestion): LogRecord[] {
  if (after !== undefined) {
    const at = records.findLastIndex((record) => {
      return record.timestamp === after.timestamp && tellApart(record).digest === after.digest;
    });
    // It has gone with the beginning of the log, or the compute's folder has.
    const rest = at < 0 ? from(records, after.timestamp) : records.slice(at + 1);
    return rest.slice(0, limit);
  }
  return since === undefined ? records.slice(-limit) : from(records, since).slice(0, limit);
}

function from(records: readonly LogRecord[], since: string): readonly LogRecord[] {
  return records.filter(({ timestamp }) => Date.parse(timestamp) >= Date.parse(since));
}
