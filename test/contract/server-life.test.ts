import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { findLeftProcesses } from "../../scripts/leftovers.ts";
import { socketDirectoryFor } from "../../server/postgres/socket-directory.ts";
import { holdBack } from "../harness/held-back.ts";
import { freePort, runProgram, startServer, TestServer, waitFor } from "../harness/server.ts";
import { createProject } from "../harness/world.ts";

const MAIN = "server/main.ts";

async function newDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "latchkey-life-"));
  // PostgreSQL may run as another account, which must be able to pass through to what lies below.
  await chmod(directory, 0o711);
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function assertNothingRuns(data_dir: string): Promise<void> {
  assert.deepEqual(await findLeftProcesses(data_dir), []);
}

test("an unknown setting is refused with the nearest known name, and every mistake is told at once", async (t) => {
  const data_dir = await newDirectory(t);
  const env = { LATCHKEY_DATA_DIR: data_dir, LATCHKEY_PROT: "1", LATCHKEY_LOG_LEVEL: "loud", LATCHKEY_HOTS: "x" };
  const { code, stderr, stdout } = await runProgram(MAIN, [], env);
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /LATCHKEY_PROT is not a setting; did you mean LATCHKEY_PORT\?/);
  assert.match(stderr, /LATCHKEY_HOTS is not a setting; did you mean LATCHKEY_HOST\?/);
  assert.match(stderr, /LATCHKEY_LOG_LEVEL must be one of/);
  assert.ok(!stderr.includes("    at "), "a stack is not for the person at the terminal");
  assert.deepEqual(await readdir(data_dir), [], "and nothing was touched");
});

test("a setting with a wrong value is refused without repeating the value, which may be a secret", async () => {
  const secrets = {
    LATCHKEY_SECRET_KEY: "a-secret-with-a-typing-error",
    LATCHKEY_METRICS_TOKEN: "too-short-token",
    DATABASE_URL: "postgress://someone:hunter2@db/x",
    LATCHKEY_SMTP_URL: "http://mail:hunter3@smtp/x",
  };
  const { code, stderr, stdout } = await runProgram(MAIN, ["--print-config"], secrets);
  assert.equal(code, 1);
  for (const name of Object.keys(secrets)) assert.ok(stderr.includes(name), name);
  for (const value of Object.values(secrets)) assert.ok(!(stderr + stdout).includes(value), value);
  assert.ok(!/hunter/.test(stderr + stdout));
});

test("--print-config shows every setting, with its secrets redacted, and starts nothing", async (t) => {
  const data_dir = await newDirectory(t);
  const secrets = {
    LATCHKEY_SECRET_KEY: "A".repeat(43),
    LATCHKEY_METRICS_TOKEN: "metrics-token-of-the-test",
    DATABASE_URL: "postgres://someone:hunter2@db.example/x",
    LATCHKEY_SMTP_URL: "smtp://mail:hunter3@smtp.example",
  };
  const env = { ...secrets, LATCHKEY_DATA_DIR: data_dir, LATCHKEY_PORT: "4567" };
  const { code, stdout, stderr } = await runProgram(MAIN, ["--print-config"], env);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^LATCHKEY_PORT=4567\b/m);
  assert.match(stdout, new RegExp(`^LATCHKEY_DATA_DIR=${data_dir}`, "m"));
  for (const [name, value] of Object.entries(secrets)) {
    assert.match(stdout, new RegExp(`^${name}=\\[redacted\\]`, "m"));
    assert.ok(!stdout.includes(value));
  }
  assert.deepEqual(await readdir(data_dir), []);
});

test("an unknown option is refused with the usage", async () => {
  const { code, stderr } = await runProgram(MAIN, ["--prot", "1"], {});
  assert.equal(code, 2);
  assert.match(stderr, /unknown option --prot[\s\S]*--print-config/);
});

test("a second server on the same data directory is refused at once and does the first no harm", async (t) => {
  const server = await startServer(t);
  const { api_key } = await server.setup();
  const began = performance.now();
  const second = await runProgram(MAIN, [], { ...server.env, LATCHKEY_PORT: String(await freePort()) });
  assert.equal(second.code, 1);
  assert.match(
    second.stderr,
    /another Latchkey server is running on \S+; stop it first, or give this one its own LATCHKEY_DATA_DIR/,
  );
  assert.ok(!second.stderr.includes("    at "));
  assert.ok(performance.now() - began < 20_000);
  await server.expect(200, "GET", "/users/me", { key: api_key });
});

