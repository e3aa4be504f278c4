import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { contracts, pathOf } from "../harness/contracts.ts";
import { neonOperations } from "../harness/neon-openapi.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { buildWorld, type World } from "../harness/world.ts";

/**
 * Every operation of Neon's document that is not ours, and every list that is always empty. The harness holds each
 * answer against the document.
 */
interface ErrorBody {
  readonly message: string;
  readonly code: string;
  readonly reason?: string;
}

/** What has none of something says so. Said here again on purpose: an answer that claims to be the truth is not to slip in. */
const EMPTY: Readonly<Record<string, object>> = {
  listProjectPermissions: { project_permissions: [] },
  getProjectJWKS: { jwks: [] },
  listProjectVPCEndpoints: { endpoints: [] },
  listNeonAuthIntegrations: { data: [] },
  listSnapshots: { snapshots: [] },
  getSnapshotSchedule: { schedule: [] },
  getMaskingRules: { masking_rules: [] },
  listOrganizationVPCEndpointsAllRegions: { endpoints: [] },
  listOrganizationVPCEndpoints: { endpoints: [] },
  getOrganizationSpendingLimit: { spending_limit_cents: null },
};

/** Lists of which "empty" would be a lie, each with the reason. */
const NO_LIST: Readonly<Record<string, string>> = {
  getProjectAdvisorSecurityIssues: "nothing has looked for issues",
  listProjectBranchBuckets: "clients take a list for a storage that is there",
  listProjectBranchBucketObjects: "there is no such bucket",
  listProjectBranchFunctions: "clients take a list for functions that can be deployed",
  listCredentials: "clients take a list for a service that gives credentials, and ask for one",
  listNeonAuthRedirectURIWhitelistDomains: "there is no Neon Auth to have them",
  listBranchNeonAuthTrustedDomains: "there is no Neon Auth to have them",
  listNeonAuthOauthProviders: "there is no Neon Auth to have them",
  listBranchNeonAuthOauthProviders: "there is no Neon Auth to have them",
};

