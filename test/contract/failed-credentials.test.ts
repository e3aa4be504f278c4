import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { newToken } from "../../server/keys/token.ts";
import { logIn } from "../harness/oauth.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { setupTokenOf, signUp } from "../harness/world.ts";
import { HttpConnection } from "../revocation/http-client.ts";

const FLOODING = 48;
const KEYS = 12;
/** At most: one a turn for those at the limit, one for each of the ten a second that are below it, and as many again. */
const QUERIES_PER_SECOND = 30;

/** Well formed to the eye, and told from a token by its checksum. */
const junk = () => `${newToken("org").token.reveal().slice(0, -6)}000000`;
const unknown = () => newToken("org").token.reveal();

suite("an address that presents bad credentials", () => {
  let server: TestServer;
  let cookie: string;
  let remembered: string;
  before(async () => {
    server = await startServer(undefined, { LATCHKEY_LOG_LEVEL: "warn" });
    ({ cookie, key: remembered } = await signUp(server, "Ada", { setup_token: setupTokenOf(server) }));
    await server.expect(200, "GET", "/auth", { key: remembered });
  });
  after(() => server?.close());

  const verify = (key: string) => server.call<{ code: string }>("GET", "/auth", { key });

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "m").exec(text)?.[1]);
  }

  test("is refused with 429 and Retry-After after a hundred, while a key that is remembered passes from there", async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => verify(i % 2 === 0 ? junk() : unknown())));
    const limited = answers.filter(({ status }) => status === 429);
    const refused = answers.filter(({ status }) => status === 401);
    assert.equal(limited.length + refused.length, answers.length);
    assert.ok(refused.length >= 100 && limited.length > 0, `${refused.length} refused, ${limited.length} limited`);
    for (const { headers, body } of limited) {
      assert.ok(Number(headers.get("retry-after")) >= 1);
      assert.equal(body.code, "RATE_LIMITED");
    }
    assert.equal((await verify(remembered)).status, 200);
    assert.ok((await metric("latchkey_rate_limited_total")) >= limited.length);
  });

  test("does not keep others behind it out whose key is not remembered, nor logins, and costs few queries", async (t) => {
    const fresh: string[] = [];
    for (let i = 0; i < KEYS; i++) {
      const body = { key_name: `never used ${i}` };
      fresh.push((await server.expect<{ key: string }>(200, "POST", "/api_keys", { cookie, body })).key);
    }
    const login = (await logIn(server, cookie)).access_token;

    const over = new AbortController();
    const statuses = new Map<number, number>();
    const connections: HttpConnection[] = [];
    const flood = async (bad: () => string) => {
      const connection = new HttpConnection(server.port);
      connections.push(connection);
      while (!over.signal.aborted) {
        const status = await connection.get("/api/v2/auth", bad());
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const count = (status: number) => statuses.get(status) ?? 0;
    const flooding = Array.from({ length: FLOODING }, (_, i) => flood(i % 3 === 0 ? junk : unknown));
    while (count(429) < FLOODING) assert.notEqual((await verify(remembered)).status, 429);

    const began_ms = performance.now();
    const queries_before = await metric("latchkey_key_lookup_queries_total");
    const limited_before = count(429);
    const took: number[] = [];
    for (const key of [...fresh, login]) {
      const sent_ms = performance.now();
      assert.equal((await verify(key)).status, 200);
      took.push(performance.now() - sent_ms);
    }
    const queries = (await metric("latchkey_key_lookup_queries_total")) - queries_before;
    const seconds = (performance.now() - began_ms) / 1_000;
    assert.ok(count(429) > limited_before, "the flood has gone on all the while");
    over.abort();
    await Promise.all(flooding);
    for (const connection of connections) connection.close();

    took.sort((a, b) => a - b);
    const median_ms = took[Math.floor(took.length / 2)] ?? Number.NaN;
    t.diagnostic(
      `${count(401)} refused, ${count(429)} limited; good ones answered in ${median_ms.toFixed(0)} ms, ` +
        `${took.at(-1)?.toFixed(0)} ms at most; ${queries} queries in ${seconds.toFixed(1)} s`,
    );
    assert.ok(median_ms < 2_000);
    assert.ok(queries <= QUERIES_PER_SECOND * (seconds + 1), `${queries} queries in ${seconds.toFixed(1)} s`);
    assert.deepEqual([...statuses.keys()].filter((status) => status !== 401 && status !== 429).sort(), []);
  });
});
