import assert from "node:assert/strict";
import { test } from "node:test";
import { isAlive } from "../harness/processes.ts";
import { type RawAnswer, sendRaw } from "../harness/raw-http.ts";
import { startServer, type TestServer, waitFor } from "../harness/server.ts";

/** Longer than the workers are given to tell their figures. */
const ANSWERED_WITHIN_MS = 20_000;

async function pidsOf(server: TestServer): Promise<number[]> {
  const { nodes } = (await (await fetch(`${server.url}/nodes`)).json()) as { nodes: { pid: number }[] };
  return nodes.map(({ pid }) => pid);
}

/** On a connection of its own; undefined where a worker that stands still has taken it. */
const readMetrics = (server: TestServer): Promise<RawAnswer | undefined> =>
  sendRaw(server.port, "GET /metrics HTTP/1.1\r\nhost: latchkey\r\nconnection: close\r\n\r\n", ANSWERED_WITHIN_MS);

test("with a worker that stands still /metrics is refused in time, everything else goes on, and it is back with the worker", async (t) => {
  const server = await startServer(t, { LATCHKEY_WORKERS: "2", LATCHKEY_LOG_LEVEL: "warn" });
  const { api_key: key } = await server.setup();
  const [frozen = Number.NaN] = await pidsOf(server);
  process.kill(frozen, "SIGSTOP");
  t.after(() => isAlive(frozen) && process.kill(frozen, "SIGCONT"));

  // Of two new connections it gets one at most: it is given no other before it has taken that.
  const began_ms = performance.now();
  const both = [readMetrics(server), readMetrics(server)];
  const first = await Promise.race(both);
  assert.equal(first?.status, 503, first?.body);
  assert.equal((JSON.parse(first?.body ?? "") as { code: string }).code, "UNAVAILABLE");
  assert.match(first?.body ?? "", /worker/);
  assert.ok(Number(first?.headers["retry-after"]) >= 1);
  assert.ok(performance.now() - began_ms < ANSWERED_WITHIN_MS);
  assert.ok(isAlive(server.pid), server.output);
  const verify = `GET /api/v2/auth HTTP/1.1\r\nhost: latchkey\r\nauthorization: Bearer ${key}\r\nconnection: close\r\n\r\n`;
  const answers = await Promise.all([1, 2, 3].map(() => sendRaw(server.port, verify)));
  assert.ok(answers.filter((answer) => answer?.status === 200).length >= 2);

  process.kill(frozen, "SIGCONT");
  await Promise.all(both);
  await waitFor("the figures of all", async () => (await readMetrics(server))?.status === 200);
  assert.ok((await pidsOf(server)).includes(frozen));
  assert.equal(await server.stop(), 0);
});

test("a worker that is killed while it is asked for its figures ends neither the server nor the answer", async (t) => {
  const server = await startServer(t, { LATCHKEY_WORKERS: "2", LATCHKEY_LOG_LEVEL: "warn" });
  const pids = await pidsOf(server);
  const [doomed = Number.NaN] = pids;
  const asked = Array.from({ length: 8 }, () => readMetrics(server));
  process.kill(doomed, "SIGKILL");
  // The primary has not noticed yet.
  const asked_after = Array.from({ length: 8 }, () => readMetrics(server));
  for (const answer of await Promise.all([...asked, ...asked_after])) {
    // Without an answer: it was that worker's own.
    assert.ok(answer === undefined || answer.status === 200 || answer.status === 503, answer?.body);
  }
  assert.ok(isAlive(server.pid), server.output);
  await waitFor("another worker", async () => (await pidsOf(server)).some((pid) => !pids.includes(pid)));
  await waitFor("the figures of both", async () => (await readMetrics(server))?.status === 200);
  assert.equal(await server.stop(), 0);
});
