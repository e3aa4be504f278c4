import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import test, { type TestContext } from "node:test";
import { listApiKeys, revokeApiKey } from "@latchkey/contract/api-keys.ts";
import { listProjectBranches } from "@latchkey/contract/branches.ts";
import { createProject, getProject, listProjects } from "@latchkey/contract/projects.ts";
import { ApiError, ConnectionError, CredentialError, createClient, LostAnswerError, OperationError } from "./client.ts";
import { VERSION } from "./version.ts";

const KEY = `lk_user_${"a".repeat(49)}`;

type Answer = (request: IncomingMessage & { readonly body: string }, response: ServerResponse) => void;

/** A server that answers as told and remembers what it was asked. */
async function serve(t: TestContext, answer: Answer) {
  const requests: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    requests.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
    answer(Object.assign(request, { body }), response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  return { url, requests };
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

const refusal = (message: string) => ({ request_id: "r-1", code: "X", message });

test("a call goes to the contract's method and path with its parts, and only with the key it was given", async (t) => {
  const { url, requests } = await serve(t, (_, response) => json(response, 200, { projects: [] }));
  const client = createClient({ base_url: url, api_key: KEY });
  await client.call(listProjects, { query: { org_id: "org-a", limit: 5 } });
  await client.call(createProject, { body: { project: { name: "shop" } } });
  await client.call(getProject, { params: { project_id: "a/b?c" } });
  assert.deepEqual(
    requests.map(({ method, url: path, body }) => [method, path, body]),
    [
      ["GET", "/api/v2/projects?org_id=org-a&limit=5", ""],
      ["POST", "/api/v2/projects", '{"project":{"name":"shop"}}'],
      ["GET", "/api/v2/projects/a%2Fb%3Fc", ""],
    ],
  );
  for (const { headers } of requests) {
    assert.equal(headers.authorization, `Bearer ${KEY}`);
    assert.equal(headers.cookie, undefined);
    assert.equal(headers["user-agent"], `latchkey-sdk/${VERSION}`);
  }
});

test("a parameter cannot lead to another operation", async (t) => {
  const { url, requests } = await serve(t, (_, response) => json(response, 200, {}));
  const client = createClient({ base_url: url, api_key: KEY });
  for (const project_id of ["..", ".", ""]) {
    await assert.rejects(client.call(getProject, { params: { project_id } }), TypeError);
  }
  await assert.rejects(client.request({ method: "GET", path: "/../../metrics" }), TypeError);
  assert.equal(requests.length, 0);
});

test("the base URL may be an origin, carry a prefix, or be the API's own", () => {
  const base = (base_url: string) => createClient({ base_url }).base_url;
  assert.equal(base("http://a:1"), "http://a:1/api/v2");
  assert.equal(base("http://a:1/api/v2/"), "http://a:1/api/v2");
  assert.equal(base("https://a/keys/"), "https://a/keys/api/v2");
  for (const wrong of ["a:1", "ftp://a", "http://u:p@a", "http://a?x=1", "http://a/#x"]) {
    assert.throws(() => base(wrong), TypeError, wrong);
  }
});

test("a refusal carries status, code, message and request id, whoever refuses", async (t) => {
  const answers: Answer[] = [
    (_, response) => json(response, 403, { request_id: "r-7", code: "FORBIDDEN", message: "not allowed" }),
    (_, response) => response.writeHead(404, { "x-request-id": "r-8" }).end("<html>proxy</html>"),
    (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<html></html>"),
  ];
  const { url } = await serve(t, (request, response) => answers.shift()?.(request, response));
  const client = createClient({ base_url: url, api_key: KEY });
  const call = () => client.call(listApiKeys);
  const fields = { status: 403, code: "FORBIDDEN", message: "not allowed", request_id: "r-7" };
  await assert.rejects(call(), { name: "ApiError", ...fields });
  await assert.rejects(call(), { status: 404, code: "", request_id: "r-8" });
  await assert.rejects(call(), { status: 200, code: "NOT_JSON" });
});

test("423, 429 and 503 are repeated for every method, after at least what Retry-After says", async (t) => {
  for (const status of [423, 429, 503]) {
    let left = 2;
    const times: number[] = [];
    const { url, requests } = await serve(t, (_, response) => {
      times.push(performance.now());
      if (left-- > 0) json(response, status, refusal("busy"), status === 429 ? { "retry-after": "1" } : {});
      else json(response, 201, { project: {} });
    });
    const told: number[] = [];
    const client = createClient({ base_url: url, api_key: KEY, onRetry: ({ attempt }) => void told.push(attempt) });
    await client.call(createProject, { body: { project: {} } });
    assert.equal(requests.length, 3, `${status}`);
    assert.deepEqual(told, [1, 2]);
    if (status === 429) assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 1000);
  }
});

test("other refusals, and one that asks for too much patience, are thrown at once", async (t) => {
  const cases: [number, Record<string, string>][] = [
    [400, {}],
    [401, {}],
    [409, {}],
    [500, {}],
    [502, {}],
    [503, { "retry-after": "3600" }],
  ];
  const { url, requests } = await serve(t, (_, response) => {
    const [status, headers] = cases.shift() ?? [500, {}];
    json(response, status, refusal("no"), headers);
  });
  const client = createClient({ base_url: url, api_key: KEY });
  for (const [status] of [...cases]) {
    await assert.rejects(client.call(createProject, { body: { project: {} } }), { status });
  }
  assert.equal(requests.length, 6);
});

test("a lost connection is repeated for reads, and never for what may have been done already", async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.destroy());
  const client = createClient({ base_url: url, api_key: KEY, retries: 1 });
  await assert.rejects(client.call(listApiKeys), ConnectionError);
  assert.equal(requests.length, 2);
  await assert.rejects(client.call(createProject, { body: { project: {} } }), ConnectionError);
  assert.equal(requests.length, 3);
});

