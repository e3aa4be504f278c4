import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { gzipSync } from "node:zlib";
import { buildConsole } from "../../console/build.ts";
import { readRoutes } from "./site-map.ts";

/** What the browser is sent. How quick it is with that is measured by figures.ts. */
await buildConsole();
const DIST = join(import.meta.dirname, "../../console/dist");
const BUDGET_KB = 150;

interface Chunk {
  readonly file: string;
  /** Fetched with it, by their names in the manifest. */
  readonly imports?: readonly string[];
}
const manifest = JSON.parse(readFileSync(join(DIST, ".vite/manifest.json"), "utf8")) as Record<string, Chunk>;

/** The files that are fetched before these modules can run. */
function filesOf(names: readonly string[], found = new Set<string>()): ReadonlySet<string> {
  for (const name of names) {
    const chunk = manifest[name];
    assert.ok(chunk, `${name} is not in the manifest`);
    if (found.has(chunk.file)) continue;
    found.add(chunk.file);
    filesOf(chunk.imports ?? [], found);
  }
  return found;
}

const gzippedKb = (files: Iterable<string>) =>
  [...files].reduce((sum, file) => sum + gzipSync(readFileSync(join(DIST, file))).length, 0) / 1000;

test(`no page needs more than ${BUDGET_KB} kB of gzipped JavaScript at first`, () => {
  const sizes = readRoutes()
    // The page of all components is for whoever works on them.
    .filter(({ path, is_page }) => is_page && path !== "/design")
    .map(({ path, modules }) => ({ path, kb: gzippedKb(filesOf(["index.html", ...modules])) }));
  assert.ok(sizes.length > 20, `only ${sizes.length} pages`);
  assert.ok(
    sizes.every(({ kb }) => kb > 80),
    "most of the code is not counted",
  );
  assert.deepEqual(
    sizes.filter(({ kb }) => kb > BUDGET_KB).map(({ path, kb }) => `${path}: ${kb.toFixed(1)} kB`),
    [],
  );
});

test("the build holds nothing that looks like a token, and no map back to the sources", () => {
  const files = globSync("**/*.{js,css,html,svg,json}", { cwd: DIST });
  assert.ok(files.length > 30);
  const found = files.filter((file) =>
    /lk_[a-z]+_\w{20}|sourceMappingURL/.test(readFileSync(join(DIST, file), "utf8")),
  );
  assert.deepEqual(found, []);
  assert.deepEqual(globSync("**/*.map", { cwd: DIST }), []);
});
