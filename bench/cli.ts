import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildCli } from "../cli/build.ts";
import { startServer } from "../test/harness/server.ts";

/**
 * How long a command takes from its start to its end, as a process: `latchkey` against Neon's `neon`, doing
 * the same against the same server. Runs alternate, so that a busy machine slows both; medians are compared.
 *
 *   node bench/cli.ts [--runs 25] [--node PATH]     target: each ratio at or below 0.5
 */
const { values } = parseArgs({
  options: { runs: { type: "string", default: "25" }, node: { type: "string", default: process.execPath } },
});
const runs = Number(values.runs);
const neon = join(import.meta.dirname, "../node_modules/neon/dist/cli.js");

const server = await startServer();
const directory = await mkdtemp(join(tmpdir(), "latchkey-bench-cli-"));
try {
  const { api_key, org_id } = await server.setup();
  const latchkey = await buildCli(join(directory, "cli"));
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: directory,
    NEON_API_KEY: api_key,
    NEON_API_HOST: server.api,
    LATCHKEY_KEYRING: "off",
    CI: "1",
  };
  const neon_options = ["--no-analytics", "--config-dir", join(directory, "neon")];
  const cases: Record<string, { ours: string[]; theirs: string[] }> = {
    "--version": { ours: [latchkey, "--version"], theirs: [neon, "--version"] },
    "--help": { ours: [latchkey, "--help"], theirs: [neon, "--help"] },
    "api-keys list": {
      ours: [latchkey, "api-keys", "list", "-o", "table"],
      theirs: [neon, ...neon_options, "api-keys", "list"],
    },
    "projects list": {
      ours: [latchkey, "projects", "list", "--org-id", org_id, "-o", "json"],
      theirs: [neon, ...neon_options, "projects", "list", "--org-id", org_id, "-o", "json"],
    },
  };
  const time = (args: readonly string[]): number => {
    const began = performance.now();
    const { status, stderr } = spawnSync(values.node, args, { env, cwd: directory, encoding: "utf8" });
    if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}: ${stderr}`);
    return performance.now() - began;
  };
  const median = (times: readonly number[]): number =>
    times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;

  const floor: number[] = [];
  for (let run = 0; run < runs; run++) floor.push(time(["-e", ""]));
  const version = spawnSync(values.node, ["--version"], { encoding: "utf8" }).stdout.trim();
  process.stdout.write(`Node ${version}, ${runs} runs each; an empty program takes ${median(floor).toFixed(0)} ms\n`);
  for (const [name, { ours, theirs }] of Object.entries(cases)) {
    const taken = { ours: [] as number[], theirs: [] as number[] };
    for (let run = 0; run < runs; run++) {
      taken.ours.push(time(ours));
      taken.theirs.push(time(theirs));
    }
    const [own, other] = [median(taken.ours), median(taken.theirs)];
    const figures = `latchkey ${own.toFixed(0)} ms, neon ${other.toFixed(0)} ms, ratio ${(own / other).toFixed(2)}`;
    process.stdout.write(`${name.padEnd(14)} ${figures}\n`);
  }
} finally {
  await server.close();
  await rm(directory, { recursive: true, force: true });
}
