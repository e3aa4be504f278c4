import assert from "node:assert/strict";
import { lstat, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "./command.ts";
import { PostgresError } from "./errors.ts";
import { discard, makeOwned, prepareDataDir, removeLeftovers, writeOwned } from "./files.ts";
import { makePlace } from "./testing.ts";

test("a data directory below directories that do not exist yet is made passable, and only that", async (t) => {
  const { dataDir, account } = await makePlace(t);
  const deep = join(dataDir, "not", "there", "yet");
  await prepareDataDir(deep, account);
  await prepareDataDir(deep, account);
  assert.equal((await stat(deep)).mode & 0o027, 0);
  if (account.is_self) return;
  await runCommand("/bin/sh", ["-c", 'cd -- "$1"', "sh", deep], { account });
  await assert.rejects(runCommand("ls", [deep], { account }));
});

test("a data directory that the account cannot reach is refused with what to do", async (t) => {
  const { dataDir, account } = await makePlace(t);
  if (account.is_self) return t.skip("one account only");
  const closed = join(dataDir, "root-s-home");
  await mkdir(closed, { mode: 0o700 });
  await assert.rejects(prepareDataDir(join(closed, "data"), account), (error: unknown) => {
    assert.ok(error instanceof PostgresError && error.code === "unreachable_directory");
    assert.ok(error.message.includes(closed) && error.message.includes("LATCHKEY_DATA_DIR"));
    return true;
  });
  assert.equal((await stat(closed)).mode & 0o777, 0o700);
});

test("a link planted in the account's directory does not make us overwrite what it points to", async (t) => {
  const { dataDir, account } = await makePlace(t);
  const precious = join(dataDir, "precious");
  await writeFile(precious, "ours");
  const owned = join(dataDir, "owned");
  await makeOwned(owned, account);
  await symlink(precious, join(owned, "postgresql.conf"));
  await writeOwned(join(owned, "postgresql.conf"), "theirs", account);
  assert.equal(await readFile(precious, "utf8"), "ours");
  assert.ok((await lstat(join(owned, "postgresql.conf"))).isFile());
});

test("leftovers go while something still writes into them, and nothing else goes", async (t) => {
  const { dataDir } = await makePlace(t);
  await mkdir(join(dataDir, "data.init-1", "deep"), { recursive: true });
  await mkdir(join(dataDir, "data"));
  await mkdir(join(dataDir, "other.init-1"));
  const program = 'cd "$1/deep" && i=0; while [ $i -lt 300 ]; do : > $i || exit 1; i=$((i+1)); done';
  const writer = runCommand("/bin/sh", ["-c", program, "sh", join(dataDir, "data.init-1")]).catch(() => {});
  await removeLeftovers(join(dataDir, "data"), "init");
  await writer;
  await discard(join(dataDir, "was-never-there"));
  const names = (await runCommand("ls", ["-A", dataDir])).trim().split("\n");
  assert.deepEqual(names, ["data", "other.init-1"]);
});
