import { readdirSync, readFileSync } from "node:fs";
import pg from "pg";
import { startServer, type TestServer } from "../test/harness/server.ts";

/**
 * The set-up figures of the README: `node bench/setup.ts`. A server of its own is started with a new data
 * directory, then again with the same one; projects are created and asked their first query over TLS; the
 * memory is the proportional set size that the kernel accounts to each process.
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

/** Proportional set size in MB of a process and everything below it. */
function memoryOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) / 1024;
}

/** The postgres processes of computes below a data directory, by postmaster. */
function computeMemory(data_dir: string): { computes: number; total_mb: number } {
  let computes = 0;
  let total_mb = 0;
  const postmasters = new Set<number>();
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  for (const pid of processes) {
    const command = readIfThere(`/proc/${pid}/cmdline`);
    if (command.includes(`${data_dir}/local/`)) postmasters.add(pid);
  }
  for (const pid of processes) {
    const parent = Number(
      readIfThere(`/proc/${pid}/stat`)
        .replace(/^.*\) /, "")
        .split(" ")[1],
    );
    if (postmasters.has(pid) || postmasters.has(parent)) total_mb += memoryOf(pid);
    if (postmasters.has(pid)) computes += 1;
  }
  return { computes, total_mb };
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
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
  const { computes, total_mb } = computeMemory(server.data_dir);
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
