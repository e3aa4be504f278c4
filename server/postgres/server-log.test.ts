import assert from "node:assert/strict";
import { appendFile, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LOG_LIMIT_BYTES, parseLog, readLog, trimLog } from "./server-log.ts";

test("a log that a server goes on appending to stays short, and its end can be read", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "latchkey-log-"));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "log");
  assert.equal(await readLog(path), "");
  const server = await open(path, "a");
  t.after(() => server.close());
  for (let i = 0; i < 8; i++) {
    await server.write(`first of ${i}\n${"x".repeat(LOG_LIMIT_BYTES / 2)}\nlast of ${i}\n`);
    await trimLog(path);
  }
  assert.ok((await stat(path)).size <= LOG_LIMIT_BYTES);
  assert.ok((await stat(`${path}.1`)).size <= LOG_LIMIT_BYTES);
  assert.deepEqual((await readdir(directory)).sort(), ["log", "log.1"]);
  await appendFile(path, "the end\n");
  const read = await readLog(path);
  assert.match(read, /last of 7\n(.*\n)?the end\n$/);
  assert.ok(read.length <= 2 * LOG_LIMIT_BYTES);
});

test("lines of a message belong together, and no message can pass for another line", () => {
  const forged = "2026-01-01 00:00:00.000 GMT [1] FATAL:  forged";
  const text = `cut off
2026-11-28 20:00:00.123 GMT [42] LOG:  one
\ttwo
\t${forged}
2026-11-28 20:00:00.124 GMT [43] ERROR:  relation "x" does not exist
`;
  assert.deepEqual(parseLog(text), [
    { timestamp: "2026-11-28T20:00:00.123Z", pid: 42, severity: "LOG", message: `one\ntwo\n${forged}` },
    { timestamp: "2026-11-28T20:00:00.124Z", pid: 43, severity: "ERROR", message: 'relation "x" does not exist' },
  ]);
});
