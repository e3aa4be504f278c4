import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  access,
  appendFile,
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";

/** An npm that only notes that it was called, and then does what the lines say. */
const NPM = (lines: string) => `#!/bin/sh\necho call >> calls\necho noise\n${lines}\n`;
const INSTALLS = 'sleep 0.2; mkdir -p node_modules/node/bin && ln -sf "$REAL_NODE" node_modules/node/bin/node';

class Checkout {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  start(args: readonly string[], path = `${join(this.root, "bin")}:/usr/bin:/bin`): ChildProcess {
    return spawn(process.execPath, [join(this.root, "scripts", "run.mjs"), ...args], {
      env: { PATH: path, REAL_NODE: process.execPath },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  async run(args: readonly string[], path?: string) {
    const child = this.start(args, path);
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
      });
    }
    const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    return { code, signal, ...output };
  }

  async installations(): Promise<number> {
    return (await readFile(join(this.root, "calls"), "utf8").catch(() => "")).split("\n").length - 1;
  }
}

async function checkOut(t: TestContext, npm: string = INSTALLS): Promise<Checkout> {
  const root = await mkdtemp(join(tmpdir(), "launcher-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, "scripts"));
  await mkdir(join(root, "bin"));
  await cp(join(import.meta.dirname, "run.mjs"), join(root, "scripts", "run.mjs"));
  await writeFile(join(root, "package.json"), JSON.stringify({ workspaces: [] }));
  await writeFile(join(root, "package-lock.json"), JSON.stringify({ packages: { "": {} } }));
  await writeFile(join(root, "bin", "npm"), NPM(npm));
  await chmod(join(root, "bin", "npm"), 0o755);
  await writeFile(
    join(root, "say.ts"),
    "const word: string = process.argv[2] ?? ''; console.log(word); process.exitCode = 7;",
  );
  return new Checkout(root);
}

test("the first run installs, stdout is the script's alone, and the exit code is the script's", async (t) => {
  const checkout = await checkOut(t);
  const { code, stdout, stderr } = await checkout.run(["say.ts", "hello"]);
  assert.equal(stdout, "hello\n");
  assert.match(stderr, /installing dependencies/);
  assert.equal(code, 7);
});

test("what is installed is not installed again until the lock file or a package.json changes", async (t) => {
  const checkout = await checkOut(t);
  await checkout.run(["say.ts"]);
  assert.equal((await checkout.run(["say.ts"])).stderr, "");
  assert.equal(await checkout.installations(), 1);
  for (const file of ["package-lock.json", "package.json"]) {
    const before = await checkout.installations();
    await appendFile(join(checkout.root, file), "\n");
    await checkout.run(["say.ts"]);
    assert.equal(await checkout.installations(), before + 1, file);
  }
});

test("an installation made by hand is taken as it is when npm noted all that the lock file asks for", async (t) => {
  const checkout = await checkOut(t);
  const wanted = { version: "1.0.0", integrity: "sha512-x" };
  const own = "server/node_modules/a";
  const lock = { packages: { "": {}, [own]: wanted, "node_modules/b": { ...wanted, optional: true } } };
  await mkdir(join(checkout.root, own), { recursive: true });
  await writeFile(join(checkout.root, "package-lock.json"), JSON.stringify(lock));
  await mkdir(join(checkout.root, "node_modules", "node", "bin"), { recursive: true });
  await symlink(process.execPath, join(checkout.root, "node_modules", "node", "bin", "node"));
  const note = join(checkout.root, "node_modules", ".package-lock.json");
  await writeFile(note, JSON.stringify({ packages: { [own]: { ...wanted, version: "0.9.0" } } }));
  await checkout.run(["say.ts"]);
  assert.equal(await checkout.installations(), 1, "another version of a is installed over");

  await rm(join(checkout.root, "node_modules", ".latchkey-stamp"));
  await writeFile(note, JSON.stringify({ packages: { [own]: wanted } }));
  await checkout.run(["say.ts"]);
  assert.equal(await checkout.installations(), 1);

  await rm(join(checkout.root, own), { recursive: true });
  await checkout.run(["say.ts"]);
  assert.equal(await checkout.installations(), 2, "a workspace's modules are gone");
});

test("two launchers at once install once", async (t) => {
  const checkout = await checkOut(t);
  const results = await Promise.all([1, 2, 3].map(() => checkout.run(["say.ts", "x"])));
  assert.deepEqual(
    results.map(({ stdout }) => stdout),
    ["x\n", "x\n", "x\n"],
  );
  assert.equal(await checkout.installations(), 1);
  await assert.rejects(access(join(checkout.root, ".latchkey-install")), "the lock is gone");
});

test("the lock of a launcher that was killed does not stop the next one", async (t) => {
  const checkout = await checkOut(t);
  const gone = spawn("true");
  await once(gone, "exit");
  const lock = join(checkout.root, ".latchkey-install");
  await mkdir(lock);
  await writeFile(join(lock, "owner"), `${gone.pid} 00`);
  await utimes(lock, 0, 0);
  assert.equal((await checkout.run(["say.ts", "x"])).stdout, "x\n");
});

for (const [what, npm, words] of [
  ["npm fails", "exit 3", /could not be installed/],
  ["npm runs no install scripts", "mkdir -p node_modules/node", /npm rebuild node --ignore-scripts=false/],
] as const) {
  test(`a clear sentence and exit code 1 when ${what}`, async (t) => {
    const checkout = await checkOut(t, npm);
    const { code, stdout, stderr } = await checkout.run(["say.ts"]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /\n\s+at /, "no stack");
  });
}

test("a clear sentence when npm is missing", async (t) => {
  const checkout = await checkOut(t);
  const { code, stderr } = await checkout.run(["say.ts"], "/nonexistent");
  assert.equal(code, 1);
  assert.match(stderr, /npm was not found/);
});

test("a clear sentence when a package.json was changed without the lock file", async (t) => {
  const checkout = await checkOut(t);
  const changed = { workspaces: [], dependencies: { a: "1.0.0" } };
  await writeFile(join(checkout.root, "package.json"), JSON.stringify(changed));
  const { code, stderr } = await checkout.run(["say.ts"]);
  assert.equal(code, 1);
  assert.match(stderr, /do not agree/);
  assert.equal(await checkout.installations(), 0);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} sent to the launcher alone ends the script cleanly, and reaches it once`, async (t) => {
    const checkout = await checkOut(t);
    const script = `
      let count = 0;
      process.on("${signal}", () => { count++; setTimeout(() => { console.log("got", count); process.exit(0); }, 300); });
      setInterval(() => {}, 1000);
      console.log("up");`;
    await writeFile(join(checkout.root, "serve.ts"), script);
    const child = checkout.start(["serve.ts"]);
    let stdout = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      // npm passes a signal on that the launcher may have had already.
      if (text !== "up\n") return;
      child.kill(signal);
      setTimeout(() => child.kill(signal), 100);
    });
    const [code] = await once(child, "close");
    assert.equal(stdout, "up\ngot 1\n");
    assert.equal(code, 0);
  });
}

test("a script that a signal ended looks so from outside", async (t) => {
  const checkout = await checkOut(t);
  await writeFile(join(checkout.root, "die.ts"), 'process.kill(process.pid, "SIGKILL");');
  assert.equal((await checkout.run(["die.ts"])).signal, "SIGKILL");
});