test("a deletion that finds nothing when it is repeated after a lost answer is not told as not found", async (t) => {
  const answers: Answer[] = [];
  const { url, requests } = await serve(t, (request, response) => answers.shift()?.(request, response));
  const client = createClient({ base_url: url, api_key: KEY });
  const revoke = () => client.call(revokeApiKey, { params: { key_id: 1 } });
  const gone: Answer = (_, response) => json(response, 404, refusal("no such key"));
  const loses: Answer[] = [
    (_, response) => response.destroy(),
    (_, response) => json(response, 504, refusal("no answer in time")),
  ];
  for (const lose of loses) {
    answers.push(lose, (_, response) => json(response, 503, refusal("not right now")), gone);
    await assert.rejects(revoke(), LostAnswerError);
    assert.equal(answers.length, 0);
  }
  // Nothing had been done before: then nobody but others can have deleted it.
  answers.push((_, response) => json(response, 503, refusal("not right now")), gone);
  await assert.rejects(revoke(), { name: "ApiError", status: 404 });
  answers.push(gone);
  await assert.rejects(revoke(), { name: "ApiError", status: 404 });
  assert.equal(requests.length, 9);
});

test("a silent server is given up after the time limit, in the middle of an answer too", async (t) => {
  const { url } = await serve(t, (request, response) => {
    if (request.method === "GET") response.writeHead(200, { "content-type": "application/json" }).write("[");
  });
  const client = createClient({ base_url: url, api_key: KEY, retries: 0, timeout_ms: 100 });
  await assert.rejects(client.call(listApiKeys), { name: "ConnectionError", message: /no answer within 0.1 s/ });
  await assert.rejects(client.call(createProject, { body: { project: {} } }), ConnectionError);
});

test("an abort ends a request, a wait before a retry, and nothing is sent after it", async (t) => {
  const reason = new Error("enough");
  let abort = new AbortController();
  const { url, requests } = await serve(t, (request, response) => {
    // Not before it has come: on a busy machine that takes longer.
    setTimeout(() => abort.abort(reason), 50);
    if (request.url?.includes("projects")) json(response, 503, refusal("later"), { "retry-after": "20" });
  });
  const client = createClient({ base_url: url, api_key: KEY });
  for (const call of [
    (signal: AbortSignal) => client.call(listApiKeys, { signal }),
    (signal: AbortSignal) => client.call(listProjects, { signal }),
  ]) {
    abort = new AbortController();
    await assert.rejects(call(abort.signal), reason);
    await assert.rejects(call(abort.signal), reason);
  }
  assert.equal(requests.length, 2);
});

