import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { contracts, OPEN_OPERATIONS, SESSION_OPERATIONS } from "../harness/contracts.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const METRICS_TOKEN = "metrics-token-of-the-test";

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly schema: object;
}

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly content: Record<string, { schema: object }> };
  readonly responses: Record<string, { $ref?: string; content?: Record<string, { schema: object }> }>;
  readonly security?: readonly object[];
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly servers: readonly { readonly url: string }[];
  readonly security: readonly object[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly securitySchemes: Record<string, Record<string, unknown>> };
}

interface OAuthScheme {
  readonly flows: { readonly authorizationCode: Record<string, unknown> & { readonly scopes: Record<string, string> } };
}

suite("what machines ask of the server", () => {
  let server: TestServer;
  before(async () => {
    server = await startServer(undefined, { LATCHKEY_METRICS_TOKEN: METRICS_TOKEN });
  });
  after(() => server?.close());

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(server.url + path, { headers, redirect: "manual" });

  test("/healthz and /readyz answer without a credential", async () => {
    assert.deepEqual(await (await get("/healthz")).json(), { status: "ok" });
    assert.deepEqual(await (await get("/readyz")).json(), { status: "ready" });
  });

  test("/metrics is for this machine, in Prometheus' format", async () => {
    const response = await get("/metrics");
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    for (const name of [
      "latchkey_http_request_duration_seconds_count",
      "latchkey_key_lookups_total",
      "process_cpu_seconds_total",
    ]) {
      assert.match(text, new RegExp(`^${name}`, "m"));
    }
  });

  test("a request for /metrics that came through a proxy is not from this machine, and needs the token", async () => {
    for (const header of ["x-forwarded-for", "x-real-ip", "forwarded", "via"]) {
      const value = header === "forwarded" ? "for=203.0.113.9" : "203.0.113.9";
      assert.equal((await get("/metrics", { [header]: value })).status, 401, header);
      const authorization = `Bearer ${METRICS_TOKEN}`;
      assert.equal((await get("/metrics", { [header]: value, authorization })).status, 200, header);
    }
    for (const token of ["wrong", `${METRICS_TOKEN}x`, METRICS_TOKEN.slice(0, -1)]) {
      assert.equal((await get("/metrics", { "x-forwarded-for": "::1", authorization: `Bearer ${token}` })).status, 401);
    }
  });

  test("/nodes is told where /metrics is, and nowhere else", async () => {
    const authorization = `Bearer ${METRICS_TOKEN}`;
    const here = (await (await get("/nodes")).json()) as { nodes: object[]; data_nodes: object[] };
    assert.deepEqual([here.nodes.length, here.data_nodes.length], [1, 1]);
    for (const header of ["x-forwarded-for", "x-real-ip", "forwarded", "via"]) {
      const proxied = { [header]: header === "forwarded" ? "for=203.0.113.9" : "203.0.113.9" };
      const refused = await get("/nodes", proxied);
      assert.equal(refused.status, 401, header);
      assert.ok(!(await refused.text()).includes("pid"), header);
      assert.equal((await get("/nodes", { ...proxied, authorization })).status, 200, header);
    }
    const { api_key } = await server.setup();
    for (const token of ["wrong", `${METRICS_TOKEN}x`, METRICS_TOKEN.slice(0, -1), api_key]) {
      // A wrong token is not forgiven to this machine either.
      assert.equal((await get("/nodes", { authorization: `Bearer ${token}` })).status, 401);
      assert.equal((await get("/nodes", { "x-forwarded-for": "::1", authorization: `Bearer ${token}` })).status, 401);
    }
  });

  test("metrics name routes and kinds, never ids", async () => {
    const { api_key, org_id } = await server.setup();
    await server.expect(200, "GET", `/organizations/${org_id}`, { key: api_key });
    await get("/api/v2/no/such/path/at-all");
    const text = await (await get("/metrics")).text();
    assert.match(text, /route="\/api\/v2\/organizations\/:org_id"/);
    assert.ok(!text.includes(org_id) && !text.includes("at-all"));
  });

  test("/openapi.json is a sound OpenAPI 3.1 document that holds every route, and says which are open", async () => {
    const document = (await (await get("/openapi.json")).json()) as Document;
    assert.match(document.openapi, /^3\.1\.\d+$/);
    assert.ok(document.info.title && document.info.version);
    assert.deepEqual(
      document.servers.map(({ url }) => url),
      [server.api],
    );
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
    );
    assert.deepEqual(
      operations.map(({ method, path, operation }) => `${operation.operationId} ${method} ${path}`).sort(),
      contracts.map(({ id, method, path }) => `${id} ${method} ${path}`).sort(),
    );
    const ids = operations.map(({ operation }) => operation.operationId);
    assert.equal(new Set(ids).size, ids.length, "an operationId is there twice");

    const ajv = formats.default(new Ajv2020({ strict: false }));
    for (const { path, operation } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const declared = operation.parameters.filter((parameter) => parameter.in === "path");
      assert.deepEqual(declared.map(({ name }) => name).sort(), inPath.sort(), operation.operationId);
      assert.ok(declared.every(({ required }) => required));
      const bodies = [operation.requestBody, ...Object.values(operation.responses)];
      for (const schema of bodies.flatMap((body) => Object.values(body?.content ?? {}).map((media) => media.schema))) {
        ajv.compile(schema);
      }
      for (const { schema } of operation.parameters) ajv.compile(schema);
      assert.ok(operation.responses.default, `${operation.operationId} says nothing of errors`);
      const open = OPEN_OPERATIONS.has(operation.operationId);
      assert.equal(operation.security?.length === 0, open, `${operation.operationId}: security`);
    }
    for (const reference of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      let target: unknown = document;
      for (const part of reference[1]?.split("/") ?? [])
        target = (target as Record<string, unknown> | undefined)?.[part];
      assert.ok(target, reference[0]);
    }
  });

  test("/openapi.json says how to sign each request: with a key, a login or a session, and how a login is got", async () => {
    const document = (await (await get("/openapi.json")).json()) as Document;
    const { ApiKey, OAuth, Session, ...others } = document.components.securitySchemes;
    assert.deepEqual([ApiKey?.type, ApiKey?.scheme], ["http", "bearer"]);
    assert.deepEqual([Session?.type, Session?.in], ["apiKey", "cookie"]);
    assert.deepEqual([OAuth?.type, others], ["oauth2", {}]);
    assert.deepEqual(document.security, [{ ApiKey: [] }, { OAuth: [] }, { Session: [] }]);

    const { authorizationCode, ...other_flows } = (OAuth as unknown as OAuthScheme).flows;
    assert.deepEqual(other_flows, {});
    const metadata = (await (await get("/.well-known/oauth-authorization-server")).json()) as Record<string, unknown>;
    assert.equal(authorizationCode.authorizationUrl, metadata.authorization_endpoint);
    assert.equal(authorizationCode.tokenUrl, metadata.token_endpoint);
    assert.equal(authorizationCode.refreshUrl, metadata.token_endpoint);
    assert.deepEqual(Object.keys(authorizationCode.scopes), metadata.scopes_supported);

    for (const operation of Object.values(document.paths).flatMap((item) => Object.values(item))) {
      const expected = OPEN_OPERATIONS.has(operation.operationId)
        ? []
        : SESSION_OPERATIONS.has(operation.operationId)
          ? [{ Session: [] }]
          : undefined;
      assert.deepEqual(operation.security, expected, operation.operationId);
    }
  });

  test("/docs works offline: nothing in it comes from elsewhere, and nothing inline runs", async () => {
    const page = await get("/docs");
    const html = await page.text();
    assert.equal(page.status, 200);
    const policy = page.headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'self'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.ok(!/unsafe-inline|unsafe-eval|https?:|\*/.test(policy), policy);
    assert.equal(page.headers.get("referrer-policy"), "no-referrer");

    assert.ok(!/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/.test(html), "something inline");
    const references = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url ?? "");
    assert.ok(references.length >= 3);
    for (const reference of references) {
      const url = new URL(reference, page.url);
      assert.equal(url.origin, server.url, reference);
      const asset = await fetch(url);
      const text = await asset.text();
      assert.equal(asset.status, 200, reference);
      if (reference.endsWith(".js")) assert.match(asset.headers.get("content-type") ?? "", /javascript/);
      if (reference.endsWith(".css")) {
        assert.ok(!/url\(['"]?https?:|@import/.test(text), `${reference} loads from elsewhere`);
      }
    }
    for (const path of ["/docs/assets/package.json", "/docs/assets/../package.json", "/docs/..%2f..%2fmain.ts"]) {
      assert.equal((await get(path)).status, 404, path);
    }
  });
});
