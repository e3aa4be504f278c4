import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import fc from "fast-check";
import { CASES } from "../harness/cases.ts";
import { contracts, pathOf } from "../harness/contracts.ts";
import { assertLikeNeon } from "../harness/neon-openapi.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { buildWorld, signIn, type World } from "../harness/world.ts";

/** Property-based: whatever is sent, with a good key, the answer is in time, of Neon's form, and never a 5xx. */
const RUNS = Number(process.env.MALFORMED_RUNS ?? 15);
const DEADLINE_MS = 30_000;
/** These would end what the other requests are sent with; they take no input but the path. */
const ENDING = new Set(["signOut", "signOutEverywhere"]);

/** Texts that have broken servers: empty, huge, another charset, syntax of what lies behind. */
const hostile_text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme", maxLength: 300 }),
  fc.constantFrom(
    "",
    " ",
    "null",
    "undefined",
    "NaN",
    "0",
    "-1",
    "1e309",
    "9223372036854775808",
    "9007199254740993",
    "0x10",
    "true",
    "__proto__",
    "constructor",
    "toString",
    "..",
    "../../etc/passwd",
    "%00",
    "\u0000",
    "\u0000a",
    "\ud800",
    "'; drop table projects; --",
    "{{7*7}}",
    "\u202e\u0000\uffff",
    "a".repeat(400),
    "a".repeat(600),
    "é".repeat(600),
    "00000000-0000-0000-0000-000000000000",
    "2024-02-30T25:61:61Z",
    "W10=",
    Buffer.from('["294277-01-01T00:00:00Z","x"]').toString("base64url"),
    Buffer.from('["2024-01-01T00:00:00Z","\\u0000"]').toString("base64url"),
    Buffer.from("[1,2]").toString("base64url"),
    Buffer.from('{"value":"x","member_id":"y"}').toString("base64url"),
  ),
);

const any_json = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  hostile_text,
  fc.constantFrom<unknown>([], {}, null, 0, -0, 1e308, [[[[[[]]]]]], { project: null }, { project: [] }),
);

