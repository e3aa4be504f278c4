import assert from "node:assert/strict";
import { chmod, lstat, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import test from "node:test";
import { findAccount } from "./account.ts";
import { locateBinaries, useRuntime } from "./binaries.ts";
import { runCommand } from "./command.ts";
import { PostgresError } from "./errors.ts";
import { copyTree, makePlace } from "./testing.ts";

const hasCode = (code: string) => (error: unknown) => error instanceof PostgresError && error.code === code;

test("PostgreSQL runs as an account without privileges", () => {
  const account = findAccount();
  assert.notEqual(account.uid, 0);
  assert.equal(account.is_self, process.getuid?.() !== 0);
});

test("the npm package's PostgreSQL is found and is recent enough", async (t) => {
  const { binaries } = await makePlace(t, "/tmp");
  assert.ok(binaries.major >= 15);
  assert.ok(binaries.version.startsWith(String(binaries.major)));
});

test("a directory without PostgreSQL is refused by name", async (t) => {
  const { dataDir, account } = await makePlace(t, "/tmp");
  await assert.rejects(locateBinaries({ directory: dataDir, dataDir, account }), hasCode("no_binaries"));
});

test("PostgreSQL 14 is refused", async (t) => {
  const { dataDir, account } = await makePlace(t, "/tmp");
  for (const program of ["postgres", "initdb"]) {
    const path = join(dataDir, program);
    await writeFile(path, "#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n");
    await chmod(path, 0o755);
  }
  await assert.rejects(locateBinaries({ directory: dataDir, dataDir, account }), hasCode("unsupported"));
});

test("a package whose install script was blocked, in a place closed to the account, is repaired or copied once", async (t) => {
  const { dataDir, account, binaries } = await makePlace(t, "/tmp");
  const home = join(dataDir, "home");
  const native = join(home, "package", "native");
  await mkdir(dirname(native), { recursive: true });
  await copyTree(dirname(dirname(binaries.postgres)), native);
  const links = await runCommand("find", [join(native, "lib"), "-maxdepth", "1", "-type", "l", "-name", "lib*"]);
  await Promise.all(
    links
      .trim()
      .split("\n")
      .map((link) => rm(link)),
  );
  // Root's clone under /root, or an ordinary user's read-only node_modules.
  const [closed, mode] = account.is_self ? [join(native, "lib"), 0o500] : [home, 0o700];
  await chmod(closed, mode);
  try {
    const found = await useRuntime({ native, version: "1.2.3" }, { dataDir, account });
    assert.equal(found.version, binaries.version);
    assert.ok(found.postgres.startsWith(join(dataDir, "pg-runtime", "1.2.3")));
    const before = await lstat(found.postgres);
    const again = await useRuntime({ native, version: "1.2.3" }, { dataDir, account });
    assert.equal((await lstat(again.postgres)).ino, before.ino);
  } finally {
    await chmod(closed, 0o700);
  }
});

test("missing links are made in place where that is possible", async (t) => {
  const { dataDir, account, binaries } = await makePlace(t, "/tmp");
  const native = join(dataDir, "package", "native");
  await mkdir(join(native, "lib"), { recursive: true });
  const original = dirname(dirname(binaries.postgres));
  await symlink(join(original, "bin"), join(native, "bin"));
  await writeFile(
    join(native, "pg-symlinks.json"),
    JSON.stringify([{ source: "native/lib/a.so.1", target: "native/lib/a.so" }]),
  );
  await runCommand("chmod", ["-R", "go+rX", join(dataDir, "package")]);
  const found = await useRuntime({ native, version: "1" }, { dataDir, account });
  assert.equal(basename(dirname(dirname(found.postgres))), "native");
  assert.ok((await lstat(join(native, "lib", "a.so"))).isSymbolicLink());
});
