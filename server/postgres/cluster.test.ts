import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chown, mkdir, readdir, readFile, rmdir, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { adoptCluster, type Cluster, type ClusterConfig, findCluster, hasConfig, startCluster } from "./cluster.ts";
import { asAccount, runCommand } from "./command.ts";
import { findPostmaster, readPidFile, SUPERUSER } from "./data-directory.ts";
import { PostgresError } from "./errors.ts";
import { silent } from "./events.ts";
import { canEnter, makePassage } from "./files.ts";
import { measureConfig } from "./measure-config.ts";
import { isAlive } from "./process.ts";
import type { RunningCluster } from "./running-cluster.ts";
import type { Settings } from "./settings.ts";
import { socketDirectoryFor } from "./socket-directory.ts";
import {
  copyTree,
  environmentOf,
  freePort,
  initTestCluster,
  killPostmaster,
  makePlace,
  newPassword,
  type Place,
  until,
  withSession,
} from "./testing.ts";

const password = newPassword();
const cleanUps: (() => Promise<void> | void)[] = [];
let template: Place;

// One initdb for all tests: it takes most of a second.
before(async () => {
  template = await makePlace({ after: (work) => cleanUps.push(work as () => Promise<void>) });
  await initTestCluster(join(template.dataDir, "data"), template, password);
});
after(async () => {
  for (const cleanUp of cleanUps) await cleanUp();
});

async function makeCluster(t: TestContext, folder = "room"): Promise<Cluster & { config: ClusterConfig }> {
  const { dataDir, binaries, account } = await makePlace(t);
  let room = dataDir;
  for (const name of folder.split("/")) {
    room = join(room, name);
    await makePassage(room, account);
  }
  const directory = join(room, "data");
  await copyTree(join(template.dataDir, "data"), directory);
  const config: ClusterConfig = {
    port: await freePort(),
    settings: { listen_addresses: "127.0.0.1", shared_buffers: "16MB" },
    access: ["local all all scram-sha-256", "host all all all scram-sha-256"],
  };
  const socketDirectory = socketDirectoryFor(join(room, "socket"));
  return { directory, logFile: join(room, "log"), socketDirectory, binaries, account, log: silent, config };
}

const login = ({ socketDirectory, port }: RunningCluster) => ({
  host: socketDirectory,
  port,
  user: SUPERUSER,
  password,
  database: "postgres",
});

/** A session that would be busy for a minute; resolves when it has been ended. */
async function occupy(running: RunningCluster): Promise<void> {
  await assert.rejects(withSession(login(running), (session) => session.query("SELECT pg_sleep(60)")));
}

