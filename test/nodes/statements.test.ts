import assert from "node:assert/strict";
import { test } from "node:test";
import { ExternalDatabase } from "../harness/external-database.ts";
import { startServer, waitFor } from "../harness/server.ts";
import { HttpConnection } from "../revocation/http-client.ts";

const VERIFICATIONS = 10_000;
const CONNECTIONS = 8;
/** What the lease, the last uses and the jobs send, together, and twice as much. */
const STATEMENTS_PER_SECOND = 60;

test("verifying a remembered key sends the database nothing: what it sees goes by the time and not by the requests", async (t) => {
  const database = await ExternalDatabase.make({
    shared_preload_libraries: "pg_stat_statements",
    "pg_stat_statements.track": "all",
  });
  t.after(() => database.close());
  await database.query("create extension pg_stat_statements");
  const server = await startServer(t, { DATABASE_URL: database.url, LATCHKEY_LOG_LEVEL: "warn" });
  const { api_key: key } = await server.setup();
  await waitFor("the key to be remembered", async () => {
    await server.expect(200, "GET", "/auth", { key });
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return /^latchkey_key_cache_entries 1$/m.test(text);
  });

  const statements = async () =>
    await database.query<{ query: string; calls: number }>(
      `select sum(calls)::int as calls, query from pg_stat_statements
       where query !~* 'pg_stat_statements' and dbid = (select oid from pg_database where datname = 'latchkey')
       group by query order by calls desc`,
    );
  const callsOf = (seen: { query: string; calls: number }[], matches: RegExp) =>
    seen.filter(({ query }) => matches.test(query)).reduce((sum, { calls }) => sum + calls, 0);
  await server.expect(200, "GET", "/users/me", { key });
  assert.ok(callsOf(await statements(), /from users|"users"/i) > 0, "the figures show what a request sends");

  await database.query("select pg_stat_statements_reset()");
  const began_ms = performance.now();
  let left = VERIFICATIONS;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const connection = new HttpConnection(server.port);
      while (left-- > 0) assert.equal(await connection.get("/api/v2/auth", key), 200);
      connection.close();
    }),
  );
  const seconds = (performance.now() - began_ms) / 1_000;
  const seen = await statements();
  const told = seen.map(({ calls, query }) => `${calls} × ${query.replaceAll(/\s+/g, " ").slice(0, 70)}`).join("\n");

  assert.equal(callsOf(seen, /token_digest = asked\.digest/), 0, told);
  assert.ok(callsOf(seen, /insert into key_uses/) <= seconds + 2, told);
  const all = callsOf(seen, /./);
  assert.ok(all > 0, "the lease alone is renewed twice a second");
  assert.ok(all < STATEMENTS_PER_SECOND * (seconds + 1), `${all} statements in ${seconds.toFixed(1)} s:\n${told}`);
  assert.ok(all < VERIFICATIONS / 4, `${all} statements for ${VERIFICATIONS} verifications:\n${told}`);
  t.diagnostic(`${VERIFICATIONS} verifications in ${seconds.toFixed(1)} s: ${all} statements`);
});
