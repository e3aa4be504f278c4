import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import test from "node:test";
import { operationTypes, typeOf } from "./build/contract-types.ts";
import { createClient } from "./client.ts";
import { createApi, operations } from "./operations.ts";

test("every operation of every contract file has a method, under its id", async () => {
  const directory = new URL("../contract/", import.meta.url);
  for (const file of readdirSync(directory).filter((name) => name.endsWith(".ts"))) {
    const module: Record<string, unknown> = await import(new URL(file, directory).href);
    for (const value of Object.values(module)) {
      if (typeof value !== "object" || value === null || !("method" in value) || !("id" in value)) continue;
      assert.equal((operations as Record<string, unknown>)[String(value.id)], value, `${file}: ${value.id}`);
    }
  }
});

test("a method performs its operation", async () => {
  const asked: unknown[] = [];
  const fetch = async (url: unknown, init?: RequestInit) => {
    asked.push([init?.method, String(url)]);
    return Response.json({ project: { id: "p" } });
  };
  const api = createApi(createClient({ base_url: "http://a", fetch }));
  const { project } = await api.getProject({ params: { project_id: "p" } });
  assert.equal(project.id, "p");
  assert.deepEqual(asked, [["GET", "http://a/api/v2/projects/p"]]);
});

test("types are made of every schema that the contract uses, and of no other", () => {
  assert.match(operationTypes(), /readonly createProject: Route</);
  assert.equal(typeOf({ anyOf: [{ type: "string" }, { type: "null" }] }), "string | null");
  assert.equal(typeOf({ type: "array", items: { enum: ["a", "b"] } }), 'Array<"a" | "b">');
  assert.equal(typeOf({ type: "object", patternProperties: { "^.*$": { type: "string" } } }), "Record<string, string>");
  assert.throws(() => typeOf({ type: "tuple" }));
});
