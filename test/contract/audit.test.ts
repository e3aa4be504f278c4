import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type pg from "pg";
import { CaseRunner, missingCases } from "../harness/cases.ts";
import { contracts, OPEN_OPERATIONS, pathOf, SESSION_OPERATIONS } from "../harness/contracts.ts";
import { connectToMetadata, fingerprint } from "../harness/metadata.ts";
import { type CallOptions, startServer, type TestServer } from "../harness/server.ts";
import { buildWorld, createPersonalKey, memberIdOf, unique, type World } from "../harness/world.ts";

interface AuditRow {
  readonly action: string;
  readonly principal_kind: string;
  readonly user_id: string | null;
  readonly org_id: string | null;
  readonly project_id: string | null;
  readonly api_key_id: string | null;
  readonly subject: string;
  readonly request_id: string;
  readonly address: string;
  readonly user_agent: string;
}

const changing = contracts.filter(({ method }) => method !== "GET");
/** Written by themselves, a while after any request: no part of what a request changes. */
const BACKGROUND = {
  columns: [
    "last_used_at",
    "last_used_from_addr",
    "last_used_user_agent",
    "logical_size",
    "metered_lsn",
    "metered_storage_id",
    "observed_digest",
    "oid",
    "storage_bytes",
    "renewals",
    "renewed_at",
  ],
  tables: ["public.compute_meters", "public.consumption_hours", "public.key_uses", "public.observed_verifiers"],
};

