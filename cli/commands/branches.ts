import { createProjectBranch } from "@latchkey/contract/branch-creation.ts";
import {
  type Branch,
  deleteProjectBranch,
  getProjectBranch,
  listProjectBranches,
  restoreProjectBranch,
  setDefaultProjectBranch,
  updateProjectBranch,
} from "@latchkey/contract/branches.ts";
import { createProjectEndpoint } from "@latchkey/contract/endpoints.ts";
import type { Operation } from "@latchkey/contract/operations.ts";
import { chooseBranch, chooseProject, findBranch, findBranches, pickForChange } from "../choose-resource.ts";
import { type CommandFile, command, flag, projectOption, text } from "../command.ts";
import { computeSizeOf, computeSizeOption } from "../compute-size.ts";
import { CliError } from "../exit.ts";
import type { Invocation } from "../invocation.ts";
import type { Part } from "../output.ts";
import { runPsql } from "../run-psql.ts";
import { suspendTimeoutOf, suspendTimeoutOption } from "../suspend-timeout.ts";
import { schemaDiff } from "./schema-diff.ts";

const FIELDS = ["name", "id", "default", "protected", "current_state", "created_at", "expires_at"];
const branchArgument = { branch: { summary: "Branch ID or name" } } as const;
const preserveOption = { "preserve-under-name": text("Keep what the branch has as a branch of this name") } as const;

/** The branch that a change is about: the one that is named, else the one that the person picks. */
async function chooseBranchForChange(
  invocation: Invocation,
  given: string | undefined,
  options: { readonly "project-id": string | undefined },
): Promise<Branch> {
  const project_id = await chooseProject(invocation, options["project-id"]);
  if (given !== undefined) return findBranch(await findBranches(invocation, project_id), project_id, given);
  const list_command = `latchkey branches list --project-id ${project_id}`;
  return await pickForChange(invocation, "branch", list_command, (client) =>
    client.all(listProjectBranches, { params: { project_id }, signal: invocation.signal }),
  );
}

function pathOf({ id: branch_id, project_id }: Branch) {
  return { project_id, branch_id };
}

async function getBranch(invocation: Invocation, params: { project_id: string; branch_id: string }): Promise<Branch> {
  const { branch } = await invocation.working("Getting the branch", (client) =>
    client.call(getProjectBranch, { params, signal: invocation.signal }),
  );
  return branch;
}

/** Waits for what a change has started, and says what the branch is then. */
async function settled(
  invocation: Invocation,
  { branch, operations }: { readonly branch: Branch; readonly operations: readonly Operation[] },
  label: string,
): Promise<Branch> {
  if (operations.length === 0 || !invocation.global.wait) return branch;
  await invocation.settle(operations, label);
  return await getBranch(invocation, pathOf(branch));
}

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
    const { id: branch_id } = await chooseBranch(invocation, project_id, args.branch);
    await invocation.print({ data: await getBranch(invocation, { project_id, branch_id }), fields: FIELDS });
  },
});

