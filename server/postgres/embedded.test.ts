import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "./command.ts";
import { findPostmaster, SUPERUSER } from "./data-directory.ts";
import { attachEmbedded, type Embedded, type EmbeddedConnection, startEmbedded } from "./embedded.ts";
import { PostgresError } from "./errors.ts";
import { killPostmaster, makePlace, type Place, until, withSession } from "./testing.ts";

const dataOf = ({ dataDir }: Place) => join(dataDir, "postgres", "data");

/** A server in a process of its own, to be killed. */
async function startElsewhere({ dataDir, closing }: Place): Promise<ChildProcess> {
  const program = `
    import { findAccount } from ${JSON.stringify(import.meta.resolve("./account.ts"))};
    import { locateBinaries } from ${JSON.stringify(import.meta.resolve("./binaries.ts"))};
    import { startEmbedded } from ${JSON.stringify(import.meta.resolve("./embedded.ts"))};
    const [dataDir] = process.argv.slice(1);
    const account = findAccount();
    await startEmbedded({ dataDir, account, binaries: await locateBinaries({ dataDir, account }) });
    console.log("ready");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program, dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  closing.push(() => child.kill("SIGKILL"));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

const query = async (connection: EmbeddedConnection, text: string) =>
  withSession({ ...connection }, async (session) => (await session.query(text)).rows);

/** Stopped before the directory is deleted, whatever the test does. */
async function start(place: Place): Promise<Embedded> {
  const embedded = await startEmbedded(place);
  place.closing.push(() => embedded.stop());
  return embedded;
}

test("a killed server's database is adopted as it runs, and after a kill of everything its data is there", async (t) => {
  const place = await makePlace(t);
  assert.equal(await attachEmbedded(place.dataDir), undefined);
  const child = await startElsewhere(place);
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  const beside = await attachEmbedded(place.dataDir);
  assert.ok(beside);
  await query(beside, "CREATE TABLE kept AS SELECT 42 AS n");
  await assert.rejects(startEmbedded(place), (error) => error instanceof PostgresError && error.code === "in_use");

  await kill(child);
  const pid = findPostmaster(dataOf(place))?.pid;
  assert.ok(pid !== undefined);
  const adopted = await startEmbedded(place);
  assert.equal(findPostmaster(dataOf(place))?.pid, pid);
  assert.deepEqual(await query(adopted.connection, "SELECT n FROM kept"), [{ n: 42 }]);
  await adopted.stop();
  assert.equal(findPostmaster(dataOf(place)), undefined);
  assert.equal(await attachEmbedded(place.dataDir), undefined);

  const second = await startElsewhere(place);
  assert.ok(second.stdout);
  await once(second.stdout, "data");
  await kill(second);
  await killPostmaster(dataOf(place));
  const recovered = await start(place);
  assert.deepEqual(await query(recovered.connection, "SELECT n FROM kept"), [{ n: 42 }]);
});

test("an initdb that was killed half-way is done again and leaves nothing", async (t) => {
  const place = await makePlace(t);
  const child = await startElsewhere(place);
  const room = join(place.dataDir, "postgres");
  const halfDone = async () => (await readdir(room).catch(() => [])).some((name) => name.startsWith("data.init-"));
  await until("initdb is at work", halfDone);
  await kill(child);
  assert.equal(findPostmaster(dataOf(place)), undefined);
  const embedded = await start(place);
  assert.equal((await query(embedded.connection, "SELECT current_database() AS name"))[0]?.name, "latchkey");
  assert.deepEqual((await readdir(room)).sort(), ["data", "postgres.log", "socket"]);
});

test("the control plane's own database: who may enter it, and that it comes back", async (t) => {
  const place = await makePlace(t);
  const embedded = await start(place);
  const { connection } = embedded;

  await t.test("its role is no superuser, and the superuser cannot log in", async () => {
    const [row] = await query(connection, "SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user");
    assert.deepEqual(row, { rolsuper: false, rolcreaterole: false });
    for (const password of [connection.password, "guess"]) {
      await assert.rejects(query({ ...connection, user: SUPERUSER, password }, "SELECT 1"), { code: "28000" });
    }
    await assert.rejects(query({ ...connection, password: "guess" }, "SELECT 1"), { code: "28P01" });
  });

  await t.test("it listens on no TCP port", async () => {
    assert.deepEqual(await query(connection, "SHOW listen_addresses"), [{ listen_addresses: "" }]);
  });

  await t.test("its password is readable by this process's account alone", async (t) => {
    const file = join(place.dataDir, "postgres.password");
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await readFile(file, "utf8")).trim(), connection.password);
    if (place.account.is_self) return t.skip("one account only");
    await assert.rejects(runCommand("cat", [file], { account: place.account }));
  });

  await t.test("its password is in no file that the server writes", async () => {
    const room = join(place.dataDir, "postgres");
    const found = await runCommand("/bin/sh", ["-c", 'grep -rlF -f - -- "$1" || true', "sh", room], {
      input: `${connection.password}\n`,
    });
    assert.equal(found, "");
  });

  await t.test("when its process dies it is started again at the same address", async () => {
    const before = findPostmaster(dataOf(place))?.pid;
    await killPostmaster(dataOf(place));
    await until("it answers again", () =>
      query(connection, "SELECT 1").then(
        () => true,
        () => false,
      ),
    );
    assert.notEqual(findPostmaster(dataOf(place))?.pid, before);
  });

  await t.test("a lost password file is replaced", async () => {
    await embedded.stop();
    await rm(join(place.dataDir, "postgres.password"));
    const again = await start(place);
    assert.notEqual(again.connection.password, connection.password);
    assert.equal((await query(again.connection, "SELECT 1 AS one"))[0]?.one, 1);
  });
});
