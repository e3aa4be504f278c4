import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { parseConfig, printConfig } from "../server/config.ts";

const ROOT = dirname(import.meta.dirname);
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const DOCUMENTS = globSync(["*.md", "docs/**/*.md"], { cwd: ROOT });

test("the README's table of settings is that of the server", () => {
  const known = printConfig(parseConfig({}))
    .split("\n")
    .map((line) => line.slice(0, line.indexOf("=")));
  const documented = [...read("README.md").matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(documented.toSorted(), known.toSorted());
});

test("the list of offered operations is that of the contract", () => {
  const contract = globSync("contract/*.ts", { cwd: ROOT }).map(read).join("\n");
  const declared = [...contract.matchAll(/\bcontract\(\{\s*id: "(\w+)"/g)].map(([, id]) => id);
  const offered = /## What is offered\n(.*?)\n## /s.exec(read("docs/compatibility.md"))?.[1] ?? "";
  const listed = [...offered.matchAll(/`([a-z]\w+)`/g)].map(([, id]) => id);
  assert.ok(declared.length > 30);
  assert.deepEqual(listed.toSorted(), declared.toSorted());
});

test("links between documents lead somewhere", () => {
  const broken = DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/\]\((?!https?:)([^)#\s]+)/g)]
      .filter(([, target = ""]) => !existsSync(join(ROOT, dirname(document), target)))
      .map(([, target]) => `${document}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test("the tests and sources that documents name are there", () => {
  const missing = DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/`((?:server|contract|test|scripts)\/[\w./-]*\w\.\w+)`/g)]
      .filter(([, path = ""]) => !path.includes("NNNN") && !existsSync(join(ROOT, path)))
      .map(([, path]) => `${document}: ${path}`),
  );
  assert.deepEqual(missing, []);
});