suite("malformed requests", () => {
  let server: TestServer;
  let world: World;
  let fixed: Record<string, string>;

  before(async () => {
    server = await startServer(undefined, { LATCHKEY_SIGN_UP: "open", LATCHKEY_LOG_LEVEL: "error" });
    world = await buildWorld(server);
    await server.settle(world.project_id, world.admin.key);
    const base = `/projects/${world.project_id}`;
    const get = <B>(path: string) => server.expect<B>(200, "GET", base + path, { key: world.admin.key });
    const { branches } = await get<{ branches: { id: string }[] }>("/branches");
    const { endpoints } = await get<{ endpoints: { id: string }[] }>("/endpoints");
    const { operations } = await get<{ operations: { id: string }[] }>("/operations");
    const nobody = "00000000-0000-4000-8000-000000000000";
    fixed = {
      org_id: world.org_id,
      source_org_id: world.org_id,
      project_id: world.project_id,
      branch_id: branches[0]?.id ?? "",
      endpoint_id: endpoints[0]?.id ?? "",
      operation_id: operations[0]?.id ?? "",
      role_name: "neondb_owner",
      database_name: "neondb",
      region_id: "local",
      key_id: "9007199254740990",
      grant_id: "9007199254740990",
      user_code: "BCDF-GHJK",
      member_id: nobody,
      invitation_id: nobody,
      session_id: nobody,
    };
  });
  after(() => server?.close());

  async function send(
    method: string,
    path: string,
    body?: string | Uint8Array<ArrayBuffer>,
    type = "application/json",
  ) {
    const response = await fetch(server.api + path, {
      method,
      headers: {
        authorization: `Bearer ${world.admin.key}`,
        ...(body === undefined ? {} : { "content-type": type }),
      },
      signal: AbortSignal.timeout(DEADLINE_MS),
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const what = `${method} ${path.length > 300 ? `${path.slice(0, 300)}… (${path.length} characters)` : path}`;
    assert.ok(response.status < 500, `${what}: ${response.status} ${text}`);
    assert.match(response.headers.get("content-type") ?? "", /^application\/json/, what);
    const parsed = JSON.parse(text) as Record<string, unknown>;
    if (response.status >= 400) {
      assert.deepEqual(Object.keys(parsed).sort(), ["code", "message", "request_id"]);
      assert.equal(parsed.request_id, response.headers.get("x-request-id"));
    }
    assertLikeNeon(method, path.split("?")[0] ?? path, response.status, parsed);
    return response.status;
  }

  /** Each route has its own sequence, which a failure prints and `fc.assert`'s seed repeats. */
  const check = (property: fc.IAsyncProperty<unknown>, runs = RUNS) =>
    fc.assert(property as fc.IAsyncProperty<[unknown]>, { numRuns: runs, endOnFailure: true });

  for (const contract of contracts.filter(({ id, params }) => params !== undefined && !ENDING.has(id))) {
    test(`${contract.id}: an id of any wrong shape is told as not found or not valid`, async () => {
      const names = Object.keys(contract.params?.properties ?? {});
      const body = contract.method === "GET" || contract.method === "DELETE" ? undefined : "{}";
      await check(
        fc.asyncProperty(fc.constantFrom(...names), hostile_text, async (name, value) => {
          // Not well-formed text has no form in a URL.
          if (!value.isWellFormed()) return;
          // Whoever writes these writes another path: a URL's dots are gone before they are sent. So nothing can be
          // called that, see server/roles/names.test.ts.
          if (value === "." || value === "..") return;
          const status = await send(contract.method, pathOf(contract, { params: { ...fixed, [name]: value } }), body);
          assert.ok(status >= 400 || contract.method === "GET", `${name}=${JSON.stringify(value)}: ${status}`);
        }),
      );
    });
  }

  for (const contract of contracts.filter(({ body }) => body !== undefined)) {
    test(`${contract.id}: a body of wrong types, with unknown fields or none, is refused`, async () => {
      const path = pathOf(contract, { params: fixed });
      const good = await bodyOf(contract.id);
      await check(
        fc.asyncProperty(any_json, async (body) => void (await send(contract.method, path, JSON.stringify(body)))),
      );
      // The good body with one thing changed gets further than a wholly random one.
      await check(
        fc.asyncProperty(fc.constantFrom(...pointersOf(good)), any_json, async (pointer, value) => {
          await send(contract.method, path, JSON.stringify(withChange(good, pointer, value)));
        }),
      );
      const unknown = { ...(good as object), [`unknown_${contract.id}`]: 1 };
      assert.equal(await send(contract.method, path, JSON.stringify(unknown)), 400);
    });

    test(`${contract.id}: a body that is no JSON, or larger than a mebibyte, is refused`, async () => {
      const path = pathOf(contract, { params: fixed });
      const good = JSON.stringify(await bodyOf(contract.id));
      await check(
        // No body at all is no mistake where the contract says so.
        fc.asyncProperty(fc.integer({ min: contract.body_optional ? 1 : 0, max: good.length - 1 }), async (length) => {
          assert.equal(await send(contract.method, path, good.slice(0, length)), 400);
        }),
        4,
      );
      await check(
        fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 64 }), async (bytes) => {
          // A NUL can be no JSON, whatever surrounds it.
          assert.equal(await send(contract.method, path, new Uint8Array([...bytes, 0])), 400);
        }),
        4,
      );
      const large = JSON.stringify({ ...(await bodyOf(contract.id)), padding: "x".repeat(1024 * 1024) });
      assert.equal(await send(contract.method, path, large), 413);
      assert.equal(await send(contract.method, path, good, "text/plain"), 415);
    });
  }

  for (const contract of contracts.filter(({ query }) => query !== undefined)) {
    test(`${contract.id}: a hostile query is refused or means nothing`, async () => {
      const path = pathOf(contract, { params: fixed });
      const names = Object.keys(contract.query?.properties ?? {});
      const required = { database_name: "neondb", role_name: "neondb_owner", org_id: world.org_id };
      await check(
        fc.asyncProperty(
          fc.dictionary(fc.oneof(fc.constantFrom(...names), hostile_text), hostile_text, { maxKeys: 4 }),
          fc.boolean(),
          async (query, complete) => {
            const entries = Object.entries(complete ? { ...required, ...query } : query);
            const search = new URLSearchParams(
              entries.map(([name, value]): [string, string] => [name.toWellFormed(), value.toWellFormed()]),
            );
            await send("GET", `${path}?${search}`);
          },
        ),
        RUNS * 2,
      );
      for (const raw of [
        "limit[]=1&limit[]=2",
        "limit=1&limit=2",
        "org_id=a&org_id=b",
        "a[b][c]=d",
        "&&&===",
        "%",
        "%ff=%fe",
        "__proto__[x]=1",
        "constructor=1",
        `cursor=${"x".repeat(9_000)}`,
      ]) {
        await send("GET", `${path}?${raw}`);
      }
    });
  }

  test("after all of this the server serves as before, and the world is whole", async () => {
    const { admin, project_id, org_id } = world;
    await server.expect(200, "GET", "/users/me", { key: admin.key });
    await server.expect(200, "GET", `/projects/${project_id}`, { key: admin.key });
    await server.expect(200, "GET", `/organizations/${org_id}`, { key: admin.key });
    assert.ok(await signIn(server, admin));
    assert.ok(!server.output.includes('"event":"request.failed"'), "something failed inside");
  });

  async function bodyOf(id: string): Promise<Record<string, unknown>> {
    // With the right password, a changed body would change the admin's to something random.
    if (id === "changePassword") return { current_password: "not the password", new_password: "another password" };
    // The request of the case would make what it names; a body that names nobody does as well here.
    if (id === "acceptInvitation") return { invitation_token: "lk_invitation_nobody" };
    if (id === "signIn") return { email: "nobody@example.com", password: "password-1" };
    if (id === "updateOrganizationMember") return { role: "member" };
    return ((await CASES[id]?.request(world))?.body ?? {}) as Record<string, unknown>;
  }
});

/** Paths of keys to every value inside a JSON value, the value itself excluded. */
function pointersOf(value: unknown, above: readonly string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const here = [...above, name];
    return [here, ...pointersOf(inner, here)];
  });
}

function withChange(value: unknown, [name, ...rest]: readonly string[], change: unknown): unknown {
  if (name === undefined) return change;
  if (Array.isArray(value)) return value.map((item, i) => (String(i) === name ? withChange(item, rest, change) : item));
  const object = value as Record<string, unknown>;
  return { ...object, [name]: withChange(object[name], rest, change) };
}
