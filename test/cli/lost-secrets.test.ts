import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useBuiltCli } from "./built-cli.ts";
import { type StubAnswer, type StubRequest, serveStub } from "./stub-server.ts";

const TOKEN = `lk_user_${"b".repeat(49)}`;

function answer({ method, path }: StubRequest): StubAnswer {
  const listed = { id: 3, name: "old", hint: "none", created_at: "2026-01-01T00:00:00Z" };
  if (`${method} ${path}` === "GET /api_keys") return [200, [listed]];
  if (`${method} ${path}` === "POST /api_keys") return [200, { id: 7, name: "ci", key: TOKEN }];
  if (`${method} ${path}` === "DELETE /api_keys/7") return [200, { id: 7, name: "ci", revoked: true }];
  if (path === "/projects/p/branches") return [200, { branches: [{ id: "br", name: "main", default: true }] }];
  if (path.endsWith("/reveal_password")) return [200, { password: "s3cret" }];
  if (path.endsWith("/reset_password")) return [200, { role: { name: "app", password: "s3cret" }, operations: [] }];
  return undefined;
}

describe("a secret that nobody takes", () => {
  const built = useBuiltCli();

  /** Runs a command whose stdout is a pipe that nobody reads. */
  async function unread(words: string, env: Record<string, string>) {
    const { stdout, stderr } = await built.cli.bash(`latchkey ${words} | true; echo "\${PIPESTATUS[0]}"`, { env });
    assert.ok(!(stdout + stderr).includes("s3cret") && !(stdout + stderr).includes(TOKEN));
    return { code: Number(stdout), stderr };
  }

  test("is told of with the key's id, and the key is revoked, as it would be nobody's", async (t) => {
    const { env, requests } = await serveStub(t, answer);
    for (const words of [
      "api-keys create --name ci",
      "api-keys create --name ci -o json",
      "api-keys rotate 3 --revoke-old",
    ]) {
      requests.length = 0;
      const { code, stderr } = await unread(words, env);
      assert.equal(code, 1, words);
      assert.equal(stderr, "latchkey: nobody took the token of the new key 7 (EPIPE), so it was revoked again\n");
      const changes = requests.filter((request) => !request.startsWith("GET"));
      assert.deepEqual(changes, ["POST /api_keys", "DELETE /api_keys/7"]);
    }
  });

  test("is told of with what to do where the key cannot be revoked", async (t) => {
    const { env } = await serveStub(t, (request) => (request.method === "DELETE" ? undefined : answer(request)));
    const { code, stderr } = await unread("api-keys create --name ci", env);
    assert.equal(code, 1);
    assert.match(stderr, /new key 7 \(EPIPE\)\n {2}it works all the same: latchkey api-keys revoke 7\n/);
  });

  test("is told of with the role that has the password", async (t) => {
    const { env } = await serveStub(t, answer);
    for (const words of ["reset-password app --yes", "reveal-password app", "reveal-password app -o yaml"]) {
      const { code, stderr } = await unread(`roles ${words} --project-id p`, env);
      assert.equal(code, 1, words);
      assert.match(stderr, /^latchkey: nobody took the password of role app \(EPIPE\)\n.*roles reveal-password app\n$/);
    }
  });

  test("is whole in a pipe that is read", async (t) => {
    const { env } = await serveStub(t, answer);
    const { stdout, code } = await built.cli.run(["api-keys", "create", "--name", "ci"], { env });
    assert.deepEqual([stdout, code], [`${TOKEN}\n`, 0]);
    assert.equal(
      (await built.cli.json<{ key: string }>(["api-keys", "create", "--name", "ci", "-o", "json"], { env })).key,
      TOKEN,
    );
  });
});
