import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { contracts } from "../harness/contracts.ts";
import { connectToMetadata } from "../harness/metadata.ts";
import { sendRaw } from "../harness/raw-http.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { buildWorld, createProject, type World } from "../harness/world.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Routes whose answers hold a token, a password, a connection string or a session's cookie. */
const WITH_SECRETS = [
  "approveOAuthAuthorization",
  "createApiKey",
  "createOrgApiKey",
  "createOrganizationInvitations",
  "createProject",
  "createProjectBranch",
  "createProjectBranchRole",
  "getConnectionURI",
  "getProjectBranchRolePassword",
  "resetProjectBranchRolePassword",
  "signIn",
  "signUp",
];

interface ErrorBody {
  readonly request_id: string;
  readonly code: string;
  readonly message: string;
}

interface Page {
  readonly projects: { readonly id: string }[];
  readonly pagination?: { readonly cursor: string };
}

suite("API manners", () => {
  let server: TestServer;
  let world: World;
  let key: string;

  before(async () => {
    server = await startServer(undefined, { LATCHKEY_SIGN_UP: "open" });
    world = await buildWorld(server);
    key = world.admin.key;
  });
  after(() => server?.close());

  /** An answer of any path of the server, which must be Neon's error and nothing else. */
  async function expectError(status: number, response: Response): Promise<ErrorBody> {
    const text = await response.text();
    assert.equal(response.status, status, text);
    assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
    assert.equal(response.headers.get("cache-control"), "no-store");
    return assertErrorBody(text, response.headers.get("x-request-id"));
  }

  function assertErrorBody(text: string, request_id: string | null | undefined): ErrorBody {
    const body = JSON.parse(text) as ErrorBody;
    assert.deepEqual(Object.keys(body).sort(), ["code", "message", "request_id"]);
    assert.ok(body.message.length > 0 && !/\bat \/|node_modules|\.ts:\d/.test(body.message), body.message);
    assert.equal(body.request_id, request_id);
    return body;
  }

  const authorized = (headers: Record<string, string> = {}) => ({ authorization: `Bearer ${key}`, ...headers });

  test("an error is Neon's three fields, its request_id is the header's", async () => {
    const { body, headers } = await server.call<ErrorBody>("GET", "/projects", { key });
    assert.deepEqual(body, {
      request_id: headers.get("x-request-id"),
      code: "BAD_REQUEST",
      message: "org_id is required, you can find it on your organization settings page",
    });
  });

  test("X-Request-ID is echoed, in success and failure; one that could do harm is replaced", async () => {
    for (const given of ["abc-123", "a.b_c:d", "x".repeat(128)]) {
      for (const options of [{ key }, {}]) {
        const { headers, body, status } = await server.call<ErrorBody>("GET", "/users/me", {
          ...options,
          headers: { "x-request-id": given },
        });
        assert.equal(headers.get("x-request-id"), given);
        if (status >= 400) assert.equal(body.request_id, given);
      }
    }
    for (const hostile of [
      "",
      "a b",
      "<script>alert(1)</script>",
      "x".repeat(129),
      "a,b",
      'a"b',
      "é",
      "{{7*7}}",
      "../x",
    ]) {
      const { headers } = await server.call("GET", "/users/me", { headers: { "x-request-id": hostile } });
      assert.match(headers.get("x-request-id") ?? "", UUID, hostile);
    }
  });

  test("an unknown operation is 404 and says that it is not available, in the words Neon's CLI looks for", async () => {
    const { project_id } = world;
    for (const path of ["/nothing", `/projects/${project_id}/branches/br-a-b-c/buckets`, "/users/me/nothing"]) {
      for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH"]) {
        const { status, body } = await server.call<ErrorBody>(method, path, { key });
        assert.equal(status, 404, `${method} ${path}`);
        assert.match(body.message, /not available/);
      }
    }
  });

  test("a known path with another method is refused as JSON", async () => {
    for (const [method, path] of [
      ["PUT", "/projects"],
      ["PATCH", "/api_keys"],
      ["POST", "/users/me"],
      ["DELETE", "/projects"],
    ] as const) {
      const { status } = await server.call(method, path, { key });
      assert.ok(status === 404 || status === 405, `${method} ${path}: ${status}`);
    }
    for (const method of ["OPTIONS", "HEAD"]) {
      const response = await fetch(`${server.api}/projects`, { method, headers: authorized() });
      assert.ok([404, 405].includes(response.status), `${method}: ${response.status}`);
      assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
    }
  });

  test("outside of the API an unknown path is JSON too", async () => {
    for (const path of [
      "/nothing",
      "/api",
      "/api/v2",
      "/api/v1/projects",
      "/%2e%2e/etc/passwd",
      "/docs/../server.ts",
    ]) {
      await expectError(404, await fetch(server.url + path));
    }
    await expectError(400, await fetch(`${server.url}/%zz`));
    await expectError(400, await fetch(`${server.api}/projects/%E0%A4%A`, { headers: authorized() }));
  });

  test("a body that is no JSON is 400, one of another type 415, one too large 413, all of them JSON", async () => {
    const send = (body: string | Uint8Array<ArrayBuffer>, type = "application/json") =>
      fetch(`${server.api}/api_keys`, { method: "POST", headers: authorized({ "content-type": type }), body });
    for (const body of [
      "{",
      "[1,",
      "nul",
      '{"key_name":}',
      "'x'",
      '{"key_name":"a"}}',
      "\u0000",
      new Uint8Array([0xff, 0xfe]),
    ]) {
      await expectError(400, await send(body));
    }
    for (const poison of ['{"__proto__":{"x":1},"key_name":"a"}', '{"constructor":{"prototype":{}},"key_name":"a"}']) {
      await expectError(400, await send(poison));
    }
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/xml",
    ]) {
      await expectError(415, await send('{"key_name":"a"}', type));
    }
    await expectError(413, await send(JSON.stringify({ key_name: "x".repeat(1024 * 1024) })));
    for (const empty of ["", "null", "[]", '"text"', "7"]) await expectError(400, await send(empty));
  });

  test("bytes that are no HTTP are answered with JSON, and the server lives on", async () => {
    const head = "Host: x\r\n";
    const wrong: [what: string, bytes: string][] = [
      ["garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n"],
      ["no version", "GET /api/v2/auth\r\n\r\n"],
      ["a header without a colon", `GET /api/v2/auth HTTP/1.1\r\n${head}nonsense\r\n\r\n`],
      ["two lengths", `POST /api/v2/api_keys HTTP/1.1\r\n${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}`],
      [
        "a length and chunks",
        `POST /api/v2/api_keys HTTP/1.1\r\n${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ],
      ["a header of 64 KB", `GET /api/v2/auth HTTP/1.1\r\n${head}X-Long: ${"x".repeat(65536)}\r\n\r\n`],
      ["an unknown method", `BREW /api/v2/auth HTTP/1.1\r\n${head}\r\n`],
    ];
    for (const [what, bytes] of wrong) {
      const answer = await sendRaw(server.port, Buffer.from(bytes, "latin1"));
      assert.ok(answer, `${what}: no answer`);
      assert.ok(answer.status >= 400 && answer.status < 500, `${what}: ${answer.status}`);
      const body = JSON.parse(answer.body) as ErrorBody;
      assert.deepEqual(Object.keys(body).sort(), ["code", "message", "request_id"], what);
    }
    await server.expect(200, "GET", "/users/me", { key });
  });

  test("a path that no address could be made of is not found, and no failure of the server", async () => {
    const statusOf = async (target: string) =>
      (await sendRaw(server.port, `GET ${target} HTTP/1.1\r\nhost: x\r\n\r\n`))?.status ?? 0;
    for (const path of ["//", "//[", "//[?x=//"]) assert.equal(await statusOf(path), 404, path);
    for (const target of ["http://[/", "http://[/nowhere", "http://[/oauth2/authorize?client_id=x"]) {
      assert.ok((await statusOf(target)) < 500, target);
    }
    assert.ok(!server.output.includes('"event":"request.failed"'));
  });

  test("whether it is alive and ready can be asked by HEAD, too", async () => {
    for (const path of ["/healthz", "/readyz"]) {
      const { status } = await fetch(server.url + path, { method: "HEAD" });
      assert.equal(status, 200, path);
    }
  });

  test("no answer may be read by another site, and no change by session comes from one", async () => {
    const { cookie } = world.admin;
    const elsewhere = { origin: "https://evil.example" };
    const response = await fetch(`${server.api}/users/me`, { headers: authorized(elsewhere) });
    for (const [name] of response.headers) assert.ok(!name.startsWith("access-control-"), name);
    await response.text();
    const change = { cookie, body: { key_name: "from elsewhere" } };
    for (const headers of [elsewhere, { origin: "null" }]) {
      await server.expect(403, "POST", "/api_keys", { ...change, headers });
    }
    const cross = await fetch(`${server.api}/api_keys`, {
      method: "POST",
      headers: { cookie, "content-type": "application/json", "sec-fetch-site": "cross-site" },
      body: JSON.stringify(change.body),
    });
    await expectError(403, cross);
  });

  test("answers are private, and those with a secret are not stored", async () => {
    const { headers } = await server.call("GET", "/users/me", { key });
    assert.equal(headers.get("cache-control"), "private, no-cache");
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    const uri = `/projects/${world.project_id}/connection_uri?database_name=neondb&role_name=neondb_owner`;
    const answer = await server.call("GET", uri, { key });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    const declared = contracts.filter(({ secret }) => secret === true).map(({ id }) => id);
    assert.deepEqual(declared.sort(), WITH_SECRETS, "add a route whose answer holds a secret to WITH_SECRETS");
  });

  test("a list of projects ends with an empty page without pagination, and no project is shown twice or not at all", async () => {
    const { org_id } = world;
    // Rows alone: the list does not look at what runs behind them.
    const metadata = await connectToMetadata(server.data_dir);
    await metadata.query(
      `insert into projects (id, org_id, name, region_id, pg_version, created_at)
       select 'listed-row-' || lpad(i::text, 8, '0'), $1, 'Row ' || i, 'local', 18, now() - i / 3 * interval '1 second'
       from generate_series(1, 130) i`,
      [org_id],
    );
    await metadata.end();
    for (const limit of [undefined, 1, 7, 100, 400]) {
      if (limit === 1) continue;
      const ids: string[] = [];
      let cursor: string | undefined;
      for (let pages = 0; ; pages++) {
        assert.ok(pages < 200, "the list has no end");
        const query = new URLSearchParams({
          org_id,
          ...(limit ? { limit: String(limit) } : {}),
          ...(cursor ? { cursor } : {}),
        });
        const page = await server.expect<Page>(200, "GET", `/projects?${query}`, { key });
        if (page.projects.length === 0) {
          assert.ok(!("pagination" in page));
          break;
        }
        assert.ok(page.projects.length <= (limit ?? 10));
        // Neon's CLI stops at the first page that is shorter than it asked for.
        if (ids.length === 0) assert.equal(page.projects.length, Math.min(limit ?? 10, 132));
        ids.push(...page.projects.map(({ id }) => id));
        cursor = page.pagination?.cursor;
        assert.ok(cursor, "a page with projects has a cursor, the last full one too");
      }
      assert.equal(ids.length, 132);
      assert.equal(new Set(ids).size, 132);
    }
  });

  test("a cursor or limit that is none is refused, and search narrows", async () => {
    const { org_id, project_id } = world;
    const list = (query: Record<string, string>) =>
      server.call<Page>("GET", `/projects?${new URLSearchParams({ org_id, ...query })}`, { key });
    for (const query of [
      { limit: "0" },
      { limit: "401" },
      { limit: "-1" },
      { limit: "ten" },
      { limit: "1.5" },
      { cursor: "nonsense" },
      { cursor: Buffer.from('["x","y"]').toString("base64url") },
      { cursor: Buffer.from('["2024-01-01T00:00:00Z"]').toString("base64url") },
      { cursor: "x".repeat(513) },
      { org_id: "UPPER CASE" },
    ]) {
      assert.equal((await list(query)).status, 400, JSON.stringify(query));
    }
    const found = await list({ search: project_id.toUpperCase() });
    assert.deepEqual(
      found.body.projects.map(({ id }) => id),
      [project_id],
    );
    assert.deepEqual((await list({ search: "%" })).body.projects, []);
  });

  test("operations page like projects do, and branches have an annotations object", async () => {
    const base = `/projects/${world.project_id}`;
    await server.settle(world.project_id, key);
    let cursor: string | undefined;
    const ids: string[] = [];
    for (let pages = 0; pages < 50; pages++) {
      const query = new URLSearchParams({ limit: "1", ...(cursor ? { cursor } : {}) });
      const page: { operations: { id: string }[]; pagination?: { cursor: string } } = await server.expect(
        200,
        "GET",
        `${base}/operations?${query}`,
        { key },
      );
      if (page.operations.length === 0) break;
      ids.push(...page.operations.map(({ id }) => id));
      cursor = page.pagination?.cursor;
    }
    const all = await server.expect<{ operations: { id: string }[] }>(200, "GET", `${base}/operations`, { key });
    assert.deepEqual(
      ids,
      all.operations.map(({ id }) => id),
    );
    const branches = await server.expect(200, "GET", `${base}/branches`, { key });
    assert.deepEqual(branches.annotations, {});
  });

  test("while operations run a conflicting one is refused with 423 in Neon's words, and goes through afterwards", async () => {
    const made = await createProject(server, key, world.org_id);
    assert.ok(made.operations.length > 0);
    for (const { status } of made.operations) assert.ok(["scheduling", "running"].includes(status), status);
    const path = `/projects/${made.project.id}`;
    const { status, body } = await server.call<ErrorBody>("DELETE", path, { key });
    assert.equal(status, 423);
    assert.equal(
      body.message,
      "project already has running conflicting operations, scheduling of new ones is prohibited",
    );
    await server.settle(made.project.id, key);
    await server.expect(200, "DELETE", path, { key });
    await server.expect(404, "GET", path, { key });
  });

  test("an id that was forgotten never means all: a path that ends in a slash names nothing", async () => {
    const { cookie } = world.admin;
    for (const { id, method, path } of contracts.filter((contract) => /^[^{]*\{\w+\}$/.test(contract.path))) {
      const forgotten = path.replace(/\{\w+\}$/, "");
      const { status } = await server.call(method, forgotten, { cookie, ...(method === "GET" ? {} : { body: {} }) });
      assert.equal(status, 404, `${id}: ${method} ${forgotten}`);
    }
    await server.expect(200, "GET", "/users/me", { cookie });
  });
});
