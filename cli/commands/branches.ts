import { getProjectBranch, listProjectBranches } from "@latchkey/contract/branches.ts";
import { chooseBranch, chooseProject } from "../choose-resource.ts";
import { type CommandFile, command, projectOption } from "../command.ts";

const FIELDS = ["name", "id", "default", "current_state", "created_at"];

const list = command({
  name: "list",
  summary: "List branches",
  options: projectOption,
  async run(invocation, { options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const data = await invocation.working("Listing branches", (client) =>
      client.all(listProjectBranches, { params: { project_id }, signal: invocation.signal }),
    );
    await invocation.print({ data, fields: FIELDS });
  },
});

const get = command({
  name: "get",
  summary: "Get a branch",
  args: { branch: { summary: "Branch ID or name; the default branch if left out" } },
  options: projectOption,
  async run(invocation, { args, options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const { id } = await chooseBranch(invocation, project_id, args.branch);
    const { branch } = await invocation.working("Getting the branch", (client) =>
      client.call(getProjectBranch, { params: { project_id, branch_id: id }, signal: invocation.signal }),
    );
    await invocation.print({ data: branch, fields: FIELDS });
  },
});

export default { commands: [list, get] } satisfies CommandFile;
