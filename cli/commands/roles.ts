import {
  createProjectBranchRole,
  deleteProjectBranchRole,
  getProjectBranchRole,
  getProjectBranchRolePassword,
  listProjectBranchRoles,
  resetProjectBranchRolePassword,
} from "@latchkey/contract/roles.ts";
import { chooseBranchPath, chooseName, pickForChange } from "../choose-resource.ts";
import { branchOptions, type CommandFile, command, flag, text } from "../command.ts";
import { CliError } from "../exit.ts";
import type { Invocation } from "../invocation.ts";

const FIELDS = ["name", "created_at"];
const roleArgument = { role: { summary: "Role name; the only role if left out" } } as const;
const changedRoleArgument = { role: { summary: "Role name" } } as const;

interface RoleOptions {
  readonly "project-id": string | undefined;
  readonly branch: string | undefined;
}

/** The path of the role that is asked about: the one that is named, else the only one, else the one that is picked. */
async function findRolePath(invocation: Invocation, given: string | undefined, options: RoleOptions) {
  const params = await chooseBranchPath(invocation, options);
  if (given !== undefined) return { ...params, role_name: given };
  const { roles } = await invocation.working("Looking for roles", (client) =>
    client.call(listProjectBranchRoles, { params, signal: invocation.signal }),
  );
  const names = roles.map(({ name }) => name);
  return { ...params, role_name: await chooseName(invocation, "role", undefined, names, undefined) };
}

/** The path of the role that a change is about: the one that is named, else the one that the person picks. */
async function chooseRolePath(invocation: Invocation, given: string | undefined, options: RoleOptions) {
  const params = await chooseBranchPath(invocation, options);
  if (given !== undefined) return { ...params, role_name: given };
  const picked = await pickForChange(invocation, "role", "latchkey roles list", async (client) =>
    (await client.call(listProjectBranchRoles, { params })).roles.map(({ name }) => ({ id: name })),
  );
  return { ...params, role_name: picked.id };
}

const list = command({
  name: "list",
  summary: "List roles",
  options: branchOptions,
  async run(invocation, { options }) {
    const params = await chooseBranchPath(invocation, options);
    const { roles } = await invocation.working("Listing roles", (client) =>
      client.call(listProjectBranchRoles, { params, signal: invocation.signal }),
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
    const params = await findRolePath(invocation, args.role, options);
    const { role } = await invocation.working("Getting the role", (client) =>
      client.call(getProjectBranchRole, { params, signal: invocation.signal }),
    );
    await invocation.print({ data: role, fields: FIELDS });
  },
});

const create = command({
  name: "create",
  summary: "Create a role, and wait until it can connect",
  options: {
    ...branchOptions,
    name: text("Role name", { required: true }),
    login: flag("Create a role that cannot log in", { on: true }),
  },
  async run(invocation, { options }) {
    const params = await chooseBranchPath(invocation, options);
    const { role, operations } = await invocation.changing("Creating the role", (client) =>
      client.call(createProjectBranchRole, {
        params,
        body: { role: { name: options.name, ...(options.login ? {} : { no_login: true }) } },
      }),
    );
    await invocation.print({ data: role, fields: FIELDS });
    await invocation.settle(operations, "Creating the role");
    if (options.login && invocation.terminal.shows_notes) {
      invocation.note(`Its password: latchkey roles reveal-password ${role.name}`);
    }
  },
});

const remove = command({
  name: "delete",
  summary: "Delete a role; what it owns passes to the owners of its databases",
  args: changedRoleArgument,
  options: branchOptions,
  async run(invocation, { args, options }) {
    const params = await chooseRolePath(invocation, args.role, options);
    await invocation.confirmByName(`Whoever connects as ${params.role_name} no longer can`, params.role_name);
    const { role, operations } = await invocation.changing("Deleting the role", (client) =>
      client.call(deleteProjectBranchRole, { params }),
    );
    await invocation.settle(operations, "Deleting the role");
    await invocation.print({ data: role, fields: FIELDS });
  },
});

const revealPassword = command({
  name: "reveal-password",
  summary: "Print the password of a role, alone on stdout",
  args: roleArgument,
  options: branchOptions,
  async run(invocation, { args, options }) {
    const params = await findRolePath(invocation, args.role, options);
    const data = await invocation.working("Getting the password", (client) =>
      client.call(getProjectBranchRolePassword, { params, signal: invocation.signal }),
    );
    await printPassword(invocation, params, data, data.password);
  },
});

const resetPassword = command({
  name: "reset-password",
  summary: "Give a role a new password, and print it alone on stdout",
  args: changedRoleArgument,
  options: branchOptions,
  async run(invocation, { args, options }) {
    const params = await chooseRolePath(invocation, args.role, options);
    await invocation.confirmByName(`The password of ${params.role_name} no longer works then`, params.role_name);
    const { role, operations } = await invocation.changing("Resetting the password", (client) =>
      client.call(resetProjectBranchRolePassword, { params }),
    );
    // Before the wait: the answer holds it, and it is the role's from now on.
    await printPassword(invocation, params, role, role.password ?? "");
    await invocation.settle(operations, "Setting the password");
  },
});

async function printPassword(
  invocation: Invocation,
  params: { readonly role_name: string },
  data: object,
  password: string,
): Promise<void> {
  await invocation.printSecret(password, data, async (reason) => {
    const { role_name } = params;
    const hint = `it is the role's all the same: latchkey roles reveal-password ${role_name}`;
    return new CliError("failed", `nobody took the password of role ${role_name} (${reason})`, hint);
  });
}

export default { commands: [list, get, create, remove, revealPassword, resetPassword] } satisfies CommandFile;
