import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { after, before, describe, test } from "node:test";
import { waitFor } from "../harness/server.ts";
import { useBuiltCli } from "./built-cli.ts";
import { has_terminals, Terminal } from "./terminal.ts";

const TOKEN = `lk_user_${"a".repeat(49)}`;
const key = (id: number, name: string) => ({ id, name, hint: "aaaa", created_at: "2026-01-01T00:00:00Z" });
const where = has_terminals ? "" : " (not tried: no `script` on this machine)";

/** How commands behave in front of a person, against a server that answers at once or as slowly as is asked. */
describe(`at a terminal${where}`, { skip: !has_terminals }, () => {
  const built = useBuiltCli();
  let server: Server;
  let delay_ms = 0;
  const asked: string[] = [];

  before(async () => {
    const answers: Record<string, unknown> = {
      "GET /api/v2/api_keys": [key(1, "ci"), key(2, "deploy")],
      "POST /api/v2/api_keys": { ...key(3, "new"), key: TOKEN },
      "DELETE /api/v2/api_keys/1": { ...key(1, "ci"), revoked: true },
      "DELETE /api/v2/api_keys/2": { ...key(2, "deploy"), revoked: true },
      "GET /api/v2/users/me": { login: "ada", email: "ada@example.com", name: "Ada" },
    };
    server = createServer((request, response) => {
      const line = `${request.method} ${request.url}`;
      asked.push(line);
      setTimeout(() => {
        const answer = answers[line];
        response.writeHead(answer ? 200 : 404, { "content-type": "application/json" });
        response.end(JSON.stringify(answer ?? { request_id: "r", code: "", message: "not found" }));
      }, delay_ms);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    built.cli.env = { NEON_API_KEY: TOKEN, LATCHKEY_URL: `http://127.0.0.1:${port}` };
  });
  after(() => {
    server?.closeAllConnections();
    server?.close();
  });

  async function run(line: string, env: Record<string, string> = {}) {
    const terminal = new Terminal(built.cli, line, env);
    return { code: await terminal.ended(), screen: terminal.screen };
  }

  test("people get a table with colour, and none with NO_COLOR, --no-color or a dumb terminal", async () => {
    const bold = "\u001b[1m";
    const plain = await run("latchkey api-keys list");
    assert.equal(plain.code, 0);
    assert.ok(plain.screen.includes(`${bold}ID  Name`));
    assert.ok(!(await run("latchkey api-keys list", { NO_COLOR: "1" })).screen.includes(bold));
    assert.ok(!(await run("latchkey api-keys list --no-color")).screen.includes(bold));
    assert.ok(!(await run("latchkey api-keys list", { TERM: "dumb" })).screen.includes("\u001b"));
    assert.ok((await run("latchkey api-keys list 2> /dev/null | cat")).screen.startsWith("["));
  });

  test("a token that lands on a screen comes with a warning, and in a pipe it does not", async () => {
    const shown = await run("latchkey api-keys create --name new");
    assert.match(shown.screen, /Keep this safe/);
    assert.ok(shown.screen.includes(TOKEN));
    const piped = await run("latchkey api-keys create --name new | wc -c");
    assert.doesNotMatch(piped.screen, /Keep this safe|lk_/);
    assert.match(piped.screen, /Created key 3/);
  });

  test("a key on the command line is warned about, and one in the environment is not", async () => {
    const env = { NEON_API_KEY: "" };
    assert.match((await run(`latchkey me --api-key ${TOKEN}`, env)).screen, /shell's history/);
    assert.doesNotMatch((await run("latchkey me")).screen, /history/);
  });

  test("what takes longer than half a second is shown, on stderr, and is gone at the end", async () => {
    delay_ms = 900;
    const slow = await run("latchkey me > /dev/null");
    const seen = await run("latchkey me 2> /dev/null");
    delay_ms = 0;
    assert.match(slow.screen, /⠋ Asking who you are/);
    assert.ok(slow.screen.endsWith("\r\u001b[K"));
    assert.doesNotMatch(seen.screen, /Asking/);
    // A busy machine may need longer than that for one or the other.
    const quick = async () => !(await run("latchkey me > /dev/null")).screen.includes("Asking");
    await waitFor("what is quick not to be shown", quick);
  });

  test("a missing id is picked from a list, by number or by a part of the name", async () => {
    for (const answer of ["2", "depl"]) {
      asked.length = 0;
      const terminal = new Terminal(built.cli, "latchkey api-keys revoke");
      await terminal.shows("Number or name:");
      assert.match(terminal.screen, /1\) ci \(1, …aaaa\)\r\n {2}2\) deploy/);
      terminal.type(`${answer}\r`);
      await terminal.shows("Type deploy to confirm:");
      terminal.type("deploy\r");
      assert.equal(await terminal.ended(), 0);
      assert.ok(asked.includes("DELETE /api/v2/api_keys/2"));
    }
  });

  test("what is destroyed is confirmed by its name; anything else does nothing", async () => {
    for (const keys of ["y\r", "\r", "\u0003", "\u0004"]) {
      asked.length = 0;
      const terminal = new Terminal(built.cli, "latchkey api-keys revoke 1");
      await terminal.shows("Type ci to confirm:");
      terminal.type(keys);
      assert.equal(await terminal.ended(), 130, JSON.stringify(keys));
      assert.ok(!asked.some((line) => line.startsWith("DELETE")));
    }
    assert.equal((await run("latchkey api-keys revoke 1 --yes")).code, 0);
  });

  test("rotating asks about the old key, also while the token goes into a pipe", async () => {
    for (const [answer, revoked] of [
      ["n", false],
      ["y", true],
    ] as const) {
      asked.length = 0;
      const terminal = new Terminal(built.cli, "latchkey api-keys rotate 1 | wc -c");
      await terminal.shows(/Revoke the old key 1, "ci", now\? \[y\/N\]/);
      terminal.type(`${answer}\r`);
      assert.equal(await terminal.ended(), 0);
      assert.equal(asked.includes("DELETE /api/v2/api_keys/1"), revoked);
      assert.ok(!terminal.screen.includes("lk_user"));
    }
  });

  test("a machine with a terminal and nobody in front of it is asked nothing", async () => {
    const { code, screen } = await run("latchkey api-keys revoke", { CI: "true" });
    assert.equal(code, 2);
    assert.match(screen, /Name its ID/);
  });

  test("a key is typed without being shown", async () => {
    const terminal = new Terminal(built.cli, "latchkey auth --api-key-prompt", { NEON_API_KEY: "" });
    await terminal.shows("API key:");
    terminal.type(`${TOKEN}\r`);
    await terminal.shows("Signed in to");
    assert.equal(await terminal.ended(), 0);
    assert.ok(!terminal.screen.includes("lk_user"), terminal.screen);
    assert.equal((await run("latchkey auth logout")).code, 0);
  });

  test("Ctrl-C ends a command that waits for the server", async () => {
    delay_ms = 20_000;
    const terminal = new Terminal(built.cli, "latchkey me");
    await terminal.shows("Asking who you are");
    terminal.type("\u0003");
    assert.equal(await terminal.ended(), 130);
    delay_ms = 0;
  });
});
