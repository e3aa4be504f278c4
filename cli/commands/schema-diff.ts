import { type Branch, getProjectBranchSchemaComparison } from "@latchkey/contract/branches.ts";
import { listProjectBranchDatabases } from "@latchkey/contract/databases.ts";
import { chooseBranch, chooseProject, findBranch, findBranches } from "../choose-resource.ts";
import { command, projectOption, text } from "../command.ts";
import { CliError } from "../exit.ts";
import type { Invocation } from "../invocation.ts";

/** `branches schema-diff`: what is text for people is text for programs too, such as `patch`, unless JSON is asked for. */
export const schemaDiff = command({
  name: "schema-diff",
  aliases: ["sd"],
  summary: "Show how the schemas of two branches differ, or those of a branch and its parent",
  args: {
    "base-branch": { summary: "Branch ID or name; the linked or default branch if left out" },
    "compare-source": { summary: "Branch ID or name; ^parent if left out" },
  },
  options: { ...projectOption, database: text("Database name; all databases if left out") },
  examples: [
    ["latchkey branches schema-diff preview", "What preview has changed of its parent"],
    ["latchkey branches schema-diff main preview --database shop", "What leads from main to preview"],
  ],
  async run(invocation, { args, options }) {
    const { signal } = invocation;
    const project_id = await chooseProject(invocation, options["project-id"]);
    const base = await chooseBranch(invocation, project_id, args["base-branch"]);
    const [from, to] = await chooseSides(invocation, base, args["compare-source"] ?? "^parent");
    const params = { project_id, branch_id: to };
    const data = await invocation.working("Comparing the schemas", async (client) => {
      const in_base = { params: { project_id, branch_id: base.id }, signal };
      const { databases } = await client.call(listProjectBranchDatabases, in_base);
      const names = options.database === undefined ? databases.map(({ name }) => name) : [options.database];
      const compare = async (db_name: string) => {
        const query = { db_name, base_branch_id: from };
        const { diff } = await client.call(getProjectBranchSchemaComparison, { params, query, signal });
        return { database: db_name, diff };
      };
      return await Promise.all(names.map(compare));
    });
    const { output } = invocation.global;
    if (output === "json" || output === "yaml") return await invocation.print({ data, fields: [] });
    const found = data.filter(({ diff }) => diff !== "");
    if (found.length === 0 && invocation.terminal.shows_notes) invocation.note("The schemas are the same.");
    const { stdout: colored } = invocation.terminal.colors;
    for (const { database, diff } of found) {
      if (invocation.terminal.shows_notes) invocation.note(`Database ${database}:`);
      await invocation.write(colored ? withColors(diff) : diff);
    }
  },
});

/** As in Neon's CLI: against its parent a branch is the newer side, against another one the older. */
async function chooseSides(
  invocation: Invocation,
  base: Branch,
  wanted: string,
): Promise<readonly [from: string, to: string]> {
  if (wanted !== "^parent") {
    const branches = await findBranches(invocation, base.project_id);
    return [base.id, findBranch(branches, base.project_id, wanted).id];
  }
  if (base.parent_id !== undefined) return [base.parent_id, base.id];
  throw new CliError("usage", `${base.name} has no parent`, "name the branch to compare it with");
}

/** Lines that come green, lines that go red. */
function withColors(diff: string): string {
  return diff.replaceAll(/^[+-].*$/gm, (line) => `\u001b[${line.startsWith("+") ? 32 : 31}m${line}\u001b[39m`);
}
