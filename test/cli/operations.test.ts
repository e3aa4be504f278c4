import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useBuiltCli } from "./built-cli.ts";
import { serveStub } from "./stub-server.ts";

const OF_PROJECT = ["--project-id", "p"];

function operationOf(id: string, status: string) {
  return { id, project_id: "p", action: "create_branch", status, created_at: "2026-01-01T00:00:00Z" };
}

describe("operations, as the built command waits for them", () => {
  const built = useBuiltCli();

  test("a copy that is given up ends well; one that fails meanwhile does not", async (t) => {
    for (const [end, code] of [
      ["cancelled", 0],
      ["finished", 0],
      ["failed", 7],
    ] as const) {
      const statuses = ["cancelling", "cancelling"];
      const { env } = await serveStub(t, ({ method, path }) => {
        if (method === "POST" && path.endsWith("/cancel")) return [200, { operation: operationOf("o", "cancelling") }];
        return path.endsWith("/operations/o")
          ? [200, { operation: operationOf("o", statuses.shift() ?? end) }]
          : undefined;
      });
      const ran = await built.cli.run(["operations", "cancel", "o", ...OF_PROJECT], { env });
      assert.equal(ran.code, code, ran.stderr);
      if (code === 0) assert.equal(JSON.parse(ran.stdout).status, end);
      else assert.match(ran.stderr, new RegExp(`ended as ${end}`));
    }
  });

  test("what is under way is waited for, however much has come after it", async (t) => {
    const polls: string[] = [];
    const newer = Array.from({ length: 1_000 }, (_, i) => operationOf(`new-${i}`, "finished"));
    const { env } = await serveStub(t, ({ path, query }) => {
      if (path === "/projects/p/operations") {
        const is_second = query.get("cursor") === "1000";
        const operations = is_second
          ? [operationOf("old", "running")]
          : newer.slice(0, Number(query.get("limit") ?? 100));
        return [200, { operations, pagination: is_second ? {} : { cursor: String(operations.length) } }];
      }
      if (!path.endsWith("/operations/old")) return undefined;
      polls.push(path);
      return [200, { operation: operationOf("old", polls.length < 2 ? "running" : "finished") }];
    });
    const ended = await built.cli.json<{ id: string; status: string }[]>(["operations", "wait", ...OF_PROJECT], {
      env,
    });
    assert.deepEqual(
      ended.map(({ id, status }) => [id, status]),
      [["old", "finished"]],
    );
    assert.equal(polls.length, 2);
  });
});
