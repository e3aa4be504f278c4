import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { createNeonClient } from "@neon/sdk";
import { ensurePsql, NEON_VERSION, NeonCli, run } from "../harness/neon-cli.ts";
import { type SetupLine, startServer, type TestServer } from "../harness/server.ts";

/** Sizes of computes as the real `neon` command and `@neon/sdk` ask for them. The machine needs two processors and 8 GB. */
interface Made {
  readonly project: { readonly id: string; readonly proxy_host: string };
  readonly connection_uris: readonly { readonly connection_uri: string }[];
}

const SIZE = "select current_setting('max_connections') || ' ' || current_setting('shared_buffers')";
const [SMALLEST, HALF, ONE, TWO] = ["104 16MB", "209 512MB", "419 1GB", "839 2GB"];

suite(`sizes by neon CLI ${NEON_VERSION} and @neon/sdk`, () => {
  let server: TestServer;
  let person: SetupLine;
  let cli: NeonCli;
  let made: Made;

  before(async () => {
    await ensurePsql();
    server = await startServer(undefined, { LATCHKEY_PGBOUNCER: "off" });
    person = await server.setup();
    cli = await NeonCli.open(server, person.api_key);
  });
  after(async () => {
    await server?.close();
    await cli?.close();
  });

  const neon = async (...args: string[]) => await cli.json<Made>(...args, "--project-id", made.project.id);
  const settle = () => server.settle(made.project.id, person.api_key);
  async function sizeAt(uri: string | undefined): Promise<string> {
    const { code, stdout, stderr } = await run("psql", [uri ?? "", "-XAtc", SIZE]);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  }
  async function sizeOf(branch: string): Promise<string> {
    const args = ["connection-string", branch, "--database-name", "neondb", "--role-name", "neondb_owner"];
    return await sizeAt((await cli.ok(...args, "--project-id", made.project.id)).trim());
  }

  test("projects create --cu makes a compute of that size, and branches of it have it, too", async () => {
    made = await cli.json<Made>("projects", "create", "--org-id", person.org_id, "--cu", "1");
    await settle();
    assert.equal(await sizeAt(made.connection_uris[0]?.connection_uri), ONE);
    await neon("branches", "create", "--name", "usual");
    await settle();
    assert.equal(await sizeOf("usual"), ONE);
  });

  test("branches create --cu with a range gives the most of it", async () => {
    const branch = await neon("branches", "create", "--name", "wide", "--cu", "0.5-2");
    await settle();
    assert.equal(await sizeAt(branch.connection_uris[0]?.connection_uri), TWO);
  });

  test("projects update --cu is for the computes that come, and add-compute --cu for its own", async () => {
    await cli.ok("projects", "update", made.project.id, "--cu", "0.25");
    await neon("branches", "create", "--name", "bare", "--no-compute");
    await settle();
    await neon("branches", "add-compute", "bare", "--type", "read_write", "--cu", "0.5");
    await neon("branches", "create", "--name", "small");
    await settle();
    assert.deepEqual([await sizeOf("bare"), await sizeOf("small"), await sizeOf("usual")], [HALF, SMALLEST, ONE]);
  });

  test("a size that the machine has not got is refused with its figures", async () => {
    const { code, stderr } = await cli.run("projects", "update", made.project.id, "--cu", "56");
    assert.notEqual(code, 0);
    assert.match(
      stderr,
      /56 processors and 224 GB of memory, and its machine has \d+ and \d+\.\d GB: choose \d+ CU or less/,
    );
  });

  test("the compute of @neon/sdk's own example is made, and another size of it restarts it", async () => {
    const sdk = createNeonClient({
      ...{ apiKey: person.api_key, baseUrl: server.api, orgId: person.org_id, throwOnError: true },
      wait: { pollIntervalMs: 50 },
    });
    const projectId = made.project.id;
    const { endpoint, connectionString } = await sdk.branches.createAndConnect({
      ...{ projectId, name: "by-sdk", pooled: false },
      compute: { minCu: 0.25, maxCu: 2 },
    });
    assert.equal(await sizeAt(connectionString), TWO);
    const limits = { autoscaling_limit_min_cu: 0.25, autoscaling_limit_max_cu: 0.5 };
    await server.expect(200, "PATCH", `/projects/${projectId}/endpoints/${endpoint.id}`, {
      ...{ key: person.api_key, body: { endpoint: limits } },
    });
    await settle();
    assert.equal(await sizeAt(connectionString), HALF);
  });

  test("without a domain and a pooler nothing else is told", async () => {
    assert.equal(made.project.proxy_host, "127.0.0.1");
    const { endpoints } = await server.expect<{ endpoints: { proxy_host: string; pooler_enabled: boolean }[] }>(
      ...([200, "GET", `/projects/${made.project.id}/endpoints`, { key: person.api_key }] as const),
    );
    assert.ok(endpoints.length > 1);
    for (const { proxy_host, pooler_enabled } of endpoints) {
      assert.deepEqual([proxy_host, pooler_enabled], ["127.0.0.1", false]);
    }
  });
});
