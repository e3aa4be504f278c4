import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { after, before, suite, test } from "node:test";
import type pg from "pg";
import { newToken } from "../../server/keys/token.ts";
import { connectToMetadata } from "../harness/metadata.ts";
import { startServer, type TestServer, waitFor } from "../harness/server.ts";
import { createPersonalKey } from "../harness/world.ts";

const TOKENS = 100_000;
const CONNECTIONS = 48;
/** What a garbage collector may leave lying about; a hundred thousand tokens that were kept would be far more. */
const MEMORY_TOLERANCE_MB = 48;
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
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

  before(async () => {
    // A line for each refusal would measure the log.
    server = await startServer(undefined, { LATCHKEY_LOG_LEVEL: "error" });
    key = (await createPersonalKey(server, (await server.setup()).api_key)).key;
    metadata = await connectToMetadata(server.data_dir);
  });
  after(async () => {
    agent.destroy();
    await metadata?.end();
    await server?.close();
  });

  function statusOf(token: string): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const options = { port: server.port, path: "/api/v2/auth", agent, headers: { authorization: `Bearer ${token}` } };
      request(options, (response) => response.resume().on("end", () => resolve(response.statusCode)))
        .on("error", reject)
        .end();
    });
  }

  async function sendJunk(count: number): Promise<void> {
    let left = count;
    const sendSome = async () => {
      while (left-- > 0) {
        const status = await statusOf(junkToken());
        if (status !== 401) throw new Error(`a junk token was answered ${status}`);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, sendSome));
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

  async function memoryInMb(): Promise<number> {
    const status = await readFile(`/proc/${server.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
  }

  test(`${TOKENS} random tokens with a bad checksum cost no database query, and no memory`, async (t) => {
    await sendJunk(TOKENS / 5);
    const memory_mb = await memoryInMb();
    // The figures of PostgreSQL arrive up to a second late; what the set-up did must not be counted as ours.
    let scans = await lookups();
    await waitFor("the figures to stand still", async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const previous = scans;
      scans = await lookups();
      return scans === previous;
    });
    const asked = await metric("latchkey_key_lookups_total");
    const refused = await metric("latchkey_credentials_refused_total");

    const began = performance.now();
    await sendJunk(TOKENS);
    const seconds = (performance.now() - began) / 1000;

    assert.equal((await metric("latchkey_credentials_refused_total")) - refused, TOKENS);
    assert.equal((await metric("latchkey_key_lookups_total")) - asked, 0);
    const grown_mb = (await memoryInMb()) - memory_mb;
    assert.ok(grown_mb < MEMORY_TOLERANCE_MB, `the server grew by ${grown_mb.toFixed(1)} MB`);

    // That the figures tell anything is shown by requests that must be seen in them: a good key, and one that
    // is well formed but nobody's. Only these are in the count, so the junk is not.
    for (let i = 0; i < 5; i++) assert.equal(await statusOf(key), 200);
    for (let i = 0; i < 5; i++) assert.equal(await statusOf(newToken("user").token.reveal()), 401);
    assert.equal((await metric("latchkey_key_lookups_total")) - asked, 10);
    await waitFor("the figures to arrive", async () => (await lookups()) >= scans + 10);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const counted = (await lookups()) - scans;
    // Ten look-ups, and the batch that writes the last use down.
    assert.ok(counted <= 20, `${counted} looks into the tables for 10 requests`);
    t.diagnostic(
      `${Math.round(TOKENS / seconds)} refusals a second, memory ${memory_mb.toFixed(0)} MB ${grown_mb >= 0 ? "+" : ""}${grown_mb.toFixed(1)} MB`,
    );
  });
});