test("a port that is taken is told in a sentence, and nothing is left running", async (t) => {
  const data_dir = await newDirectory(t);
  const listener = createServer().listen(0, "127.0.0.1");
  t.after(() => listener.close());
  await new Promise((resolve) => listener.once("listening", resolve));
  const { port } = listener.address() as { port: number };
  const taken = String(port);
  for (const ports of [
    { LATCHKEY_PORT: taken, LATCHKEY_PG_PORT: "0" },
    { LATCHKEY_PORT: String(await freePort()), LATCHKEY_PG_PORT: taken },
    { LATCHKEY_PORT: taken, LATCHKEY_PG_PORT: "0", LATCHKEY_WORKERS: "2" },
  ]) {
    const { code, stderr, stdout } = await runProgram(MAIN, [], { LATCHKEY_DATA_DIR: data_dir, ...ports });
    assert.equal(code, 1);
    assert.doesNotMatch(stdout, /is ready/);
    assert.ok(!stderr.includes("    at "));
    assert.match(stderr, new RegExp(`the port ${taken} is taken; stop what listens there, or set LATCHKEY_PORT`));
    await assertNothingRuns(data_dir);
  }
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} ends the server with code 0 and leaves no process and no socket, computes included`, async (t) => {
    // So deep that the sockets do not fit and go elsewhere: these must not stay behind either.
    const data_dir = join(await newDirectory(t), "d".repeat(60), "e".repeat(30));
    await mkdir(data_dir, { recursive: true });
    const server = await new TestServer(await freePort(), data_dir, {}).start();
    t.after(() => server.stop("SIGKILL"));
    const { api_key, org_id } = await server.setup();
    const { project } = await createProject(server, api_key, org_id);
    await server.settle(project.id, api_key);
    assert.ok((await findLeftProcesses(data_dir, 0)).length > 2, "the look at processes sees none");
    const socket = socketDirectoryFor(join(data_dir, "postgres", "socket"));
    assert.ok(!socket.startsWith(data_dir) && existsSync(socket));
    assert.equal(await server.stop(signal), 0);
    await assertNothingRuns(data_dir);
    assert.ok(!existsSync(socket), "the socket's directory stays behind");
    assert.match(server.output, /"event":"server.stopped"/);
  });
}

test("asked to stop while it starts, the server ends cleanly", async (t) => {
  const data_dir = await newDirectory(t);
  const server = new TestServer(await freePort(), data_dir, {});
  const starting = server.start().catch((error: Error) => error);
  await waitFor("it to begin", () => existsSync(join(data_dir, "server.lock")));
  const code = await server.stop("SIGTERM");
  await starting;
  assert.equal(code, 0, server.output);
  await assertNothingRuns(data_dir);
});

test("every request that the server has taken when it is told to stop is answered whole, however late its body comes", async (t) => {
  const server = await startServer(t);
  const { api_key } = await server.setup();
  const beginKey = (i: number) =>
    holdBack(server, "/api_keys", { key_name: `at the end ${i}` }, { authorization: `Bearer ${api_key}` });
  const taken = await Promise.all(Array.from({ length: 20 }, (_, i) => beginKey(i)));
  const stopped = server.stop();
  for (const { finish } of taken.slice(0, 10)) finish();
  // What was not taken by then is refused a connection, and can be sent elsewhere.
  await waitFor("the door to be closed", async () => {
    const refused = await fetch(`${server.url}/healthz`).catch((error: Error) => error.cause);
    return refused instanceof Error && "code" in refused && refused.code === "ECONNREFUSED";
  });
  for (const { finish } of taken.slice(10)) finish();
  const answers = await Promise.all(taken.map(({ answer }) => answer));
  assert.deepEqual(
    answers.map(({ status }) => status),
    taken.map(() => 200),
  );
  for (const { connection } of answers.slice(10)) assert.equal(connection, "close");
  assert.equal(await stopped, 0);

  await server.start();
  const keys = await server.expect<{ name: string }[]>(200, "GET", "/api_keys", { key: api_key });
  assert.equal(keys.filter(({ name }) => name.startsWith("at the end")).length, 20, "and what was answered is kept");
});

test("connections that have sent nothing, or half a head, hold no stop up", async (t) => {
  const server = await startServer(t);
  const half = ["", "GET / HTTP/1.1\r\n", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\n"];
  for (const bytes of half) {
    const socket = connect(server.port, "127.0.0.1").on("error", () => {});
    t.after(() => socket.destroy());
    await once(socket, "connect");
    socket.write(bytes);
  }
  // Until the server has read what was sent before.
  await fetch(`${server.url}/healthz`);
  const began_ms = performance.now();
  assert.equal(await server.stop(), 0);
  t.diagnostic(`it took ${Math.round(performance.now() - began_ms)} ms`);
  await assertNothingRuns(server.data_dir);
});
