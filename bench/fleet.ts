import pg from "pg";
import { cpuSeconds } from "../server/postgres/process.ts";
import { startServer } from "../test/harness/server.ts";
import { createProject } from "../test/harness/world.ts";
import { memoryOf, postgresCpu, postgresMemory } from "./memory.ts";

/**
 * Many projects on one machine: `node bench/fleet.ts [PROJECTS]`. How long the first and the last one take to make and a
 * list of them to be answered, what a compute takes while it runs and nobody uses it, and while it is suspended, and how
 * long a server is away that is killed, or stopped, while all of them run.
 */
const PROJECTS = Number(process.argv[2] ?? 200);
const SOME = 10;
/** Suspensions and starts under way at a time. */
const AT_ONCE = 4;
/** So long it is looked how much processor time all that costs while nobody asks for anything. */
const IDLE_MS = 20_000;

const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0;
const shown = (value: number, digits = 0) => Number(value.toFixed(digits));
const told = (values: readonly number[]) => ({ p50: shown(quantile(values, 0.5)), max: shown(Math.max(...values)) });

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function forEach<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

const server = await startServer(undefined, { LATCHKEY_LOG_LEVEL: "warn" });
try {
  const { api_key: key, org_id } = await server.setup();
  const own = () => memoryOf(server.pid) + postgresMemory(`${server.data_dir}/`).total_mb - computes().total_mb;
  const computes = () => postgresMemory(`${server.data_dir}/local/`);
  const empty_mb = own();
  const lists = async () => {
    const took: number[] = [];
    for (let i = 0; i < 20; i++) {
      took.push(await timed(() => server.expect(200, "GET", `/projects?limit=400&org_id=${org_id}`, { key })));
    }
    return told(took);
  };

  /** Of one core. */
  const idlePercent = async () => {
    const used = () => {
      const all = postgresCpu(`${server.data_dir}/`);
      const of_computes = postgresCpu(`${server.data_dir}/local/`);
      return { server: cpuSeconds(server.pid) ?? 0, database: all - of_computes, computes: of_computes };
    };
    const before = used();
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const after = used();
    const percent = (one: keyof typeof before) => shown(((after[one] - before[one]) * 1e5) / IDLE_MS, 1);
    return { server: percent("server"), database: percent("database"), computes: percent("computes") };
  };

  const made: { id: string; endpoint: string; uri: string }[] = [];
  const creates: number[] = [];
  let list_of_some = told([0]);
  for (let i = 0; i < PROJECTS; i++) {
    creates.push(
      await timed(async () => {
        const { project, endpoints, connection_uris } = await createProject(server, key, org_id, `p${i}`);
        await server.settle(project.id, key);
        made.push({
          id: project.id,
          endpoint: endpoints[0]?.id ?? "",
          uri: connection_uris[0]?.connection_uri.replace("sslmode=require", "sslmode=no-verify") ?? "",
        });
      }),
    );
    if (i + 1 === SOME) list_of_some = await lists();
  }

  const act = (action: "start" | "suspend") =>
    forEach(made, async ({ id, endpoint }) => {
      await server.expect(200, "POST", `/projects/${id}/endpoints/${endpoint}/${action}`, { key });
      await server.settle(id, key);
    });
  await act("start");
  const running = computes();
  const running_own_mb = own();
  const running_idle = await idlePercent();
  const query = async ({ uri }: { uri: string }) => {
    const client = new pg.Client({ connectionString: uri, enableChannelBinding: true });
    await client.connect();
    await client.query("select 1");
    await client.end();
  };
  const awake: number[] = [];
  for (const one of made.slice(-SOME * 2)) awake.push(await timed(() => query(one)));

  await server.kill();
  const ready_after_kill_ms = await timed(() => server.start());
  const stop_ms = await timed(() => server.stop());
  const ready_after_stop_ms = await timed(() => server.start());
  const all_run_ms = await timed(async () => {
    while (computes().servers < made.length) await new Promise((resolve) => setTimeout(resolve, 100));
  });

  await act("suspend");
  const suspended = computes();
  const suspended_own_mb = own();
  const suspended_idle = await idlePercent();
  const wakes: number[] = [];
  for (const one of made.slice(-SOME * 2)) wakes.push(await timed(() => query(one)));

  const figures = {
    projects: PROJECTS,
    create_ms: { first: told(creates.slice(0, SOME)), last: told(creates.slice(-SOME)) },
    list_ms: { [SOME]: list_of_some, [PROJECTS]: await lists() },
    computes_running: running.servers,
    running_compute_mb: shown(running.total_mb / Math.max(1, running.servers), 1),
    computes_left_when_suspended: suspended.servers,
    server_and_database_mb: {
      without_projects: shown(empty_mb),
      all_running: shown(running_own_mb),
      all_suspended: shown(suspended_own_mb),
    },
    suspended_compute_mb: shown((suspended_own_mb - empty_mb) / PROJECTS, 2),
    idle_percent_of_a_core: { all_running: running_idle, all_suspended: suspended_idle },
    server_away_ms: {
      until_ready_after_kill: shown(ready_after_kill_ms),
      stop_with_all_running: shown(stop_ms),
      until_ready_after_stop: shown(ready_after_stop_ms),
      until_all_run_again: shown(ready_after_stop_ms + all_run_ms),
    },
    first_query_ms: { awake: told(awake), suspended: told(wakes) },
  };
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
} finally {
  await server.close();
}