test("an abort while the key is being got sends nothing", async () => {
  let sent = 0;
  const abort = new AbortController();
  const client = createClient({
    base_url: "http://127.0.0.1:9",
    api_key: async () => {
      abort.abort(new Error("enough"));
      return KEY;
    },
    fetch: async () => {
      sent++;
      throw new Error("never asked for");
    },
  });
  await assert.rejects(client.call(listApiKeys, { signal: abort.signal }), /enough/);
  assert.equal(sent, 0);
});

test("a key is sent only to the host it belongs to, and is in no message", async (t) => {
  const { url, requests } = await serve(t, (_, response) => json(response, 200, []));
  const neon = `napi_${"x".repeat(64)}`;
  const cases: [string, string][] = [
    [url, neon],
    [url, "z".repeat(64)],
    [url, "sk-something-else"],
    [url, `${KEY}\r\nx: y`],
    ["https://console.neon.tech", KEY],
    ["https://CONSOLE.NEON.TECH./api/v2", KEY],
    ["https://api.neon.com", KEY],
    ["https://neon.tech.example.com", neon],
    ["https://notneon.tech", neon],
  ];
  for (const [base_url, api_key] of cases) {
    const refused = (error: Error) => error instanceof CredentialError && !error.message.includes(api_key);
    assert.throws(() => createClient({ base_url, api_key }), refused, base_url);
    // A key that is fetched later is held to the same.
    await assert.rejects(createClient({ base_url, api_key: () => api_key }).call(listApiKeys), refused);
  }
  assert.equal(requests.length, 0);
  assert.equal(createClient({ base_url: "https://console.neon.tech", api_key: neon }).base_url.length > 0, true);
});

test("a redirect is not followed, so that no credential leaves with it", async (t) => {
  const elsewhere = await serve(t, (_, response) => json(response, 200, []));
  const { url } = await serve(t, (_, response) => response.writeHead(307, { location: `${elsewhere.url}/x` }).end());
  const client = createClient({ base_url: url, api_key: KEY });
  await assert.rejects(client.call(listApiKeys), { code: "REDIRECTED", message: new RegExp(elsewhere.url) });
  assert.equal(elsewhere.requests.length, 0);
});

test("a secret key in a browser is refused, and a browser without one sends its cookies and no key", async (t) => {
  const scope = globalThis as Record<string, unknown>;
  Object.assign(scope, { window: {}, document: {} });
  t.after(() => {
    delete scope.window;
    delete scope.document;
  });
  assert.throws(() => createClient({ base_url: "http://a", api_key: KEY }), /in a browser/);
  const sent: RequestInit[] = [];
  const fetch = async (_: unknown, init?: RequestInit) => {
    sent.push(init ?? {});
    return Response.json([]);
  };
  await createClient({ base_url: "http://a", fetch }).call(listApiKeys);
  assert.equal((sent[0] as { credentials?: string }).credentials, "same-origin");
  assert.equal(new Headers(sent[0]?.headers).has("authorization"), false);
});

test("a client shows its key in no print of itself", async () => {
  const { inspect } = await import("node:util");
  const client = createClient({ base_url: "http://a", api_key: KEY });
  assert.ok(!inspect(client, { depth: 9, showHidden: true }).includes(KEY));
  assert.ok(!JSON.stringify(client).includes(KEY));
});

test("lists are read to their end in both cursor dialects", async (t) => {
  const { url, requests } = await serve(t, (request, response) => {
    const at = Number(new URL(request.url ?? "", "http://a").searchParams.get("cursor") ?? 0);
    if (request.url?.includes("branches")) {
      const branches = at === 0 ? [{ name: "a" }, { name: "b" }] : [{ name: "c" }];
      return json(response, 200, { branches, annotations: {}, pagination: at === 0 ? { next: "1" } : {} });
    }
    // Neon's way: a cursor on the last full page as well, and then an empty page.
    if (at === 4) return json(response, 200, { projects: [], applications: {} });
    const projects = [{ id: `p${at}` }, { id: `p${at + 1}` }];
    json(response, 200, { projects, applications: {}, pagination: { cursor: String(at + 2) } });
  });
  const client = createClient({ base_url: url, api_key: KEY });
  const projects = await client.all(listProjects, { query: { limit: 2 } });
  assert.deepEqual(
    projects.map(({ id }) => id),
    ["p0", "p1", "p2", "p3"],
  );
  assert.deepEqual(
    requests.map((request) => request.url),
    ["?limit=2", "?limit=2&cursor=2", "?limit=2&cursor=4"].map((query) => `/api/v2/projects${query}`),
  );
  const branches = await client.all(listProjectBranches, { params: { project_id: "p" } });
  assert.deepEqual(
    branches.map(({ name }) => name),
    ["a", "b", "c"],
  );
});

