import pg from "pg";
import { startServer, type TestServer } from "../test/harness/server.ts";
import type { CreatedProject } from "../test/harness/world.ts";
import { memoryOf, postgresMemory } from "./memory.ts";

/**
 * The set-up figures of the README: `node bench/setup.ts`. A server of its own is started with a new data
 * directory, then again with the same one; projects are created and asked their first query over TLS; then their
 * computes are suspended in turn and asked again, which wakes them, gateway included.
 */
const PROJECTS = 10;
/** Two hundred, so that the 99th percentile is not the slowest one alone. */
const WAKES = 200;

/** The smallest value that as many percent of the values do not exceed. */
const percentile = (values: number[], percent: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil((values.length * percent) / 100) - 1] ?? 0;
const median = (values: number[]): number => percentile(values, 50);
const round = (value: number): number => Math.round(value);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function ask(uri: string): Promise<void> {
  const connectionString = uri.replace("sslmode=require", "sslmode=no-verify");
  const client = new pg.Client({ connectionString, enableChannelBinding: true });
  try {
    await client.connect();
    await client.query("select 1");
  } finally {
    await client.end().catch(() => {});
  }
}

async function untilFirstQuery(server: TestServer, key: string, org_id: string) {
  const began = performance.now();
  const made = await server.expect<CreatedProject>(201, "POST", "/projects", { key, body: { project: { org_id } } });
  const uri = made.connection_uris[0]?.connection_uri ?? "";
  for (;;) {
    try {
      await ask(uri);
      return { took_ms: performance.now() - began, made, uri };
    } catch {
      // Not there yet: a client that retries is what a script would be.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

/** From the connection of a client to its first answer, the compute being at rest. */
async function untilAwake(server: TestServer, key: string, { made, uri }: { made: CreatedProject; uri: string }) {
  const endpoint = `/projects/${made.project.id}/endpoints/${made.endpoints[0]?.id}`;
  await server.expect(200, "POST", `${endpoint}/suspend`, { key });
  await server.settle(made.project.id, key);
  return await timed(() => ask(uri));
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
  const created = [];
  for (let i = 0; i < PROJECTS; i++) {
    created.push(await untilFirstQuery(server, api_key, org_id));
    // As a person would: the pool of prepared clusters has time to fill again.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
  }
  const creates = created.map(({ took_ms }) => took_ms);
  const { servers: computes, total_mb } = postgresMemory(`${server.data_dir}/local/`);
  const wakes: number[] = [];
  while (wakes.length < WAKES) for (const project of created) wakes.push(await untilAwake(server, api_key, project));
  process.stdout.write(
    `${JSON.stringify(
      {
        start_until_ready_ms: round(median(starts)),
        project_create_until_first_query_ms: { p50: round(median(creates)), max: round(Math.max(...creates)) },
        wake_until_first_query_ms: {
          ...{ p50: round(median(wakes)), p99: round(percentile(wakes, 99)), max: round(Math.max(...wakes)) },
          rounds: wakes.length,
        },
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
