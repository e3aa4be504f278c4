import assert from "node:assert/strict";
import test from "node:test";
import { scan } from "./source-scan.ts";

test("the scanner sees every form of import, and none in comments and strings", () => {
  const forms: [text: string, imports: string[]][] = [
    ['import a from "./a.ts";', ["server/x/a.ts"]],
    ["import a, { b as c } from './a.ts'", ["server/x/a.ts"]],
    ['import {\n  a,\n  type b,\n} from "../y/a.ts";', ["server/y/a.ts"]],
    ['import type { A } from "./a.ts";', ["server/x/a.ts"]],
    ['import * as a from "node:fs";', ["node:fs"]],
    ['import "./a.ts";', ["server/x/a.ts"]],
    ['import data from "./a.json" with { type: "json" };', ["server/x/a.json"]],
    ['export { a } from "./a.ts";', ["server/x/a.ts"]],
    ['export type { A } from "./a.ts";', ["server/x/a.ts"]],
    ['export * as a from "./a.ts";', ["server/x/a.ts"]],
    ['const a = await import("./a.ts");', ["server/x/a.ts"]],
    ['type A = import("./a.ts").A;', ["server/x/a.ts"]],
    ["const a = await import(name);", ["(computed)"]],
    ['const a = createRequire(import.meta.url)("x"); require("./a.cjs");', ["server/x/a.cjs"]],
    ['import { A } from "@latchkey/contract/users.ts";', ["contract/users.ts"]],
    ['import pg from "pg"; import Type from "@scope/name/part.js";', ["pg", "@scope/name"]],
    ['import a from "./a.ts"; import b from "./b.ts";', ["server/x/a.ts", "server/x/b.ts"]],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source of a template
    ["const t = `${await import('./a.ts')}`;", ["server/x/a.ts"]],
    ['// import a from "./a.ts";\n/* import b from "./b.ts"; */', []],
    ["const text = \"import a from './a.ts'\";", []],
    ["const text = `import a from './a.ts'`;", []],
    ['const quote = /["\'`]/; import a from "./a.ts";', ["server/x/a.ts"]],
    ['const half = a / b; const c = "d / e"; import f from "./f.ts";', ["server/x/f.ts"]],
    ["const from = 1; export const a = 2;", []],
  ];
  for (const [text, imports] of forms) {
    assert.deepEqual(scan("server/x/file.ts", text).imports.toSorted(), imports.toSorted(), text);
  }
});

test("comments and what strings hold are no code; what a template computes is", () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source of a template
  const text = "a(); // b()\n/* c() */ 'd()' \"e()\" `f() ${g(`h() ${i({})}`)} j()`; z = /k()/.test(l)";
  assert.deepEqual(scan("server/x.ts", text).code.match(/[a-z](?=\()/g), ["a", "g", "i", "t"]);
  assert.match(scan("server/x.ts", "const a = 4 / b(); const c = 1 / 2;").code, /b\(\)/);
});

test("tags of JSX are no regular expressions, and hide nothing of what follows", () => {
  const tags = ["<b>{x}</b> <i>{await import('./a.ts')}</i>;", "<A b={x} /> <B c={import('./a.ts')} />;"];
  for (const text of tags) assert.deepEqual(scan("server/x/file.tsx", text).imports, ["server/x/a.ts"], text);
});

test("what stands in strings and in templates is told, computed parts apart", () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source of a template
  const text = "a('/b', `/c/${d(\"e\")}/f`); // '/g'";
  assert.deepEqual(scan("server/x.ts", text).strings.toSorted(), ["/b", "/c/", "/f", "e"]);
});
