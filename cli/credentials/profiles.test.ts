import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { withFileLock } from "./file-lock.ts";
import { Profiles } from "./profiles.ts";

const HOST = "http://127.0.0.1:4400/api/v2";
const credential = (api_key: string) => ({ type: "api_key", host: HOST, api_key }) as const;

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "latchkey-profiles-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

const open = (path: string) => new Profiles(path, { LATCHKEY_KEYRING: "off" });

test("a credential comes back as it was kept, and nobody but its owner can read the file", async (t) => {
  const path = join(await directory(t), "new", "config");
  const profiles = open(path);
  const saved = await profiles.save("work", credential("lk_user_1"), "ada@example.com", true);
  assert.equal(saved.store, "file");
  assert.deepEqual(await profiles.credential("work"), credential("lk_user_1"));
  assert.equal((await stat(profiles.file)).mode & 0o777, 0o600);
  assert.equal((await stat(path)).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(path), ["profiles.json"]);
});

test("a file that others could read is private again after a change", async (t) => {
  const profiles = open(await directory(t));
  await profiles.save("a", credential("lk_user_1"), "", false);
  await chmod(profiles.file, 0o644);
  await profiles.save("b", credential("lk_user_2"), "", false);
  assert.equal((await stat(profiles.file)).mode & 0o777, 0o600);
});

test("a list of profiles holds no secret", async (t) => {
  const profiles = open(await directory(t));
  await profiles.save("a", credential("lk_user_1"), "ada@example.com", false);
  assert.ok(!JSON.stringify(await profiles.list()).includes("lk_user_1"));
});

test("a removed profile leaves nothing of its secret", async (t) => {
  const profiles = open(await directory(t));
  await profiles.save("a", credential("lk_user_1"), "", false);
  assert.equal(await profiles.remove("a"), true);
  assert.equal(await profiles.remove("a"), false);
  assert.ok(!(await readFile(profiles.file, "utf8")).includes("lk_user_1"));
});

test("names that could be mistaken for paths or options are refused", async (t) => {
  const profiles = open(await directory(t));
  for (const name of ["", "-a", "../a", "a b", "a/b", "a".repeat(65)]) {
    await assert.rejects(profiles.save(name, credential("lk_user_1"), "", false), { kind: "usage" }, name);
  }
});

test("a broken file is told of without its content", async (t) => {
  const profiles = open(await directory(t));
  await writeFile(profiles.file, '{"version":1,"profiles":{"a":lk_user_secret');
  await assert.rejects(profiles.list(), (error: Error) => !error.message.includes("lk_user_secret"));
});

test("a link to the file stays a link", async (t) => {
  const path = await directory(t);
  const target = join(path, "dotfiles.json");
  await writeFile(target, '{"version":1,"profiles":{}}');
  await mkdir(join(path, "config"));
  const profiles = open(join(path, "config"));
  await symlink(target, profiles.file);
  await profiles.save("a", credential("lk_user_1"), "", false);
  assert.match(await readFile(target, "utf8"), /lk_user_1/);
  assert.equal((await stat(target)).mode & 0o777, 0o600);
});

test("processes that save at once lose no profile", async (t) => {
  const path = await directory(t);
  const module = JSON.stringify(new URL("profiles.ts", import.meta.url).href);
  const saver = (name: string) => `
    import { Profiles } from ${module};
    await new Profiles(${JSON.stringify(path)}, { LATCHKEY_KEYRING: "off" })
      .save("${name}", { type: "api_key", host: "h", api_key: "k-${name}" }, "", false);`;
  const names = ["a", "b", "c", "d", "e", "f"];
  const codes = await Promise.all(
    names.map(async (name) => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", saver(name)], { stdio: "inherit" });
      return (await once(child, "exit"))[0];
    }),
  );
  assert.deepEqual(codes, [0, 0, 0, 0, 0, 0]);
  assert.deepEqual(Object.keys(await open(path).list()).toSorted(), names);
  assert.deepEqual(await readdir(path), ["profiles.json"]);
});

test("a lock whose owner has died, or that is old, holds nobody up", async (t) => {
  const file = join(await directory(t), "x");
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  await writeFile(`${file}.lock`, String(child.pid));
  assert.equal(await withFileLock(file, async () => "in"), "in");

  await writeFile(`${file}.lock`, String(process.pid));
  const long_ago = new Date(Date.now() - 10 * 60_000);
  await utimes(`${file}.lock`, long_ago, long_ago);
  assert.equal(await withFileLock(file, async () => "in"), "in");
});

test("of many that find an abandoned lock at once, one after the other gets it", async (t) => {
  const path = await directory(t);
  const file = join(path, "x");
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  let inside = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await delay(5);
    inside--;
  };
  for (let round = 0; round < 30; round++) {
    await writeFile(`${file}.lock`, String(child.pid));
    const comers = [0, 1, 2].map(async (late) => {
      // The one that looks while another one takes it is what this is about.
      for (let i = 0; i < late * (round % 12); i++) await stat(path);
      await withFileLock(file, work);
    });
    await Promise.all(comers);
  }
  assert.equal(most, 1);

  // A crash in the middle of clearing holds nobody up either.
  for (const left of [".lock", ".lock.clearing"]) await writeFile(`${file}${left}`, String(child.pid));
  await withFileLock(file, work);
  assert.deepEqual(await readdir(path), []);
});
