import pg from "pg";
import { startServer, type TestServer } from "../test/harness/server.ts";
import { memoryOf, postgresMemory } from "./memory.ts";

/**
 * The set-up figures of the README: `node bench/setup.ts`. A server of its own is started with a new data
 * directory, then again with the same one; projects are created and asked their first query over TLS.
 */
const PROJECTS = 10;

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const round = (value: number): number => Math.round(value);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function untilFirstQuery(server: TestServer, key: string, org_id: string): Promise<number> {
  return await timed(async () => {
    const { connection_uris } = await server.expect<{ connection_uris: { connection_uri: string }[] }>(
      201,
      "POST",
      "/projects",
      { key, body: { project: { org_id } } },
    );
    const connectionString = connection_uris[0]?.connection_uri.replace("sslmode=require", "sslmode=no-verify");
    for (;;) {
      const client = new pg.Client({ connectionString, enableChannelBinding: true });
      try {
        await client.connect();
        await client.query("select 1");
        return;
      } catch {
        // Not there yet: a client that retries is what a script would be.
        await new Promise((resolve) => setTimeout(resolve, 2));
      } finally {
        await client.end().catch(() => {});
      }
    }
  });
}

const server = await startServer();
try {
  await server.stop();
  const starts = [];
  for (let i = 0; i < 3; i++) {
    starts.push(await timed(() => server.start()));
    if (i < 2) await server.stop();
  }
  const { api_key, org_id } = await server.setup();
  const server_mb = memoryOf(server.pid);
  const creates: number[] = [];
  for (let i = 0; i < PROJECTS; i++) {
    creates.push(await untilFirstQuery(server, api_key, org_id));
    // As a person would: the pool of prepared clusters has time to fill again.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
  }
  const { servers: computes, total_mb } = postgresMemory(`${server.data_dir}/local/`);
  process.stdout.write(
    `${JSON.stringify(
      {
        start_until_ready_ms: round(median(starts)),
        project_create_until_first_query_ms: { p50: round(median(creates)), max: round(Math.max(...creates)) },
        idle_server_mb: round(server_mb),
        idle_compute_mb: Number((total_mb / Math.max(1, computes)).toFixed(1)),
        computes,
      },
      null,
      2,
    )}\n`,
  );
} finally {
  await server.close();
}
