import { getProjectEndpoint, listProjectBranchEndpoints, listProjectEndpoints } from "@latchkey/contract/endpoints.ts";
import { chooseBranch, chooseProject } from "../choose-resource.ts";
import { branchOptions, type CommandFile, command, projectOption, text } from "../command.ts";

const FIELDS = ["id", "host", "type", "branch_id", "current_state"];

const list = command({
  name: "list",
  summary: "List the computes of a project or a branch",
  options: { ...branchOptions, branch: text("Branch ID or name; all branches if left out") },
  async run(invocation, { options }) {
    const { signal } = invocation;
    const project_id = await chooseProject(invocation, options["project-id"]);
    const branch = options.branch && (await chooseBranch(invocation, project_id, options.branch));
    const { endpoints } = await invocation.working("Listing computes", (client) =>
      branch
        ? client.call(listProjectBranchEndpoints, { params: { project_id, branch_id: branch.id }, signal })
        : client.call(listProjectEndpoints, { params: { project_id }, signal }),
    );
    await invocation.print({ data: endpoints, fields: FIELDS });
  },
});

const get = command({
  name: "get",
  summary: "Get a compute",
  args: { id: { summary: "Endpoint ID", required: true } },
  options: projectOption,
  async run(invocation, { args, options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const { endpoint } = await invocation.working("Getting the compute", (client) =>
      client.call(getProjectEndpoint, { params: { project_id, endpoint_id: args.id }, signal: invocation.signal }),
    );
    await invocation.print({ data: endpoint, fields: [...FIELDS, "last_active", "created_at"] });
  },
});

export default { commands: [list, get] } satisfies CommandFile;
