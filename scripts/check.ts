import { spawn } from "node:child_process";
import { dirname } from "node:path";

/**
 * `npm run check`: what should hold before a commit, in parallel. It prints a line for each check as it ends,
 * and what a failed one said.
 */
const ROOT = dirname(import.meta.dirname);

const CHECKS = {
  "lint and format": ["node_modules/.bin/biome", "check", "--error-on-warnings", "."],
  types: ["node_modules/.bin/tsc"],
  "types of the Console": ["node_modules/.bin/tsc", "--project", "console"],
  "types of its tests": ["node_modules/.bin/tsc", "--project", "test/browser"],
  "fast tests": ["scripts/test.ts", "--fast"],
} as const;

const children = new Set<ReturnType<typeof spawn>>();

async function check(name: string, args: readonly string[]): Promise<boolean> {
  const began = performance.now();
  const { code, output } = await run(args);
  const took = ((performance.now() - began) / 1000).toFixed(1);
  process.stdout.write(`${code === 0 ? "✔" : "✖"} ${name} (${took} s)\n${code === 0 ? "" : `\n${output}\n`}`);
  return code === 0;
}

function run(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    children.add(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.once("error", (error) => resolve({ code: 1, output: error.message }));
    child.once("close", (code) => {
      children.delete(child);
      resolve({ code, output });
    });
  });
}

// Children end by themselves on Ctrl-C, which reaches them too; their verdict is then a failure.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {
  for (const child of children) child.kill("SIGTERM");
});

const results = await Promise.all(Object.entries(CHECKS).map(([name, args]) => check(name, args)));
const failed = results.filter((passed) => !passed).length;
process.stdout.write(failed === 0 ? "all checks passed\n" : `${failed} of ${results.length} checks failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