suite("audit", () => {
  let server: TestServer;
  let world: World;
  let metadata: pg.Client;

  before(async () => {
    server = await startServer(undefined, { LATCHKEY_SIGN_UP: "open" });
    world = await buildWorld(server);
    await server.settle(world.project_id, world.admin.key);
    await server.settle(world.second_project_id, world.admin.key);
    metadata = await connectToMetadata(server.data_dir);
  });
  after(async () => {
    await metadata?.end();
    await server?.close();
  });

  const rowsOf = async (request_id: string) =>
    (await metadata.query<AuditRow>("select * from audit_events where request_id = $1", [request_id])).rows;
  const countRows = async () =>
    Number((await metadata.query<{ count: string }>("select count(*) from audit_events")).rows[0]?.count);

  /** Some need a session; everything else is done by key, so that the row has a key to name. */
  const credential = (id: string): CallOptions =>
    SESSION_OPERATIONS.has(id) ? { cookie: world.admin.cookie } : { key: world.admin.key };

  test("every changing route has a case", () => {
    assert.deepEqual(missingCases(changing), []);
  });

  for (const { id, method } of changing) {
    test(`${id} leaves exactly one audit row when it succeeds, which says who, what and from where`, async () => {
      const runner = new CaseRunner(world, id);
      await runner.request();
      const before_rows = await countRows();
      const request_id = unique("audited");
      const answer = await runner.call({
        ...credential(id),
        headers: { "x-request-id": request_id, "user-agent": "audit-test/1" },
      });
      assert.ok(answer.status < 300, `${answer.status} ${JSON.stringify(answer.body)}`);
      const [row, ...more] = await rowsOf(request_id);
      assert.ok(row, `${method} left no audit row`);
      assert.deepEqual(more, []);
      assert.match(row.subject, /^[a-z_]+:\S+$/);
      assert.match(row.action, /^[a-z_]+\.[a-z_]+$/);
      assert.equal(row.address, "127.0.0.1");
      assert.equal(row.user_agent, "audit-test/1");
      if (!OPEN_OPERATIONS.has(id) && !SESSION_OPERATIONS.has(id)) {
        assert.equal(row.principal_kind, "person:key");
        assert.equal(Number(row.api_key_id), world.admin.key_id);
        assert.equal(row.user_id, world.admin.user_id);
      }
      const once = ["signOut", "signOutEverywhere", "acceptInvitation", "suspendProjectEndpoint"].includes(id) ? 1 : 0;
      // The password changed back, a session, and a login that is approved and made.
      const restores = id === "changePassword" ? 4 : once;
      assert.equal(await countRows(), before_rows + 1 + restores, "and no other row");
    });
  }

  test("a change in an organization or a project is filed under it", async () => {
    const { rows } = await metadata.query<AuditRow>("select * from audit_events");
    const of = (prefix: string) => rows.filter(({ action }) => action.startsWith(prefix));
    for (const row of [...of("organization"), ...of("member"), ...of("invitation"), ...of("project")]) {
      assert.ok(row.org_id, `${row.action} of ${row.subject} names no organization`);
    }
    for (const row of of("project")) assert.ok(row.project_id, `${row.action} names no project`);
  });

  const refusals: Record<string, (id: string) => CallOptions | undefined> = {
    "without a credential": () => ({}),
    "with a revoked key": () => ({ key: world.revoked_key }),
    "by a stranger's key": (id) => (isPersonal(id) ? undefined : { key: world.stranger.key }),
    "by another project's key": () => ({ key: world.second_project_key }),
  };
  /** What anybody does for themselves, a stranger may do too. */
  const isPersonal = (id: string) =>
    ["createApiKey", "createOrganization", "signOutEverywhere", "signOut"].includes(id);

  test("a refused change leaves no audit row, whoever was refused", async () => {
    for (const { id } of changing.filter((contract) => !OPEN_OPERATIONS.has(contract.id))) {
      const runner = new CaseRunner(world, id);
      await runner.request();
      for (const [how, options] of Object.entries(refusals)) {
        const as = options(id);
        if (!as) continue;
        const before_rows = await countRows();
        const answer = await runner.call(as);
        assert.ok(answer.status >= 400 && answer.status < 500, `${id} ${how}: ${answer.status}`);
        assert.equal(await countRows(), before_rows, `${id} ${how}`);
      }
    }
  });

  test("a malformed change leaves no audit row", async () => {
    for (const contract of changing.filter(({ body }) => body !== undefined)) {
      const request = await new CaseRunner(world, contract.id).request();
      const before_rows = await countRows();
      const answer = await server.call(contract.method, pathOf(contract, request), {
        ...credential(contract.id),
        body: { surprise: true },
      });
      assert.equal(answer.status, 400, contract.id);
      assert.equal(await countRows(), before_rows, contract.id);
    }
  });

  test("a change that a rule refuses half-way leaves no audit row and no trace", async () => {
    const { admin, org_id, project_id } = world;
    const { name, id } = await createPersonalKey(server, admin.key);
    await server.expect(200, "DELETE", `/api_keys/${id}`, { key: admin.key });
    const taken = (await createPersonalKey(server, admin.key, name)).name;
    const own_member_id = await memberIdOf(server, admin.key, org_id, admin.user_id);
    const attempts: [status: number, method: string, path: string, body?: unknown][] = [
      [409, "POST", "/api_keys", { key_name: taken }],
      [404, "DELETE", `/api_keys/${id}`],
      [404, "POST", `/organizations/${org_id}/api_keys`, { key_name: "for nothing", project_id: "no-such-00000000" }],
      [409, "POST", "/users", { email: admin.email, password: "password-1", name: "Twice" }],
      [401, "POST", "/sessions", { email: admin.email, password: "not the password" }],
      [404, "POST", "/invitations/accept", { invitation_token: "lk_invitation_none" }],
      [422, "DELETE", `/organizations/${org_id}/members/${own_member_id}`],
      [422, "PATCH", `/organizations/${org_id}/members/${own_member_id}`, { role: "member" }],
      [
        400,
        "POST",
        `/organizations/${org_id}/invitations`,
        {
          invitations: [
            { email: "new@example.com", role: "member" },
            { email: "new@example.com", role: "admin" },
          ],
        },
      ],
      [400, "POST", "/projects", { project: { org_id, pg_version: 99 } }],
      [400, "POST", "/projects", { project: { org_id, branch: { role_name: "pg_monitor" } } }],
      [404, "DELETE", `/projects/${project_id}x`],
    ];
    const unchanged = await fingerprint(metadata, BACKGROUND);
    for (const [status, method, path, body] of attempts) {
      await server.expect(status, method, path, { key: admin.key, ...(body === undefined ? {} : { body }) });
      assert.deepEqual(await fingerprint(metadata, BACKGROUND), unchanged, `${method} ${path}`);
    }
  });

  test("a change whose audit row cannot be written does not happen", async () => {
    await metadata.query("alter table audit_events add constraint poisoned check (request_id <> 'poison') not valid");
    try {
      for (const { id } of changing) {
        const runner = new CaseRunner(world, id);
        await runner.request();
        await server.settle(world.project_id, world.admin.key);
        const unchanged = await fingerprint(metadata, BACKGROUND);
        const answer = await runner.call({ ...credential(id), headers: { "x-request-id": "poison" } });
        assert.equal(answer.status, 500, id);
        assert.deepEqual(Object.keys(answer.body as object).sort(), ["code", "message", "request_id"]);
        assert.deepEqual(await fingerprint(metadata, BACKGROUND), unchanged, `${id} happened without a record`);
      }
    } finally {
      await metadata.query("alter table audit_events drop constraint poisoned");
    }
  });

  test("the record cannot be changed or shortened", async () => {
    for (const statement of [
      "update audit_events set subject = 'x'",
      "delete from audit_events",
      "truncate audit_events",
    ]) {
      await assert.rejects(metadata.query(statement), /append-only/, statement);
    }
  });
});
