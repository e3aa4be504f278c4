import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

const SOURCES = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(SOURCES, path), "utf8");
const DESIGN = ["components/design/*.tsx", "pages/design.tsx"];
/** It mounts what there is once for the whole Console, under every page: the design page too. */
const MOUNTS = "main.tsx";

test("the design page shows every component of ui/ that the Console is built of", () => {
  const design = new Set(globSync(DESIGN, { cwd: SOURCES }));
  const shown = [...design].map(read).join("\n");
  const used = globSync(["**/*.tsx"], { cwd: SOURCES, exclude: ["ui/**"] })
    .filter((path) => !design.has(path) && path !== MOUNTS)
    .flatMap((path) => [...read(path).matchAll(/^import \{([^}]*)\} from "[^"]*\/ui\/[^"]*"/gm)])
    .flatMap(([, names = ""]) => names.split(",").map((name) => name.trim()))
    .filter((name) => /^[A-Z][a-z]/.test(name));
  const components = [...new Set(used)];
  assert.ok(components.length > 25, `only ${components.length} components are used: ${components.join(", ")}`);
  assert.deepEqual(
    components.filter((name) => !new RegExp(`<${name}\\b`).test(shown)),
    [],
  );
});
