import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { startServer } from "../test/harness/server.ts";
import { createProject } from "../test/harness/world.ts";

/**
 * pgbench through the gateway while its compute is suspended again and again: `node bench/endurance.ts [SECONDS]`, 300 unless
 * told, with `pgbench` and `psql` of the system. Every second run of pgbench is cut off by a suspension, every one wakes the
 * compute by connecting. It fails when a transaction is torn, an answer is lost that was given, or a client is stuck.
 */
const SECONDS = Number(process.argv[2] ?? 300);
const RUN_SECONDS = 4;
const CLIENTS = 4;
const SCALE = 4;
/** A client that has not ended by then is stuck. */
const STUCK_MS = 30_000;

const run = promisify(execFile);
if (spawnSync("pgbench", ["--version"]).error) throw new Error("pgbench is not installed");

const server = await startServer(undefined, { LATCHKEY_LOG_LEVEL: "warn" });
try {
  const { api_key: key, org_id } = await server.setup();
  const { project, endpoints, connection_uris } = await createProject(server, key, org_id);
  await server.settle(project.id, key);
  const at = `/projects/${project.id}/endpoints/${endpoints[0]?.id}`;
  const uri = new URL(connection_uris[0]?.connection_uri ?? "");
  const env = {
    ...{
      PATH: process.env.PATH,
      PGHOST: uri.hostname,
      PGPORT: uri.port,
      PGUSER: uri.username,
      PGPASSWORD: uri.password,
    },
    ...{ PGDATABASE: uri.pathname.slice(1), PGSSLMODE: "require", PGCHANNELBINDING: "require" },
  };
  const ended = async (command: string, args: readonly string[]) =>
    await run(command, args, { env, timeout: STUCK_MS, killSignal: "SIGKILL" }).then(
      ({ stdout }) => ({ code: 0, stdout, stderr: "" }),
      (error: { code: number | null; stdout: string; stderr: string; killed: boolean }) => {
        assert.ok(!error.killed, `${command} was stuck`);
        return { code: error.code ?? -1, stdout: error.stdout, stderr: error.stderr };
      },
    );
  const suspend = async () => {
    await server.expect(200, "POST", `${at}/suspend`, { key });
    await server.settle(project.id, key);
  };
  const sums = async () => {
    const sql = `select (select count(*) from pgbench_history), (select sum(delta) from pgbench_history),
      (select sum(abalance) from pgbench_accounts), (select sum(tbalance) from pgbench_tellers),
      (select sum(bbalance) from pgbench_branches), (select count(*) from pgbench_accounts)`;
    const { code, stdout, stderr } = await ended("psql", ["-XAtc", sql]);
    assert.equal(code, 0, stderr);
    return stdout.trim().split("|").map(Number);
  };

  assert.equal((await ended("pgbench", ["-i", "-q", "-s", String(SCALE)])).code, 0);
  const until = performance.now() + SECONDS * 1000;
  let [runs, cut_off, answered, kept] = [0, 0, 0, 0];
  while (performance.now() < until) {
    const cut = runs % 2 === 1;
    const working = ended("pgbench", ["-n", "-c", String(CLIENTS), "-j", "2", "-T", String(RUN_SECONDS)]);
    if (cut) {
      await delay((RUN_SECONDS * 1000) / 2);
      await suspend();
    }
    const { code, stdout, stderr } = await working;
    runs++;
    if (cut) {
      assert.notEqual(code, 0, "a suspension ended no session");
      assert.match(stderr, /terminating connection due to administrator command|compute has stopped|server closed/);
      cut_off++;
    } else {
      assert.equal(code, 0, stderr);
    }
    const done = Number(/actually processed: (\d+)/.exec(stdout)?.[1] ?? 0);
    await suspend();
    const [rows = 0, delta, accounts, tellers, branches, count] = await sums();
    assert.deepEqual(
      [accounts, tellers, branches, count],
      [delta, delta, delta, SCALE * 100_000],
      "a torn transaction",
    );
    assert.ok(rows >= kept + done, `${kept + done} transactions were answered, ${rows} are there`);
    // Of clients that are cut off, each may have committed one whose answer it did not get.
    assert.ok(rows <= kept + done + (cut ? CLIENTS : 0), `${rows} are there, ${kept + done} were answered`);
    [kept, answered] = [rows, answered + done];
  }
  const figures = { seconds: SECONDS, runs, cut_off, wakes: runs * 2, transactions_answered: answered, kept };
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
} finally {
  await server.close();
}