const untilBusy = (running: RunningCluster) =>
  until("the session is busy", () =>
    withSession(login(running), async (session) => {
      const { rows } = await session.query("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
      return rows.length === 1;
    }),
  );

/** Of a data directory, as far as a server without work leaves them as they are. */
const listFiles = async (directory: string) => [
  ...(await readdir(directory)),
  ...(await readdir(join(directory, "global"))),
];

const hasCode = (code: string) => (error: unknown) => error instanceof PostgresError && error.code === code;

test("a server that needs longer than it is waited for goes on, and is waited for again", async (t) => {
  const cluster = await makeCluster(t);
  await assert.rejects(startCluster(cluster, cluster.config, 1), hasCode("start_timeout"));
  await until("its process is known", () => findPostmaster(cluster.directory) !== undefined);
  const starting = findPostmaster(cluster.directory);
  const adopted = await adoptCluster(cluster);
  assert.equal(adopted?.pid, starting?.pid);
  await adopted?.stop();

  await assert.rejects(startCluster(cluster, cluster.config, 1), hasCode("start_timeout"));
  await until("its process is known", () => findPostmaster(cluster.directory) !== undefined);
  // However far it is.
  await findCluster(cluster)?.stop();
  assert.equal(findPostmaster(cluster.directory), undefined);
});

test("a server starts, answers, stops cleanly and starts again", async (t) => {
  const cluster = await makeCluster(t);
  for (let round = 0; round < 2; round++) {
    const running = await startCluster(cluster, cluster.config);
    await withSession(login(running), async (session) => {
      const { rows } = await session.query(
        "SELECT current_setting('data_checksums') AS sums, 'é' < upper('é') AS unicode",
      );
      assert.equal(rows[0].sums, "on");
    });
    await running.stop();
    assert.deepEqual(await running.end, { asked: true, reason: "exit code 0" });
    assert.equal(readPidFile(cluster.directory), undefined);
    await assert.rejects(stat(cluster.socketDirectory), { code: "ENOENT" });
  }
});

test("a wrong password and a role without one are refused on the socket and over TCP", async (t) => {
  const cluster = await makeCluster(t);
  const running = await startCluster(cluster, cluster.config);
  await withSession(login(running), (session) => session.query("CREATE ROLE bare LOGIN"));
  for (const host of [running.socketDirectory, "127.0.0.1"]) {
    for (const user of [SUPERUSER, "bare"]) {
      const attempt = withSession({ ...login(running), host, user, password: "guess" }, async () => {});
      await assert.rejects(attempt, { code: "28P01" });
    }
  }
});

test("a server's processes do not carry our environment, where our secrets are", async (t) => {
  process.env.LATCHKEY_TEST_SECRET = newPassword();
  t.after(() => delete process.env.LATCHKEY_TEST_SECRET);
  const cluster = await makeCluster(t);
  const running = await startCluster(cluster, cluster.config);
  if (process.platform !== "linux") return t.skip("needs /proc");
  const environment = await environmentOf(running.pid);
  assert.ok(!environment.includes("LATCHKEY"));
  assert.ok(!environment.includes(process.env.LATCHKEY_TEST_SECRET ?? ""));
});

test("a TCP port that is taken is told apart from every other failure", async (t) => {
  const cluster = await makeCluster(t);
  const stranger = createServer();
  await new Promise<void>((resolve) => stranger.listen(cluster.config.port, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => stranger.close(resolve)));
  await assert.rejects(startCluster(cluster, cluster.config), hasCode("port_taken"));
  assert.equal(findPostmaster(cluster.directory), undefined);
});

test("a value that PostgreSQL refuses is told as such", async (t) => {
  const cluster = await makeCluster(t);
  const settings = { ...cluster.config.settings, work_mem: "plenty" };
  await assert.rejects(startCluster(cluster, { ...cluster.config, settings }), hasCode("setting_refused"));
});

test("a server that the machine has not the memory for is told as such", async (t) => {
  const overcommits = await readFile("/proc/sys/vm/overcommit_memory", "utf8").catch(() => "1");
  if (overcommits.trim() === "1") return t.skip("the kernel gives more memory than there is");
  const cluster = await makeCluster(t);
  const settings = { ...cluster.config.settings, max_locks_per_transaction: 1_000_000_000 };
  await assert.rejects(startCluster(cluster, { ...cluster.config, settings }), hasCode("no_memory"));
});

test("a configuration is tried without a server, and the one that runs does not notice", async (t) => {
  const cluster = await makeCluster(t);
  const measure = (settings: Settings) =>
    measureConfig(
      cluster,
      { ...cluster.config, settings: { ...cluster.config.settings, ...settings } },
      `${cluster.directory}.tried`,
    );
  const running = await startCluster(cluster, cluster.config);
  await withSession(login(running), async (session) => {
    await session.query("SELECT FROM pg_class");
    const before = await listFiles(cluster.directory);
    const mebibytes = Number((await session.query("SHOW shared_memory_size")).rows[0].shared_memory_size.slice(0, -2));
    assert.equal(await measure({}), mebibytes * 1024 ** 2);
    assert.ok((await measure({ max_locks_per_transaction: 1_000_000_000 })) > 1e12);
    for (const settings of [{ work_mem: "plenty" }, { jit: "perhaps" }, { work_mem: "1kB" }, { no_such_thing: "1" }]) {
      await assert.rejects(measure(settings as unknown as Settings), hasCode("setting_refused"));
    }
    const beyond = { max_locks_per_transaction: 1_000_000_000, max_prepared_transactions: 262_143 };
    await assert.rejects(measure(beyond), hasCode("no_memory"));
    assert.equal((await session.query("SELECT 1 AS one")).rows[0].one, 1);
    assert.deepEqual(await listFiles(cluster.directory), before);
  });
  assert.ok(await hasConfig(cluster, cluster.config));
  assert.deepEqual(await readdir(join(cluster.directory, "..")), ["data", "log", "socket"]);
});

test("a damaged data directory fails with the server's own words", async (t) => {
  const cluster = await makeCluster(t);
  await writeFile(join(cluster.directory, "global", "pg_control"), "");
  await assert.rejects(startCluster(cluster, cluster.config), (error: unknown) => {
    return error instanceof PostgresError && error.code === "start_failed" && /pg_control/.test(error.message);
  });
});

test("a server that runs already is not started twice, and is adopted with its configuration", async (t) => {
  const cluster = await makeCluster(t);
  assert.equal(await adoptCluster(cluster), undefined);
  const first = await startCluster(cluster, cluster.config);
  await assert.rejects(startCluster(cluster, cluster.config), hasCode("in_use"));
  const adopted = await adoptCluster(cluster);
  assert.equal(adopted?.pid, first.pid);
  assert.ok(await hasConfig(cluster, cluster.config));
  assert.ok(!(await hasConfig(cluster, { ...cluster.config, settings: { work_mem: "1MB" } })));
  await adopted?.stop();
  assert.deepEqual(await first.end, { asked: false, reason: "exit code 0" });
});

test("a pid that has passed to another process is neither adopted nor harmed", async (t) => {
  const cluster = await makeCluster(t);
  const other = await makeCluster(t);
  // The hard case is another cluster's postmaster: the same program under the same account.
  const neighbour = await startCluster(other, other.config);
  const sleeper = spawn("sleep", ["60"], { ...asAccount(cluster.account), stdio: "ignore" });
  t.after(() => sleeper.kill("SIGKILL"));
  for (const pid of [neighbour.pid, sleeper.pid, process.pid]) {
    const lines = [pid, cluster.directory, 1, cluster.config.port, cluster.socketDirectory, "", "", "ready   ", ""];
    await writeFile(join(cluster.directory, "postmaster.pid"), lines.join("\n"));
    assert.equal(findPostmaster(cluster.directory), undefined);
    assert.equal(await adoptCluster(cluster), undefined);
    const running = await startCluster(cluster, cluster.config);
    assert.notEqual(running.pid, pid);
    await running.stop();
  }
  assert.ok(isAlive(neighbour.identity));
  assert.equal(sleeper.exitCode, null);
});

test("after a kill -9 in the middle of work the next start recovers what was committed", async (t) => {
  const cluster = await makeCluster(t);
  const running = await startCluster(cluster, cluster.config);
  await withSession(login(running), async (session) => {
    await session.query("CREATE TABLE t (n int)");
    await session.query("INSERT INTO t SELECT generate_series(1, 1000)");
  });
  // A backend that is busy outlives its postmaster for a moment, attached to the shared memory.
  const busy = occupy(running);
  await untilBusy(running);
  await killPostmaster(cluster.directory);
  assert.deepEqual(await running.end, { asked: false, reason: "SIGKILL" });
  const again = await startCluster(cluster, cluster.config);
  await busy;
  await withSession(login(again), async (session) => {
    assert.equal((await session.query("SELECT count(*)::int AS n FROM t")).rows[0].n, 1000);
  });
});

test("stopping grows harder by deadlines until the process has gone", async (t) => {
  const cluster = await makeCluster(t);
  const running = await startCluster(cluster, cluster.config);
  // A stopped process acts on no signal but the last.
  process.kill(running.pid, "SIGSTOP");
  await running.stop("fast", { fast_ms: 30, immediate_ms: 30, kill_ms: 5_000 });
  assert.deepEqual(await running.end, { asked: true, reason: "SIGKILL" });
  assert.ok(!isAlive(running.identity));
});

test("sessions do not hold up a stop", async (t) => {
  const cluster = await makeCluster(t);
  const running = await startCluster(cluster, cluster.config);
  const busy = occupy(running);
  await untilBusy(running);
  const began = performance.now();
  await running.stop();
  assert.ok(performance.now() - began < 10_000);
  assert.deepEqual(await running.end, { asked: true, reason: "exit code 0" });
  await busy;
});

test("a data directory too deep for a unix socket gets a private short one, removed with the server", async (t) => {
  const cluster = await makeCluster(t, `${"deep".repeat(20)}/room`);
  assert.match(cluster.socketDirectory, /^\/tmp\/latchkey-[0-9a-f]{16}$/);
  const running = await startCluster(cluster, cluster.config);
  assert.equal((await stat(cluster.socketDirectory)).mode & 0o777, 0o700);
  assert.equal((await stat(cluster.socketDirectory)).uid, cluster.account.uid);
  await withSession(login(running), (session) => session.query("SELECT 1"));
  await running.stop();
  await assert.rejects(stat(cluster.socketDirectory), { code: "ENOENT" });
});

test("a socket directory under /tmp that another user made first is refused", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs a second account");
  const cluster = await makeCluster(t, `${"deep".repeat(20)}/squat`);
  await mkdir(cluster.socketDirectory, { mode: 0o777 });
  t.after(() => rmdir(cluster.socketDirectory));
  await chown(cluster.socketDirectory, 65534, 65534);
  await assert.rejects(startCluster(cluster, cluster.config), hasCode("in_use"));
});

test("the server's account can pass through our directories but not list them", async (t) => {
  const cluster = await makeCluster(t);
  if (cluster.account.is_self) return t.skip("one account only");
  const room = join(cluster.directory, "..");
  assert.ok(await canEnter(cluster.account, room));
  await assert.rejects(runCommand("ls", [room], { account: cluster.account }), hasCode("command_failed"));
});

test("a log that has grown is turned over once at the next start", async (t) => {
  const cluster = await makeCluster(t);
  await writeFile(cluster.logFile, "x".repeat(2 * 1024 * 1024));
  const running = await startCluster(cluster, cluster.config);
  await running.stop();
  assert.ok((await stat(cluster.logFile)).size < 64 * 1024);
  assert.ok((await readdir(join(cluster.directory, ".."))).includes("log.1"));
  assert.ok(!(await readFile(cluster.logFile, "utf8")).includes(password));
});
