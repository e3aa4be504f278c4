import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer } from "../harness/server.ts";

test("beyond the limit a key gets 429 with Retry-After in Neon's error body, and /metrics counts it", async (t) => {
  const server = await startServer(t, { LATCHKEY_RATE_LIMITS: "per_second=3" });
  const { api_key: key } = await server.setup();
  const answers = await Promise.all(Array.from({ length: 6 }, () => server.call("GET", "/api_keys", { key })));
  const refused = answers.filter(({ status }) => status === 429);
  assert.ok(refused.length >= 2, answers.map(({ status }) => status).join(" "));
  assert.ok(answers.some(({ status }) => status === 200));
  for (const { body, headers } of refused) {
    assert.ok(Number(headers.get("retry-after")) >= 1);
    assert.equal((body as { code: string }).code, "RATE_LIMITED");
  }
  await server.expect(200, "GET", "/auth", { key });
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, new RegExp(`^latchkey_rate_limited_total\\{limit="burst"\\} ${refused.length}$`, "m"));
});