suite("what is not offered", () => {
  let server: TestServer;
  let world: World;
  let params: Record<string, string>;
  const ours = new Set(contracts.map(({ id }) => id));
  const missing = neonOperations.filter(({ id }) => !ours.has(id));

  before(async () => {
    server = await startServer(undefined, { LATCHKEY_SIGN_UP: "open" });
    world = await buildWorld(server);
    const { branches } = await server.expect<{ branches: { id: string }[] }>(
      ...([200, "GET", `/projects/${world.project_id}/branches`, { key: world.admin.key }] as const),
    );
    params = { ...world, branch_id: branches[0]?.id ?? "", database_name: "neondb", region_id: "local" } as never;
  });
  after(() => server?.close());

  /** Real ids where there is such a thing, and one of the right form where there is not. */
  const fill = (path: string) => path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? "some-thing-1");
  const bodyFor = (method: string) => (method === "GET" || method === "DELETE" ? {} : { body: {} });

  test("every operation of Neon's that is not ours says that it is not available", async () => {
    assert.ok(missing.length > 50, `only ${missing.length} were found`);
    for (const { id, method, path } of missing) {
      const { key } = world.admin;
      const { status, body } = await server.call<ErrorBody>(method, fill(path), { key, ...bodyFor(method) });
      assert.equal(status, 404, `${id}: ${method} ${path}`);
      assert.match(body.message, /not available in Latchkey$/, id);
    }
  });

  test("none of them tells anything to whoever has no credential", async () => {
    for (const { id, method, path } of missing) {
      const { status } = await server.call(method, fill(path), bodyFor(method));
      assert.equal(status, 401, id);
    }
  });

  test("the refusal names the service, and has the reason that clients read", async () => {
    const branch = `/projects/${world.project_id}/branches/${params.branch_id}`;
    const refusal = async (path: string) => {
      const { body } = await server.call<ErrorBody>("GET", path, { key: world.admin.key });
      return [body.message.replace(" not available in Latchkey", ""), body.reason];
    };
    assert.deepEqual(await refusal(`${branch}/storage?x=1`), ["object storage", "region_unavailable"]);
    assert.deepEqual(await refusal(`${branch}/ai_gateway`), ["AI gateway", "ai_gateway_unavailable"]);
    assert.deepEqual(await refusal(`${branch}/buckets`), ["object storage", undefined]);
    assert.deepEqual(await refusal(`${branch}/credentials`), ["platform credentials", undefined]);
    assert.deepEqual(await refusal(`${branch}/data-api/neondb`), ["Data API", undefined]);
    assert.deepEqual(await refusal(`${branch}/auth`), ["Neon Auth", undefined]);
    assert.deepEqual(await refusal(`/projects/${world.project_id}/auth/domains`), ["Neon Auth", undefined]);
    assert.deepEqual(await refusal(`/projects/${world.project_id}/snapshots/x`), ["snapshots", undefined]);
    assert.deepEqual(await refusal("/users/me/nothing"), ["this operation is", undefined]);
  });

  test("a field or value of Neon's that is not offered is refused by name, and one that nobody knows otherwise", async () => {
    const { key } = world.admin;
    const project = `/projects/${world.project_id}`;
    const branch = `${project}/branches/${params.branch_id}`;
    const refusal = async (method: string, path: string, body?: object) => {
      const options = { key, ...(body === undefined ? {} : { body }) };
      return (await server.expect<{ message: string }>(400, method, path, options)).message;
    };
    const source_branch_id = params.branch_id;
    const named: [string, string, string, object?][] = [
      ["parent_lsn", "POST", `${project}/branches`, { branch: { parent_lsn: "0/16B3748" } }],
      ["parent_timestamp", "POST", `${project}/branches`, { branch: { parent_timestamp: "2024-01-01T00:00:00Z" } }],
      ["source_lsn", "POST", `${branch}/restore`, { source_branch_id, source_lsn: "0/16B3748" }],
      ["source_timestamp", "POST", `${branch}/restore`, { source_branch_id, source_timestamp: "2024-01-01T00:00:00Z" }],
      ["timestamp", "GET", `${branch}/schema?db_name=neondb&timestamp=2024-01-01T00:00:00Z`],
      ["base_lsn", "GET", `${branch}/compare_schema?db_name=neondb&base_lsn=0/16B3748`],
      [
        ...(["preload_libraries", "POST", `${project}/branches`] as const),
        { endpoints: [{ type: "read_write", settings: { preload_libraries: {} } }] },
      ],
    ];
    for (const [name, method, path, body] of named) {
      const message = await refusal(method, path, body);
      assert.ok(message.endsWith(`has a field that is not available in Latchkey: "${name}"`), message);
    }
    const read_only = { endpoints: [{ type: "read_only" }] };
    assert.equal(
      await refusal("POST", `${project}/branches`, read_only),
      '"endpoints.0.type" in the body must be "read_write": "read_only" is not available in Latchkey',
    );
    const unknown = await refusal("POST", `${project}/branches`, { branch: { surprise: 1 } });
    assert.match(unknown, /has a field that is not known here: "surprise"$/);
    const wrong = await refusal("POST", `${project}/branches`, { endpoints: [{ type: "secret" }] });
    assert.match(wrong, /must be "read_write"$/, "a value is not repeated");
  });

  test("every list of Neon's is ours, empty, or not available for a reason", () => {
    const undecided = missing.filter(({ id, is_list }) => is_list && !(id in NO_LIST)).map(({ id }) => id);
    assert.deepEqual(undecided, [], "answer them in contract/empty-lists.ts, or say in NO_LIST why there is no list");
    const idle = Object.keys(NO_LIST).filter((id) => !missing.some((operation) => operation.id === id));
    assert.deepEqual(idle, []);
  });

  for (const [id, expected] of Object.entries(EMPTY)) {
    test(`${id} answers the truth, which is that there is nothing, to those who may ask`, async () => {
      const found = contracts.find((contract) => contract.id === id);
      assert.ok(found);
      const path = pathOf(found, { params });
      for (const key of [world.admin.key, world.member.key, world.org_key]) {
        assert.deepEqual(await server.expect(200, "GET", path, { key }), expected);
      }
      const { status } = await server.call("GET", path, { key: world.stranger.key });
      assert.equal(status, path.startsWith("/projects/") ? 404 : 403);
      const elsewhere = path.replace(params.branch_id ?? "", "br-empty-field-00000000");
      if (elsewhere !== path) await server.expect(404, "GET", elsewhere, { key: world.admin.key });
    });
  }
});
