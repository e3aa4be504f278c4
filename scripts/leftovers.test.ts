import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import test, { type TestContext } from "node:test";
import { endProcesses, findLeftFiles, findLeftProcesses } from "./leftovers.ts";

async function makeDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "leftovers-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

const WAIT = ["-e", "process.stdout.write('up'); setInterval(() => {}, 1000)"];

for (const [how, start] of [
  ["an argument names the directory", (d: string) => spawn(process.execPath, [...WAIT, d])],
  ["it stands in the directory", (d: string) => spawn(process.execPath, WAIT, { cwd: d })],
  ["its TMPDIR is the directory", (d: string) => spawn(process.execPath, WAIT, { env: { TMPDIR: d } })],
] as const) {
  const skip = process.platform !== "linux" && how !== "an argument names the directory";
  test(`a process left behind is found and ended: ${how}`, { skip }, async (t) => {
    const directory = await makeDirectory(t);
    const child = start(directory);
    await once(child.stdout, "data");
    const left = await findLeftProcesses(directory, 0);
    assert.deepEqual(
      left.map(({ pid }) => pid),
      [child.pid],
    );
    endProcesses(left);
    await once(child, "exit");
    assert.deepEqual(await findLeftProcesses(directory, 0), []);
  });
}

test("a process that is about to end is waited for", async (t) => {
  const directory = await makeDirectory(t);
  const child = spawn(process.execPath, [...WAIT, directory]);
  await once(child.stdout, "data");
  const looking = findLeftProcesses(directory, 60_000);
  child.kill();
  assert.deepEqual(await looking, []);
});

test("a file left behind is found, and so is what lies in a folder", async (t) => {
  const directory = await makeDirectory(t);
  assert.deepEqual(await findLeftFiles(directory), []);
  await mkdir(join(directory, "data"));
  await writeFile(join(directory, "data", "file"), "");
  assert.deepEqual(await findLeftFiles(directory), [join(directory, "data"), join(directory, "data", "file")]);
});

test("a directory elsewhere that carries the run's name is found", async (t) => {
  const directory = await makeDirectory(t);
  const beside = await mkdtemp(join(tmpdir(), `other-${basename(directory)}-`));
  t.after(() => rm(beside, { recursive: true }));
  assert.deepEqual(await findLeftFiles(directory), [beside]);
});
