import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type CallOptions, startServer, type TestServer, waitFor } from "../harness/server.ts";
import {
  buildWorld,
  type CreatedKey,
  createOrganizationKey,
  createPersonalKey,
  createProject,
  unique,
  type World,
} from "../harness/world.ts";

/** Section 1 of the design of keys: the three kinds, what creating, listing and revoking answers, and who may. */
interface ListedKey {
  readonly id: number;
  readonly name: string;
  readonly created_by: { readonly id: string; readonly name: string; readonly image: string };
  readonly last_used_at: string | null;
  readonly last_used_from_addr: string;
  readonly last_used_user_agent: string;
  readonly hint: string;
  readonly project_id?: string;
}

suite("API keys", () => {
  let server: TestServer;
  let world: World;
  let organization: string;
  let kinds: {
    readonly kind: string;
    readonly prefix: string;
    readonly path: string;
    readonly body: object;
    readonly project_id: string | undefined;
  }[];

  before(async () => {
    server = await startServer(undefined, { LATCHKEY_SIGN_UP: "open" });
    world = await buildWorld(server);
    organization = `/organizations/${world.org_id}/api_keys`;
    const { project_id } = world;
    kinds = [
      { kind: "personal", prefix: "lk_user_", path: "/api_keys", body: {}, project_id: undefined },
      { kind: "organization", prefix: "lk_org_", path: organization, body: {}, project_id: undefined },
      { kind: "project", prefix: "lk_proj_", path: organization, body: { project_id }, project_id },
    ];
  });
  after(() => server?.close());

  const list = (path: string, key = world.admin.key) => server.expect<ListedKey[]>(200, "GET", path, { key });
  const messageOf = async (status: number, method: string, path: string, options: CallOptions) =>
    (await server.expect<{ message: string }>(status, method, path, options)).message;

  test("creating answers 200 with the token, a bare uuid as creator, and project_id where there is one and not otherwise", async () => {
    for (const { kind, prefix, path, body, project_id } of kinds) {
      const name = unique(kind);
      const answer = await server.call<CreatedKey & { created_by: string; created_at: string }>("POST", path, {
        key: world.admin.key,
        body: { key_name: name, ...body },
      });
      assert.equal(answer.status, 200, kind);
      assert.equal(answer.headers.get("cache-control"), "no-store");
      const { id, key, created_at, ...rest } = answer.body;
      assert.deepEqual(rest, {
        name,
        created_by: world.admin.user_id,
        ...(project_id === undefined ? {} : { project_id }),
      });
      assert.ok(Number.isSafeInteger(id) && id > 0);
      assert.match(key, new RegExp(`^${prefix}[0-9A-Za-z]{49}$`));
      assert.ok(Math.abs(Date.now() - Date.parse(created_at)) < 60_000);
    }
  });

  test("a list is a bare array, newest first, tells the creator as an object, and never the token", async () => {
    for (const { path, body, project_id, kind } of kinds) {
      const names = [unique(), unique(), unique()];
      const made: CreatedKey[] = [];
      for (const key_name of names) {
        made.push(await server.expect(200, "POST", path, { key: world.admin.key, body: { key_name, ...body } }));
      }
      const listed = await list(path);
      assert.deepEqual(
        listed.slice(0, 3).map(({ name }) => name),
        names.toReversed(),
      );
      const ids = listed.map(({ id }) => id);
      assert.deepEqual(
        ids,
        ids.toSorted((a, b) => b - a),
      );
      assert.ok(!/lk_(user|org|proj)_/.test(JSON.stringify(listed)), kind);
      const newest = made.at(-1);
      const { created_by, last_used_at, last_used_from_addr, last_used_user_agent, hint } = listed[0] as ListedKey;
      assert.deepEqual(created_by, { id: world.admin.user_id, name: "Admin", image: "" });
      assert.deepEqual([last_used_at, last_used_from_addr, last_used_user_agent], [null, "", ""]);
      assert.equal(hint, newest?.key.slice(-10, -6), "the last four characters before the checksum");
      assert.equal(listed[0]?.project_id, project_id);
      assert.equal("project_id" in (listed[0] ?? {}), project_id !== undefined);
    }
  });

  test("revoking answers 200 with the key and revoked: true; then it is in no list, and a second revoke is 404", async () => {
    for (const { kind, path, body, project_id } of kinds) {
      const { id, name } = await server.expect<CreatedKey>(200, "POST", path, {
        key: world.admin.key,
        body: { key_name: unique(kind), ...body },
      });
      const { created_at: _, ...revoked } = await server.expect(200, "DELETE", `${path}/${id}`, {
        key: world.admin.key,
      });
      assert.deepEqual(revoked, {
        id,
        name,
        revoked: true,
        created_by: world.admin.user_id,
        last_used_at: null,
        last_used_from_addr: "",
        ...(project_id === undefined ? {} : { project_id }),
      });
      assert.ok(!(await list(path)).some((key) => key.id === id));
      await server.expect(404, "DELETE", `${path}/${id}`, { key: world.admin.key });
    }
  });

  test("of many who revoke a key at once exactly one is told that they did", async () => {
    const { id } = await createPersonalKey(server, world.admin.key);
    const revoke = async () => (await server.call("DELETE", `/api_keys/${id}`, { key: world.admin.key })).status;
    const statuses = await Promise.all(Array.from({ length: 8 }, revoke));
    assert.deepEqual(statuses.sort(), [200, 404, 404, 404, 404, 404, 404, 404]);
  });

  test("a key that is somebody else's, or of another kind, is not found by whoever would revoke it", async () => {
    const { admin, member, stranger, stranger_org_id } = world;
    const personal = await createPersonalKey(server, admin.key);
    const shared = await createOrganizationKey(server, admin.key, world.org_id);
    const foreign = await createOrganizationKey(server, stranger.key, stranger_org_id);
    for (const [path, key] of [
      [`/api_keys/${personal.id}`, member.key],
      [`/api_keys/${personal.id}`, stranger.key],
      [`/api_keys/${shared.id}`, admin.key],
      [`${organization}/${personal.id}`, admin.key],
      [`${organization}/${foreign.id}`, admin.key],
      [`${organization}/${foreign.id}`, world.org_key],
      ["/api_keys/1", admin.key],
      ["/api_keys/9007199254740991", admin.key],
      ["/api_keys/99999999999999999999", admin.key],
    ] as const) {
      await server.expect(404, "DELETE", path, { key });
    }
    for (const { key } of [personal, shared, foreign]) await server.expect(200, "GET", "/auth", { key });
  });

  test("a name is 1 to 64 characters, counted as people count them, and comes back as it was given", async () => {
    const longest = [
      "x".repeat(64),
      "é".repeat(64),
      "🔑".repeat(64),
      "名前 with spaces",
      "'; drop table api_keys; --",
      " ",
    ];
    for (const key_name of longest) {
      for (const { path, body } of kinds) {
        const made = await server.expect<CreatedKey>(200, "POST", path, {
          key: world.admin.key,
          body: { key_name, ...body },
        });
        assert.equal(made.name, key_name);
        const listed = (await list(path)).find(({ id }) => id === made.id);
        assert.equal(listed?.name, key_name);
        await server.expect(200, "DELETE", `${path}/${made.id}`, { key: world.admin.key });
      }
    }
  });

  test("a name that is missing, too long, of another type or would spoil a list is refused with 400", async () => {
    const wrong = [
      "",
      "x".repeat(65),
      "🔑".repeat(65),
      "a\nb",
      "a\u0000b",
      "\u001b[31mred",
      "\u007f",
      null,
      7,
      true,
      [],
      {},
    ];
    for (const { path, body } of kinds) {
      for (const key_name of wrong) {
        await server.expect(400, "POST", path, { key: world.admin.key, body: { key_name, ...body } });
      }
      await server.expect(400, "POST", path, { key: world.admin.key, body });
      await server.expect(400, "POST", path, { key: world.admin.key, body: { key_name: "x", ...body, name: "x" } });
    }
  });

  test("half a surrogate pair is not stored as something else than was sent", async () => {
    const answer = await server.call<CreatedKey>("POST", "/api_keys", {
      key: world.admin.key,
      body: { key_name: "half \ud800" },
    });
    if (answer.status === 400) return;
    assert.equal(answer.body.name, "half \ud800");
    assert.ok((await list("/api_keys")).some(({ name }) => name === "half \ud800"));
  });

  test("a name is unique among the owner's live keys, told in Neon's words, and free again after the revoke", async () => {
    for (const { path, body } of kinds) {
      const key_name = unique("taken");
      const make = { key: world.admin.key, body: { key_name, ...body } };
      const { id } = await server.expect<CreatedKey>(200, "POST", path, make);
      assert.equal(await messageOf(409, "POST", path, make), "choose another unique name for api key");
      await server.expect(200, "DELETE", `${path}/${id}`, { key: world.admin.key });
      await server.expect(200, "POST", path, make);
    }
  });

  test("an organization's own keys and its project keys share one set of names; other owners have theirs", async () => {
    const key_name = unique("shared");
    const { admin, member, project_id } = world;
    await server.expect(200, "POST", organization, { key: admin.key, body: { key_name } });
    await server.expect(409, "POST", organization, { key: admin.key, body: { key_name, project_id } });
    await server.expect(200, "POST", "/api_keys", { key: admin.key, body: { key_name } });
    await server.expect(200, "POST", "/api_keys", { key: member.key, body: { key_name } });
  });

  test("of many who want a name at once exactly one gets it", async () => {
    const body = { key_name: unique("wanted") };
    const make = async () => (await server.call("POST", "/api_keys", { key: world.admin.key, body })).status;
    const statuses = await Promise.all(Array.from({ length: 8 }, make));
    assert.deepEqual(statuses.sort(), [200, 409, 409, 409, 409, 409, 409, 409]);
  });

  test("a project key is for a living project of that organization", async () => {
    const { admin, stranger, stranger_org_id, org_id } = world;
    const elsewhere = await createProject(server, stranger.key, stranger_org_id);
    const deleted = await createProject(server, admin.key, org_id);
    await server.settle(deleted.project.id, admin.key);
    await server.expect(200, "DELETE", `/projects/${deleted.project.id}`, { key: admin.key });
    for (const project_id of [elsewhere.project.id, deleted.project.id, "no-such-00000000"]) {
      await server.expect(404, "POST", organization, { key: admin.key, body: { key_name: unique(), project_id } });
    }
    await server.expect(400, "POST", organization, { key: admin.key, body: { key_name: unique(), project_id: null } });
  });

  test("a key ends itself, whatever its kind", async () => {
    const { admin, org_id, project_id } = world;
    const made = [
      { path: "/api_keys", ...(await createPersonalKey(server, admin.key)) },
      { path: organization, ...(await createOrganizationKey(server, admin.key, org_id)) },
      { path: organization, ...(await createOrganizationKey(server, admin.key, org_id, project_id)) },
    ];
    for (const { path, id, key } of made) {
      const revoked = await server.expect<{ id: number; revoked: boolean }>(200, "DELETE", `${path}/${id}`, { key });
      assert.deepEqual([revoked.id, revoked.revoked], [id, true]);
      await server.expect(401, "GET", "/auth", { key });
    }
  });

  test("the latest use is shown within two seconds: when, from which address, by which client", async () => {
    const { admin, org_id, project_id } = world;
    const made = [
      { path: "/api_keys", ...(await createPersonalKey(server, admin.key)) },
      { path: organization, ...(await createOrganizationKey(server, admin.key, org_id)) },
      { path: organization, ...(await createOrganizationKey(server, admin.key, org_id, project_id)) },
    ];
    for (const { path, id, key } of made) {
      const used_at = Date.now();
      // What a client writes about its own address is not believed.
      const forged = { "x-forwarded-for": "203.0.113.9", "x-real-ip": "203.0.113.9", forwarded: "for=203.0.113.9" };
      await server.expect(200, "GET", "/auth", { key, headers: { "user-agent": "first-use/1.0", ...forged } });
      const find = async () => (await list(path)).find((listed) => listed.id === id);
      await waitFor("the use to be shown", async () => (await find())?.last_used_at != null, 2_000);
      const found = await find();
      assert.ok(Math.abs(Date.parse(found?.last_used_at ?? "") - used_at) < 1_000);
      assert.equal(found?.last_used_from_addr, "127.0.0.1");
      assert.equal(found?.last_used_user_agent, "first-use/1.0");
      const revoked = await server.expect(200, "DELETE", `${path}/${id}`, { key: admin.key });
      assert.equal(revoked.last_used_at, found?.last_used_at, "the answer to the revoke tells it too");
    }
  });

  test("a refused request is no use of a key, and one that is refused for want of power is", async () => {
    const { admin, org_id } = world;
    const dead = await createOrganizationKey(server, admin.key, org_id);
    const weak = await createOrganizationKey(server, admin.key, org_id);
    await server.expect(200, "DELETE", `${organization}/${dead.id}`, { key: admin.key });
    await server.expect(401, "GET", "/auth", { key: dead.key });
    await server.expect(404, "GET", "/users/me", { key: weak.key });
    const find = async () => (await list(organization)).find(({ id }) => id === weak.id);
    await waitFor("the use to be shown", async () => (await find())?.last_used_at != null, 2_000);
  });
});

suite("API keys behind a proxy", () => {
  test("with one trusted proxy the address is the one that this proxy saw, not what the client claims", async (t) => {
    const server = await startServer(t, { LATCHKEY_TRUST_PROXY: "1" });
    const { api_key } = await server.setup();
    const { id, key } = await createPersonalKey(server, api_key);
    const headers = { "x-forwarded-for": "198.51.100.1, 203.0.113.7" };
    await server.expect(200, "GET", "/auth", { key, headers });
    const find = async () =>
      (await server.expect<ListedKey[]>(200, "GET", "/api_keys", { key: api_key })).find((listed) => listed.id === id);
    await waitFor("the use to be shown", async () => (await find())?.last_used_at != null, 2_000);
    assert.equal((await find())?.last_used_from_addr, "203.0.113.7");
  });
});
