import { parseArgs } from "node:util";
import { openKeys } from "../../server/keys/open-keys.ts";
import { MUTATIONS, openKeysWithout } from "./mutations.ts";
import type { OpenKeys } from "./node.ts";
import { type Run, simulate } from "./scenario.ts";

const USAGE = `usage: node test/simulation/run.ts [--seeds COUNT] [--from SEED] [--seed SEED] [--without RULE]

  --seeds COUNT   so many seeds, 1,000 unless said; prints those that find a violation
  --from SEED     beginning with this one
  --seed SEED     this one alone, with all that happens in it
  --without RULE  without one of the rules of mutations.ts, named by any part of its name; "all": each in turn
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "1000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      without: { type: "string" },
    },
  });
  const removed = Object.keys(MUTATIONS).filter(
    (rule) => values.without === "all" || rule.includes(values.without ?? "\0"),
  );
  if (values.without !== undefined && removed.length === 0) {
    process.stderr.write(USAGE);
    return 2;
  }
  if (values.without === undefined) return await explore(openKeys, values);
  for (const rule of removed) {
    process.stdout.write(`without "${rule}":\n`);
    await explore(await openKeysWithout(rule), values, true);
  }
  return 0;
}

async function explore(
  open_keys: OpenKeys,
  { seed, seeds, from }: { seed?: string | undefined; seeds: string; from: string },
  stops = false,
): Promise<number> {
  const began_ms = performance.now();
  const counts: Record<string, number> = {};
  let violations = 0;
  let events = 0;
  const tell = seed === undefined ? undefined : (line: string) => process.stdout.write(`${line}\n`);
  const first = Number(seed ?? from);
  const end = first + (seed === undefined ? Number(seeds) : 1);
  for (let number = first; number < end; number++) {
    const run: Run = await simulate(number, open_keys, tell);
    events += run.events;
    for (const [name, count] of Object.entries(run.counts)) counts[name] = (counts[name] ?? 0) + count;
    if (run.violation === undefined) continue;
    violations++;
    process.stdout.write(`seed ${number}: ${run.violation}\n`);
    if (stops) break;
  }
  const took_s = ((performance.now() - began_ms) / 1000).toFixed(1);
  process.stdout.write(`${violations} violations; ${events} events in ${took_s} s; ${JSON.stringify(counts)}\n`);
  return violations === 0 ? 0 : 1;
}

process.exitCode = await main();