test("a server that ignores the cursor is not asked for ever, and a reader may stop early", async (t) => {
  const { url, requests } = await serve(t, (_, response) =>
    json(response, 200, { projects: [{ id: "p" }], pagination: { cursor: "same" } }),
  );
  const client = createClient({ base_url: url, api_key: KEY });
  await assert.rejects(client.all(listProjects), /same cursor twice/);
  requests.length = 0;
  for await (const { id } of client.items(listProjects)) {
    assert.equal(id, "p");
    break;
  }
  assert.equal(requests.length, 1);
});

test("operations are waited for until all have finished; a failure and the deadline are told", async (t) => {
  const statuses: Record<string, string[]> = {
    a: ["running", "finished"],
    b: ["scheduling", "running", "skipped"],
    bad: ["running", "failed"],
    given_up: ["cancelling", "cancelling", "cancelled"],
    slow: [],
  };
  const { url } = await serve(t, (request, response) => {
    const id = request.url?.split("/").pop() ?? "";
    const status = statuses[id]?.shift() ?? "running";
    json(response, 200, { operation: { id, project_id: "p", action: "start_compute", status, error: "no disk" } });
  });
  const client = createClient({ base_url: url, api_key: KEY });
  const operation = (id: string) => ({ id, project_id: "p", action: "start_compute", status: "scheduling" });
  const changes: string[] = [];
  const done = await client.waitForOperations([operation("a"), operation("b")], {
    onChange: ({ id, status }) => void changes.push(`${id} ${status}`),
  });
  assert.deepEqual(
    done.map(({ status }) => status),
    ["finished", "skipped"],
  );
  assert.deepEqual(changes.toSorted(), ["a finished", "a running", "b running", "b skipped"]);
  await assert.rejects(
    client.waitForOperations([operation("bad")]),
    (error) => error instanceof OperationError && error.status === "failed" && /no disk/.test(error.message),
  );
  changes.length = 0;
  await assert.rejects(
    client.waitForOperations([operation("given_up")], { onChange: ({ status }) => void changes.push(status) }),
    (error) => error instanceof OperationError && error.status === "cancelled",
  );
  assert.deepEqual(changes, ["cancelling", "cancelled"], "it is under way until it has been given up");
  await assert.rejects(client.waitForOperations([operation("slow")], { timeout_ms: 150 }), /is still running/);
  const abort = AbortSignal.timeout(80);
  await assert.rejects(client.waitForOperations([operation("slow")], { signal: abort }), { name: "TimeoutError" });
  assert.deepEqual(await client.waitForOperations([]), []);
});

test("an answer without a body is undefined", async (t) => {
  const { url } = await serve(t, (_, response) => response.writeHead(204).end());
  const client = createClient({ base_url: url, api_key: KEY });
  assert.equal(await client.call(revokeApiKey, { params: { key_id: 1 } }), undefined);
});

test("errors are told apart by their classes", () => {
  assert.ok(new ApiError({ status: 1, code: "", message: "", request_id: "" }) instanceof Error);
  assert.ok(!(new ConnectionError("", undefined) instanceof ApiError));
});

test("the version is that of the package", () => {
  const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
  assert.equal(VERSION, version);
});

/** Never run: the compiler holds these. */
export async function typesHold(): Promise<void> {
  const client = createClient({ base_url: "" });
  // @ts-expect-error a path's parameter is missing
  await client.call(revokeApiKey);
  // @ts-expect-error a field that the body does not have
  await client.call(createProject, { body: { projct: {} } });
  // @ts-expect-error not a field of the answer
  (await client.call(listApiKeys))[0]?.key;
  for await (const project of client.items(listProjects)) project.org_id satisfies string;
}
