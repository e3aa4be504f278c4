import {
  getProjectBranchRole,
  getProjectBranchRolePassword,
  listProjectBranchRoles,
} from "@latchkey/contract/roles.ts";
import { chooseBranch, chooseProject } from "../choose-resource.ts";
import { branchOptions, type CommandFile, command } from "../command.ts";

const FIELDS = ["name", "created_at"];
const roleArgument = { role: { summary: "Role name", required: true } } as const;

const list = command({
  name: "list",
  summary: "List roles",
  options: branchOptions,
  async run(invocation, { options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const { id: branch_id } = await chooseBranch(invocation, project_id, options.branch);
    const { roles } = await invocation.working("Listing roles", (client) =>
      client.call(listProjectBranchRoles, { params: { project_id, branch_id }, signal: invocation.signal }),
    );
    await invocation.print({ data: roles, fields: FIELDS });
  },
});

const get = command({
  name: "get",
  summary: "Get a role",
  args: roleArgument,
  options: branchOptions,
  async run(invocation, { args, options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const { id: branch_id } = await chooseBranch(invocation, project_id, options.branch);
    const { role } = await invocation.working("Getting the role", (client) =>
      client.call(getProjectBranchRole, {
        params: { project_id, branch_id, role_name: args.role },
        signal: invocation.signal,
      }),
    );
    await invocation.print({ data: role, fields: FIELDS });
  },
});

const revealPassword = command({
  name: "reveal-password",
  summary: "Print the password of a role, alone on stdout",
  args: roleArgument,
  options: branchOptions,
  async run(invocation, { args, options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const { id: branch_id } = await chooseBranch(invocation, project_id, options.branch);
    const data = await invocation.working("Getting the password", (client) =>
      client.call(getProjectBranchRolePassword, {
        params: { project_id, branch_id, role_name: args.role },
        signal: invocation.signal,
      }),
    );
    if (invocation.global.output === "json" || invocation.global.output === "yaml") {
      await invocation.print({ data, fields: ["password"] });
    } else await invocation.write(`${data.password}\n`);
  },
});

export default { commands: [list, get, revealPassword] } satisfies CommandFile;
