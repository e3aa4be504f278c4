import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, suite, test } from "node:test";
import type pg from "pg";
import { newToken } from "../../server/keys/token.ts";
import { connectToMetadata } from "../harness/metadata.ts";
import { startServer, type TestServer, waitFor } from "../harness/server.ts";
import { createPersonalKey, fromElsewhere } from "../harness/world.ts";

/** Sent while one look at the memory is taken. */
const LOOK = 20_000;
const CONNECTIONS = 8;
const BATCH = 50;
/** Between the two looks; as many tokens or addresses that were kept would take twice the tolerance at the least. */
const BETWEEN = 180_000;
const MEMORY_TOLERANCE_MB = 8;
const TOKENS = BETWEEN + 2 * LOOK;
const PREFIXES = ["lk_user_", "lk_org_", "lk_proj_", "lk_at_", "lk_rt_"];
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Of the right length and letters; the chance of a right checksum is one in four thousand million. */
function junkToken(): string {
  let token = PREFIXES[Math.floor(Math.random() * PREFIXES.length)] ?? "";
  for (let i = 0; i < 49; i++) token += ALPHABET[Math.floor(Math.random() * 62)];
  return token;
}

suite("junk tokens", () => {
  let server: TestServer;
  let metadata: pg.Client;
  let key: string;

  before(async () => {
    // A line for each refusal would measure the log.
    server = await startServer(undefined, {
      LATCHKEY_LOG_LEVEL: "error",
      LATCHKEY_TRUST_PROXY: "1",
      // Little room, so that garbage is collected often and the heap that is left can be seen.
      NODE_OPTIONS: "--max-semi-space-size=2 --max-old-space-size=96",
    });
    key = (await createPersonalKey(server, (await server.setup()).api_key)).key;
    metadata = await connectToMetadata(server.data_dir);
  });
  after(async () => {
    await metadata?.end();
    await server?.close();
  });

  const statusOf = async (token: string) =>
    (await fetch(`${server.api}/auth`, { headers: { authorization: `Bearer ${token}`, ...fromElsewhere() } })).status;

  function requestWith(token: string): string {
    const address = fromElsewhere()["x-forwarded-for"];
    return `GET /api/v2/auth HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ${address}\r\nAuthorization: Bearer ${token}\r\n\r\n`;
  }

  /** Sends requests over one connection, a batch at a time, and counts the refusals; any other answer throws. */
  async function sendOverOneConnection(count: number): Promise<void> {
    const socket = connect(server.port, "127.0.0.1");
    await once(socket, "connect");
    socket.setEncoding("latin1");
    let refused = 0;
    let rest = "";
    let asked = 0;
    const sendBatch = () => {
      const batch = Math.min(BATCH, count - asked);
      asked += batch;
      socket.write(Array.from({ length: batch }, () => requestWith(junkToken())).join(""));
    };
    sendBatch();
    for await (const chunk of socket) {
      const text: string = rest + chunk;
      const answers = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)];
      for (const [, status] of answers) assert.equal(status, "401");
      refused += answers.length;
      // A status line may be cut in two; what has been counted must not be counted again.
      rest = text.slice(Math.max((answers.at(-1)?.index ?? -13) + 13, text.length - 12));
      if (refused === count) break;
      if (refused === asked) sendBatch();
    }
    socket.destroy();
    assert.equal(refused, count, "the server hung up");
  }

  async function sendJunk(count: number): Promise<void> {
    await Promise.all(Array.from({ length: CONNECTIONS }, () => sendOverOneConnection(count / CONNECTIONS)));
  }

  /** How often anything has been looked up in the tables that credentials are in. */
  async function lookups(): Promise<number> {
    const { rows } = await metadata.query<{ scans: string }>(
      `select sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0)) as scans
       from pg_stat_user_tables where relname in ('api_keys', 'sessions', 'users')`,
    );
    return Number(rows[0]?.scans);
  }

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"))].map(([, value]) =>
      Number(value),
    );
    return values.reduce((sum, value) => sum + value, 0);
  }

  /** The heap that is in use, at its lowest of some moments: what a garbage collection does not get back. */
  async function leastMemoryInMb(during: Promise<void>): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    let running = true;
    const stop = () => {
      running = false;
    };
    during.then(stop, stop);
    while (running) {
      least = Math.min(least, (await metric("nodejs_heap_size_used_bytes")) / 2 ** 20);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await during;
    return least;
  }

  test(`${TOKENS} random tokens with a bad checksum cost no database query, and no memory`, async (t) => {
    await sendJunk(LOOK);
    // The figures of PostgreSQL arrive up to a second late; what the set-up did must not be counted as ours.
    let scans = await lookups();
    await waitFor("the figures to stand still", async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const previous = scans;
      scans = await lookups();
      return scans === previous;
    });
    const asked = await metric("latchkey_key_lookups_total");
    const refused =
      (await metric("latchkey_credentials_refused_total")) + (await metric("latchkey_rate_limited_total"));

    const began = performance.now();
    const first_mb = await leastMemoryInMb(sendJunk(LOOK));
    await sendJunk(BETWEEN);
    const last_mb = await leastMemoryInMb(sendJunk(LOOK));
    const seconds = (performance.now() - began) / 1000;

    const told = (await metric("latchkey_credentials_refused_total")) + (await metric("latchkey_rate_limited_total"));
    assert.equal(told - refused, TOKENS);
    assert.equal((await metric("latchkey_key_lookups_total")) - asked, 0);
    const change = `from ${first_mb.toFixed(1)} to ${last_mb.toFixed(1)} MB`;
    assert.ok(last_mb - first_mb < MEMORY_TOLERANCE_MB, `the heap grew ${change}`);

    // That the figures tell anything is shown by requests that must be seen in them: tokens that are well formed
    // and nobody's. Only these are in the count, so the junk is not.
    for (let i = 0; i < 10; i++) assert.equal(await statusOf(newToken("user").token.reveal()), 401);
    assert.equal((await metric("latchkey_key_lookups_total")) - asked, 10);
    await waitFor("the figures to arrive", async () => (await lookups()) >= scans + 10);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    // Exact is our own count above. PostgreSQL's also holds what jobs look up by the clock (13 scans in 35 s were
    // seen), so here the bound is one look-up for a thousand tokens: what a hole in the checks would exceed at once.
    const seen = (await lookups()) - scans;
    assert.ok(seen < 10 + TOKENS / 1000, `PostgreSQL counted ${seen} look-ups`);
    assert.equal(await statusOf(key), 200);
    t.diagnostic(`${Math.round(TOKENS / seconds)} refusals a second, heap ${change}`);
  });
});
