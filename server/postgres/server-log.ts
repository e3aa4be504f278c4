import { statSync } from "node:fs";
import { open, rename, rm, truncate } from "node:fs/promises";

/**
 * What a server writes to its log, which any role can make long (`RAISE LOG`): it is kept short while the server runs.
 * The server appends, so its file is emptied and not replaced.
 */
export const LOG_LIMIT_BYTES = 1024 * 1024;

/** What went before the present file, once. */
const formerOf = (logFile: string) => `${logFile}.1`;

/** How often the last part is taken anew because more has come: a flood would never let it end. */
const MOST_TAKES = 5;

/**
 * Empties a log that has grown too long. The last part of it is kept beside it; what comes between the last look at it and
 * the emptying, a fraction of a millisecond, is lost, and in a flood more.
 */
export async function trimLog(logFile: string): Promise<void> {
  let size = sizeOf(logFile);
  if (size <= LOG_LIMIT_BYTES) return;
  const aside = `${formerOf(logFile)}.new`;
  for (let take = 0, taken = -1; take < MOST_TAKES && taken !== size; take++) {
    taken = size;
    await writeAnew(aside, await readEnd(logFile));
    size = sizeOf(logFile);
  }
  await rename(aside, formerOf(logFile));
  await truncate(logFile, 0);
}

async function writeAnew(path: string, text: Buffer): Promise<void> {
  await rm(path, { force: true });
  // "wx" never follows a link.
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

/** All that is kept, oldest first; of lines that the limit has cut only whole ones. Empty where there is no log. */
export async function readLog(logFile: string): Promise<string> {
  const parts = await Promise.all([readEnd(formerOf(logFile)), readEnd(logFile)]);
  return Buffer.concat(parts).toString("utf8");
}

async function readEnd(path: string): Promise<Buffer> {
  const size = sizeOf(path);
  if (size === 0) return Buffer.alloc(0);
  const file = await open(path, "r");
  try {
    const length = Math.min(size, LOG_LIMIT_BYTES);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const read = buffer.subarray(0, bytesRead);
    return size > length ? read.subarray(read.indexOf("\n") + 1) : read;
  } finally {
    await file.close();
  }
}

/** Asked in line: of hundreds of logs four times a second, a thread for each question costs ten times as much as the answer. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

export interface LogLine {
  /** RFC 3339. */
  readonly timestamp: string;
  readonly pid: number;
  /** As PostgreSQL names it: `LOG`, `ERROR`, … */
  readonly severity: string;
  readonly message: string;
}

/** `log_line_prefix` as it is by default, in GMT; further lines of a message begin with a tab, so none can pass for another. */
const HEAD = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) (?:GMT|UTC) \[(\d+)\] ([A-Z]+\d?): {2}(.*)$/;

/** The lines of a log, those that belong together as one; what comes before the first of them is left out. */
export function parseLog(text: string): LogLine[] {
  const lines: { timestamp: string; pid: number; severity: string; message: string }[] = [];
  for (const line of text.split("\n")) {
    const head = HEAD.exec(line);
    const last = lines.at(-1);
    if (head) {
      const [, date, time, pid, severity = "", message = ""] = head;
      lines.push({ timestamp: `${date}T${time}Z`, pid: Number(pid), severity, message });
    } else if (last && line !== "") last.message += `\n${line.replace(/^\t/, "")}`;
  }
  return lines;
}
