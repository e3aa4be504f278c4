import { getProjectBranchDatabase, listProjectBranchDatabases } from "@latchkey/contract/databases.ts";
import { chooseBranch, chooseProject } from "../choose-resource.ts";
import { branchOptions, type CommandFile, command } from "../command.ts";

const FIELDS = ["name", "owner_name", "created_at"];

const list = command({
  name: "list",
  summary: "List databases",
  options: branchOptions,
  async run(invocation, { options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const { id: branch_id } = await chooseBranch(invocation, project_id, options.branch);
    const { databases } = await invocation.working("Listing databases", (client) =>
      client.call(listProjectBranchDatabases, { params: { project_id, branch_id }, signal: invocation.signal }),
    );
    await invocation.print({ data: databases, fields: FIELDS });
  },
});

const get = command({
  name: "get",
  summary: "Get a database",
  args: { database: { summary: "Database name", required: true } },
  options: branchOptions,
  async run(invocation, { args, options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const { id: branch_id } = await chooseBranch(invocation, project_id, options.branch);
    const { database } = await invocation.working("Getting the database", (client) =>
      client.call(getProjectBranchDatabase, {
        params: { project_id, branch_id, database_name: args.database },
        signal: invocation.signal,
      }),
    );
    await invocation.print({ data: database, fields: FIELDS });
  },
});

export default { commands: [list, get] } satisfies CommandFile;
