import { registerHooks } from "node:module";

/**
 * Loaded before a server (`NODE_OPTIONS=--import=…`), this makes it kill itself, as `kill -9` would, when its jobs reach the
 * step that stands in the file `DIE_AT`. The server's own code has no place for that: it is put in as it is read.
 */
const STEP_IS_REACHED = "await deps.onStep?.(step);";
const DIE_HERE = `
  const { readFileSync } = process.getBuiltinModule("node:fs");
  let at = "";
  try { at = readFileSync(process.env.DIE_AT, "utf8"); } catch {}
  if (at === step) {
    process.kill(process.pid, "SIGKILL");
    for (;;);
  }`;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith("/server/jobs/deps.ts")) return loaded;
    const source = String(loaded.source);
    if (!source.includes(STEP_IS_REACHED)) throw new Error("deps.ts has no such line any more");
    return { ...loaded, source: source.replace(STEP_IS_REACHED, `{${DIE_HERE}}`) };
  },
});
