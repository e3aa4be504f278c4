import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { ApiError, ConnectionError } from "@latchkey/sdk";
import { setField } from "./commands/api.ts";
import { successorName } from "./commands/api-keys.ts";
import { complete } from "./completion/complete.ts";
import { withSslMode } from "./connection.ts";
import { findContextFile, readContextFile, writeContextFile } from "./context-file.ts";
import { CliError, describeFailure, EXIT, renderFailure } from "./exit.ts";
import { splitPassword } from "./run-psql.ts";
import { findChoice } from "./terminal/prompt.ts";
import { TOPICS } from "./topics.ts";
import { VERSION } from "./version.ts";

test("a successor has the old name with the next free number, within the limit", () => {
  assert.equal(successorName("ci", new Set()), "ci (2)");
  assert.equal(successorName("ci", new Set(["ci (2)", "ci (3)"])), "ci (4)");
  assert.equal(successorName("ci (2)", new Set(["ci (2)"])), "ci (3)");
  assert.equal(successorName("x".repeat(64), new Set()), `${"x".repeat(60)} (2)`);
  assert.equal(successorName("(2)", new Set()), "(2) (2)");
});

test("exit codes tell the kinds of errors apart", () => {
  const code = (status: number) =>
    EXIT[describeFailure(new ApiError({ status, code: "", message: "m", request_id: "r" })).kind];
  const codes = { 400: 2, 401: 3, 403: 4, 404: 5, 409: 6, 422: 6, 423: 6, 429: 7, 500: 7, 501: 7, 503: 7 };
  assert.deepEqual(Object.fromEntries(Object.keys(codes).map((status) => [status, code(Number(status))])), codes);
  assert.equal(EXIT[describeFailure(new ConnectionError("m", undefined)).kind], 7);
  assert.equal(EXIT[describeFailure(new CliError("usage", "m")).kind], 2);
  assert.equal(EXIT[describeFailure(new DOMException("x", "AbortError")).kind], 130);
  assert.equal(EXIT[describeFailure(new TypeError("m")).kind], 1);
});

test("an error shows what happened, what to do, and the request id, and nothing a server could draw with", () => {
  const failure = describeFailure(
    new ApiError({ status: 404, code: "", message: "no\u001b[2J project", request_id: "r-1" }),
  );
  const lines = renderFailure(failure).split("\n");
  assert.equal(lines[0], "latchkey: no\ufffd[2J project");
  assert.match(lines[1] ?? "", /^ {2}check the id/);
  assert.equal(lines[2], "  request id: r-1");
});

test("a choice is a number, a whole name, or a part that fits one name only", () => {
  const names = ["shop (a-1)", "shop-test (b-2)", "3"];
  assert.equal(findChoice(names, "2"), 1);
  assert.equal(findChoice(names, "3"), 2);
  assert.equal(findChoice(names, "TEST"), 1);
  assert.equal(findChoice(names, "shop"), undefined);
  assert.equal(findChoice(names, ""), undefined);
  assert.equal(findChoice(names, "4"), undefined);
});

test("fields of a body nest by dots, and no name reaches beyond the body", () => {
  const body: Record<string, unknown> = {};
  setField(body, "project.name", "x");
  setField(body, "project.settings.on", true);
  setField(body, "__proto__.polluted", 1);
  assert.equal(JSON.stringify(body), '{"project":{"name":"x","settings":{"on":true}},"__proto__":{"polluted":1}}');
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test("a password is taken out of what a program's arguments show", () => {
  const { uri, password } = splitPassword("postgresql://a:p%40ss@h:1/db?sslmode=require");
  assert.deepEqual([uri, password], ["postgresql://a@h:1/db?sslmode=require", "p@ss"]);
});

test("the SSL mode is replaced, or left to whoever connects", () => {
  const uri = "postgresql://a:b@h:1/db?sslmode=require&channel_binding=require";
  assert.equal(withSslMode(uri, undefined), uri);
  assert.equal(withSslMode(uri, "require"), uri);
  const verified = "postgresql://a:b@h:1/db?sslmode=verify-full&channel_binding=require";
  assert.equal(withSslMode(uri, "verify-full"), verified);
  assert.equal(withSslMode(uri, "omit"), "postgresql://a:b@h:1/db");
});

test("the context file is found upwards, read in Neon's forms, and keeps what others wrote", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "latchkey-context-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, ".neon");
  await writeFile(file, '{"orgId":"o","branchId":"br-a","git":{"follow":true},"host":"https://evil.example"}');
  assert.equal(findContextFile(undefined, join(directory, "src", "deep")), file);
  // A repository says what it is about, and never where a credential goes.
  assert.deepEqual(await readContextFile(file), { orgId: "o", branch: "br-a" });
  await writeContextFile(file, { projectId: "p", branch: "main" });
  const written = JSON.parse(await readFile(file, "utf8"));
  assert.deepEqual(written, { projectId: "p", branch: "main", git: { follow: true }, host: "https://evil.example" });
  await writeFile(file, "{");
  await assert.rejects(readContextFile(file), { kind: "usage" });
  assert.deepEqual(await readContextFile(join(directory, "none")), {});
});

test("completion offers topics, commands, options and the values of options", async () => {
  const offered = async (...words: string[]) =>
    (await complete([String(words.length), "latchkey", ...words]))
      .split("\n")
      .flatMap((line) => line.split("\t")[0] || []);
  const topics = TOPICS.map(({ name }) => name);
  assert.deepEqual(await offered(""), topics);
  assert.deepEqual(await offered("api"), ["api-keys", "api"]);
  assert.deepEqual(await offered("api-keys", "r"), ["revoke", "rotate"]);
  assert.deepEqual(await offered("--output", "json", "api-key", "li"), ["list"]);
  assert.deepEqual(await offered("api-keys", "create", "--n"), ["--name", "--no-wait", "--no-color"]);
  assert.deepEqual(await offered("-o", ""), ["table", "json", "yaml"]);
  assert.deepEqual(await offered("me", "--output", "=", "j"), ["json"]);
  assert.deepEqual(await offered("me", "--output", "="), ["table", "json", "yaml"]);
  assert.deepEqual(await offered("completion", ""), ["bash", "zsh", "fish"]);
  assert.deepEqual(await offered("members", "update", "x", "--role", "a"), ["admin"]);
  assert.deepEqual(await offered("psql", "main", "--", "-"), []);
  assert.deepEqual(await offered("nonsense", ""), topics);
});

test("every command loads, under names that are unique in their topic", async () => {
  const words = TOPICS.flatMap(({ name, aliases }) => [name, ...(aliases ?? [])]);
  assert.equal(new Set(words).size, words.length);
  for (const topic of TOPICS) {
    const { default: file } = await topic.load();
    assert.ok(file.self ?? file.commands?.length, topic.name);
    if (file.self) assert.equal(file.self.name, topic.name);
    const names = (file.commands ?? []).map(({ name }) => name);
    assert.equal(new Set(names).size, names.length, topic.name);
  }
});

test("the version is that of the package", async () => {
  const { version } = JSON.parse(await readFile(new URL("package.json", import.meta.url), "utf8"));
  assert.equal(VERSION, version);
});