const create = command({
  name: "create",
  summary: "Create a branch with the data that its parent has now, and wait until its database answers",
  options: {
    ...projectOption,
    name: text("The branch's name; default: its ID"),
    parent: text("Branch ID or name of the parent; default: the default branch"),
    compute: flag("Create the branch without a compute", { on: true }),
    type: text("Type of the compute", { choices: ["read_write"], hidden: true }),
    ...computeSizeOption,
    ...suspendTimeoutOption,
    "expires-at": text("When the branch is deleted by itself, such as 2030-12-31T23:59:59Z", { value: "time" }),
    protected: flag("Protect the branch from being deleted, reset and restored"),
    secrets: flag("Leave connection strings out of the output", { on: true }),
    psql: flag("Connect with psql when the branch is there"),
  },
  examples: [
    ["latchkey branches create --name preview", "A copy of the default branch, with a compute of its own"],
    ["latchkey branches create --parent main --no-compute --name backup", "Only the data of main"],
  ],
  async run(invocation, { options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const parent_id =
      options.parent === undefined
        ? undefined
        : findBranch(await findBranches(invocation, project_id), project_id, options.parent).id;
    if (options.psql && !options.compute) throw new CliError("usage", "--psql needs a compute to connect to");
    const branch = {
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(parent_id === undefined ? {} : { parent_id }),
      ...(options["expires-at"] === undefined ? {} : { expires_at: timeOf(options["expires-at"]) }),
      ...(options.protected ? { protected: true } : {}),
    };
    const compute = {
      type: "read_write" as const,
      ...computeSizeOf(options.cu),
      ...suspendTimeoutOf(options["suspend-timeout"]),
    };
    const endpoints = options.compute ? [compute] : [];
    const created = await invocation.changing("Creating the branch", (client) =>
      client.call(createProjectBranch, { params: { project_id }, body: { branch, endpoints } }),
    );
    // Printed before the wait: whatever happens then, the branch is there and has to be found again.
    await invocation.print(...partsOf(created, options.secrets));
    await invocation.settle(created.operations, "Copying the data");
    if (!options.psql) return;
    const uri = created.connection_uris?.[0]?.connection_uri;
    if (uri !== undefined) return await runPsql(uri, []);
    throw new CliError(
      "usage",
      "the branch has several roles or databases",
      `choose with \`latchkey psql ${created.branch.id} --role-name … --database-name …\``,
    );
  },
});

/** As Neon's CLI prints a new branch: each part that there is. */
function partsOf(
  {
    branch,
    endpoints,
    connection_uris = [],
  }: {
    readonly branch: Branch;
    readonly endpoints: readonly object[];
    readonly connection_uris?: readonly object[] | undefined;
  },
  secrets: boolean,
): Part[] {
  const parts: Part[] = [{ data: branch, fields: FIELDS, title: "Branch" }];
  if (endpoints.length > 0) parts.push({ data: endpoints, fields: ["id", "host"], title: "Endpoints" });
  if (secrets && connection_uris.length > 0) {
    parts.push({ data: connection_uris, fields: ["connection_uri"], title: "Connection URIs" });
  }
  return parts;
}

const rename = command({
  name: "rename",
  summary: "Rename a branch",
  args: {
    branch: { summary: "Branch ID or name", required: true },
    "new-name": { summary: "The new name", required: true },
  },
  options: projectOption,
  async run(invocation, { args, options }) {
    const branch = await chooseBranchForChange(invocation, args.branch, options);
    await change(invocation, branch, { name: args["new-name"] }, "Renaming the branch");
  },
});

const setExpiration = command({
  name: "set-expiration",
  summary: "Set when a branch is deleted by itself, or that it is not",
  args: branchArgument,
  options: {
    ...projectOption,
    "expires-at": text("Such as 2030-12-31T23:59:59Z; the branch stays for good if left out", { value: "time" }),
  },
  async run(invocation, { args, options }) {
    const expires_at = options["expires-at"] === undefined ? null : timeOf(options["expires-at"]);
    const branch = await chooseBranchForChange(invocation, args.branch, options);
    await change(invocation, branch, { expires_at }, "Setting the expiration");
  },
});

const protect = command({
  name: "protect",
  summary: "Protect a branch from being deleted, reset and restored, its compute and project from being deleted",
  args: branchArgument,
  options: projectOption,
  async run(invocation, { args, options }) {
    const branch = await chooseBranchForChange(invocation, args.branch, options);
    await change(invocation, branch, { protected: true }, "Protecting the branch");
  },
});

const unprotect = command({
  name: "unprotect",
  summary: "End the protection of a branch",
  args: branchArgument,
  options: projectOption,
  async run(invocation, { args, options }) {
    const branch = await chooseBranchForChange(invocation, args.branch, options);
    await change(invocation, branch, { protected: false }, "Ending the protection");
  },
});

async function change(
  invocation: Invocation,
  branch: Branch,
  wanted: { name?: string; expires_at?: string | null; protected?: boolean },
  label: string,
): Promise<void> {
  const changed = await invocation.changing(label, (client) =>
    client.call(updateProjectBranch, { params: pathOf(branch), body: { branch: wanted } }),
  );
  await invocation.print({ data: await settled(invocation, changed, label), fields: FIELDS });
}

const setDefault = command({
  name: "set-default",
  summary: "Make a branch the one that is meant where none is named",
  args: branchArgument,
  options: projectOption,
  async run(invocation, { args, options }) {
    const branch = await chooseBranchForChange(invocation, args.branch, options);
    const changed = await invocation.changing("Setting the default branch", (client) =>
      client.call(setDefaultProjectBranch, { params: pathOf(branch) }),
    );
    await invocation.print({ data: await settled(invocation, changed, "Applying the change"), fields: FIELDS });
  },
});

const reset = command({
  name: "reset",
  summary: "Give a branch the data that its parent has now",
  args: branchArgument,
  options: {
    ...projectOption,
    parent: flag("Nothing: a branch is reset to its parent and nothing else", { hidden: true }),
    ...preserveOption,
  },
  async run(invocation, { args, options }) {
    const branch = await chooseBranchForChange(invocation, args.branch, options);
    if (branch.parent_id === undefined) {
      throw new CliError(
        "usage",
        `${branch.name} has no parent`,
        "give it the data of another: latchkey branches restore",
      );
    }
    await restoreFrom(invocation, branch, branch.parent_id, "its parent", options["preserve-under-name"]);
  },
});

const restore = command({
  name: "restore",
  summary: "Give a branch the data that another branch has now",
  args: {
    branch: { summary: "Branch ID or name", required: true },
    source: { summary: "Branch ID or name whose data it gets, or ^parent", required: true },
  },
  options: { ...projectOption, ...preserveOption },
  examples: [
    ["latchkey branches restore main backup", "main gets the data of backup"],
    ["latchkey branches restore main ^parent --preserve-under-name before", "What main had stays, as before"],
  ],
  async run(invocation, { args, options }) {
    const project_id = await chooseProject(invocation, options["project-id"]);
    const branches = await findBranches(invocation, project_id);
    const branch = findBranch(branches, project_id, args.branch);
    const source_id = sourceOf(branches, branch, args.source);
    await restoreFrom(invocation, branch, source_id, args.source, options["preserve-under-name"]);
  },
});

/** Neon's words for a source. A moment of the past is not among what the API offers. */
function sourceOf(branches: readonly Branch[], branch: Branch, wanted: string): string {
  if (wanted === "^self") return branch.id;
  if (wanted !== "^parent") {
    const known = branches.some(({ id, name }) => id === wanted || name === wanted);
    if (known || !wanted.includes("@")) return findBranch(branches, branch.project_id, wanted).id;
    throw new CliError("usage", "a branch is restored to what its source has now, not to a moment of the past");
  }
  if (branch.parent_id !== undefined) return branch.parent_id;
  throw new CliError("usage", `${branch.name} has no parent`, "name another branch");
}

async function restoreFrom(
  invocation: Invocation,
  branch: Branch,
  source_branch_id: string,
  source: string,
  preserve_under_name: string | undefined,
): Promise<void> {
  // With a branch that keeps it nothing is lost.
  if (preserve_under_name === undefined) {
    await invocation.confirmByName(
      `What ${branch.name} has is replaced by the data of ${source}, for good`,
      branch.name,
    );
  }
  const body = { source_branch_id, ...(preserve_under_name === undefined ? {} : { preserve_under_name }) };
  const changed = await invocation.changing("Restoring the branch", (client) =>
    client.call(restoreProjectBranch, { params: pathOf(branch), body }),
  );
  const restored = await settled(invocation, changed, "Copying the data");
  const part = { data: restored, fields: ["id", "name", "last_reset_at"], title: "Restored branch" };
  const { project_id, parent_id } = changed.branch;
  if (preserve_under_name === undefined || parent_id === undefined) return await invocation.print(part);
  const backup = await getBranch(invocation, { project_id, branch_id: parent_id });
  await invocation.print(part, { data: backup, fields: ["id", "name"], title: "Backup branch" });
}

const addCompute = command({
  name: "add-compute",
  summary: "Give a branch a compute, and wait until it answers",
  args: branchArgument,
  options: {
    ...projectOption,
    name: text("Name of the compute"),
    type: text("Type of the compute", { choices: ["read_write"], hidden: true }),
    ...computeSizeOption,
  },
  async run(invocation, { args, options }) {
    const { id: branch_id, project_id } = await chooseBranchForChange(invocation, args.branch, options);
    const wanted = {
      ...{ branch_id, type: "read_write" as const },
      ...(options.name === undefined ? {} : { name: options.name }),
      ...computeSizeOf(options.cu),
    };
    const { endpoint, operations } = await invocation.changing("Creating the compute", (client) =>
      client.call(createProjectEndpoint, { params: { project_id }, body: { endpoint: wanted } }),
    );
    await invocation.print({ data: endpoint, fields: ["id", "host"] });
    await invocation.settle(operations, "Starting Postgres");
  },
});

const remove = command({
  name: "delete",
  summary: "Delete a branch with its compute and its data",
  args: branchArgument,
  options: projectOption,
  async run(invocation, { args, options }) {
    const branch = await chooseBranchForChange(invocation, args.branch, options);
    await invocation.confirmByName(`Branch ${branch.id} is deleted with its data, for good`, branch.name);
    const deleted = await invocation.changing("Deleting the branch", (client) =>
      client.call(deleteProjectBranch, { params: pathOf(branch) }),
    );
    await invocation.settle(deleted.operations, "Removing the data");
    await invocation.print({ data: deleted.branch, fields: ["name", "id", "created_at"] });
  },
});

/** A moment as a person writes it, as the API takes it. */
function timeOf(given: string): string {
  const time = new Date(given);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new CliError("usage", `${given} is not a time`, "write it like 2030-12-31T23:59:59Z");
}

export default {
  commands: [
    list,
    create,
    get,
    rename,
    setDefault,
    setExpiration,
    protect,
    unprotect,
    reset,
    restore,
    addCompute,
    remove,
    schemaDiff,
  ],
} satisfies CommandFile;
