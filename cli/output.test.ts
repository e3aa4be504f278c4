import assert from "node:assert/strict";
import test from "node:test";
import { render } from "./output.ts";

const rows = [
  { id: 1, name: "ci", created_by: { name: "Ada" }, note: null },
  { id: 20, name: "日本", created_by: { name: "Bob" }, note: "" },
];

test("a table is aligned, wide characters included, without columns that say nothing", async () => {
  const table = await render([{ data: rows, fields: ["id", "name", "created_by.name", "note"] }], "table", false);
  assert.equal(table, "ID  Name  Name\n1   ci    Ada\n20  日本  Bob\n");
});

test("JSON and YAML are the data as it came, a lone part bare and several under their titles", async () => {
  const one = [{ data: rows, fields: ["id"] }];
  assert.deepEqual(JSON.parse(await render(one, "json", true)), rows);
  const two = [
    { data: [1], fields: [], title: "Projects" },
    { data: [], fields: [], title: "Shared with you" },
  ];
  assert.deepEqual(JSON.parse(await render(two, "json", true)), { projects: [1], shared_with_you: [] });
  assert.equal(await render([{ data: { a: 1 }, fields: [] }], "yaml", true), "a: 1\n");
});

test("colour is there only when asked for", async () => {
  const part = [{ data: rows, fields: ["id"] }];
  assert.ok((await render(part, "table", true)).includes("\u001b["));
  assert.ok(!(await render(part, "table", false)).includes("\u001b["));
});

test("a name cannot write to the terminal, nor turn the text around", async () => {
  const data = [{ name: "\u001b]0;title\u0007\u009b31m\u202egnp.exe\nnext" }];
  const table = await render([{ data, fields: ["name"] }], "table", false);
  assert.equal(table.split("\n").length, 3);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  assert.doesNotMatch(table.replaceAll("\n", ""), /[\u0000-\u001f\u007f-\u009f\u202e]/);
});

test("an empty list says so to people and is an empty list to programs", async () => {
  const part = [{ data: [], fields: ["id"], empty: "No keys." }];
  assert.equal(await render(part, "table", false), "No keys.\n");
  assert.equal(await render(part, "json", false), "[]\n");
});
