import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import test, { type TestContext } from "node:test";
import { listApiKeys } from "@latchkey/contract/api-keys.ts";
import { ConnectionError, createClient } from "@latchkey/sdk";
import { fetchOverHttp } from "./fetch-over-http.ts";

async function clientOf(t: TestContext, listener: RequestListener, timeout_ms = 5_000) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const base_url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  return createClient({ base_url, fetch: fetchOverHttp, retries: 0, timeout_ms });
}

test("text of more bytes than characters goes out and comes back whole", async (t) => {
  const client = await clientOf(t, (request, response) => {
    response.setHeader("x-length", request.headers["content-length"] ?? "");
    request.pipe(response.writeHead(200, { "content-type": "application/json" }));
  });
  const answer = await client.request({ method: "POST", path: "/x", body: { name: "日本 🗝" } });
  assert.deepEqual(JSON.parse(answer.text), { name: "日本 🗝" });
  assert.equal(answer.headers.get("X-Length"), String(Buffer.byteLength(answer.text)));
});

test("a redirect is not followed", async (t) => {
  const paths: (string | undefined)[] = [];
  const client = await clientOf(t, (request, response) => {
    paths.push(request.url);
    response.writeHead(302, { location: "/elsewhere" }).end();
  });
  await assert.rejects(client.call(listApiKeys), { code: "REDIRECTED" });
  assert.equal(paths.length, 1);
});

test("an answer that breaks off, falls silent or never comes is a lost connection", async (t) => {
  const broken = await clientOf(t, (_, response) => {
    response.writeHead(200, { "content-length": "100" }).write("[");
    setImmediate(() => response.destroy());
  });
  await assert.rejects(broken.call(listApiKeys), ConnectionError);
  const silent = await clientOf(t, (_, response) => response.writeHead(200).write("["), 100);
  await assert.rejects(silent.call(listApiKeys), /no answer within 0.1 s/);
  const absent = createClient({ base_url: "http://127.0.0.1:1", fetch: fetchOverHttp, retries: 0 });
  await assert.rejects(absent.call(listApiKeys), /cannot reach http:\/\/127\.0\.0\.1:1: connect ECONNREFUSED/);
});

test("an abort ends a request with its own reason", async (t) => {
  const client = await clientOf(t, () => {});
  const abort = new AbortController();
  const reason = new Error("enough");
  setTimeout(() => abort.abort(reason), 30);
  await assert.rejects(client.call(listApiKeys, { signal: abort.signal }), reason);
});
