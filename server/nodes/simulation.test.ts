import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MUTATIONS, openKeysWithout } from "../../test/simulation/mutations.ts";
import { simulate } from "../../test/simulation/scenario.ts";
import { openKeys } from "../keys/open-keys.ts";

/**
 * The real classes of `nodes/` and `keys/` on several nodes in one process, with everything around them simulated:
 * clocks, network, processes and the database. More seeds: `SIMULATION_SEEDS=100000 npm test -- simulation`; one of them,
 * with all that happens in it: `node_modules/.bin/node test/simulation/run.ts --seed 42`.
 */
const SEEDS = Number(process.env.SIMULATION_SEEDS ?? 150);
/** Every rule shows within so many seeds from where it showed when it was written down. */
const SEEDS_FOR_A_RULE = 300;

describe("the code of nodes and keys, simulated", () => {
  test(`whatever goes wrong, a revoked key is dead and a live one is not, in ${SEEDS} seeds`, async (t) => {
    const totals = { accepted: 0, late: 0, refused: 0, unavailable: 0, revoked: 0, unpromised: 0 };
    const found: string[] = [];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { violation, counts } = await simulate(seed, openKeys);
      if (violation !== undefined) found.push(`seed ${seed}: ${violation}`);
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += counts[name];
    }
    t.diagnostic(
      `${totals.revoked} revocations (${totals.unpromised} without a promise); ${totals.accepted} requests accepted, ` +
        `${totals.refused} refused, ${totals.unavailable} not answered; ${totals.late} began after a revocation had returned`,
    );
    assert.deepEqual(found, []);
    assert.ok(totals.late > 50 * SEEDS, "too few requests after revocations to show anything");
    assert.ok(totals.accepted > 50 * SEEDS, "too few acceptances to show anything");
    assert.ok(totals.unpromised < totals.revoked, "hardly any revocation succeeds");
  });

  for (const [rule, { seed: first }] of Object.entries(MUTATIONS)) {
    test(`it shows when this rule is taken out of the code: ${rule}`, async (t) => {
      const open_keys = await openKeysWithout(rule);
      for (let seed = first; seed < first + SEEDS_FOR_A_RULE; seed++) {
        const { violation } = await simulate(seed, open_keys);
        if (violation === undefined) continue;
        t.diagnostic(`seed ${seed}: ${violation}`);
        return;
      }
      assert.fail("no violation: the rule or the simulation is idle");
    });
  }

  test("a seed can be run again: the same happens", async () => {
    const tell = async (seed: number) => {
      const lines: string[] = [];
      await simulate(seed, openKeys, (line) => lines.push(line.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "id")));
      return lines;
    };
    for (const seed of [1, 2, 3]) {
      const lines = await tell(seed);
      assert.ok(lines.length > 100);
      assert.deepEqual(await tell(seed), lines);
    }
  });
});
