import { createProject, getProject } from "@latchkey/contract/projects.ts";
import { chooseBranch, chooseOnly, chooseOrganization, findProjects } from "../choose-resource.ts";
import { type CommandFile, command, flag, text } from "../command.ts";
import { type LinkedContext, writeContextFile } from "../context-file.ts";
import { CliError } from "../exit.ts";
import type { Invocation } from "../invocation.ts";

const self = command({
  name: "link",
  summary: "Link this directory to a project: later commands are about it",
  options: {
    "org-id": text("Organization ID"),
    "project-id": text("Project ID"),
    "project-name": text("Create a project of this name and link it"),
    "region-id": text("Region of a new project"),
    branch: text("Branch ID or name; default: the default branch"),
    clear: flag("Unlink: empty the context file"),
    checks: flag("Write what is given without asking the server", { on: true }),
    "env-pull": flag("Nothing: no environment file is written", { on: true, hidden: true }),
    config: flag("Nothing: no configuration is written", { on: true, hidden: true }),
  },
  examples: [
    ["latchkey link", "Choose a project"],
    ["latchkey link --project-id plain-forest-12345678", "Link this project; its organization is looked up"],
    ["latchkey link --clear", "Unlink"],
  ],
  async run(invocation, { options }) {
    const file = invocation.context_file;
    if (options.clear) {
      await writeContextFile(file, {});
      return invocation.note(`Unlinked ${file}.`);
    }
    const context = options.checks ? await lookUp(invocation, options) : asGiven(options);
    await writeContextFile(file, context);
    invocation.note(`Linked ${file}.`);
    await invocation.print({ data: context, fields: ["orgId", "projectId", "branch"] });
  },
});

interface LinkOptions {
  readonly "org-id": string | undefined;
  readonly "project-id": string | undefined;
  readonly "project-name": string | undefined;
  readonly "region-id": string | undefined;
  readonly branch: string | undefined;
}

function asGiven(options: LinkOptions): LinkedContext {
  const { "org-id": orgId, "project-id": projectId, branch } = options;
  if (orgId === undefined || projectId === undefined || branch === undefined) {
    throw new CliError("usage", "--no-checks needs --org-id, --project-id and --branch");
  }
  return { orgId, projectId, branch };
}

async function lookUp(invocation: Invocation, options: LinkOptions): Promise<LinkedContext> {
  const { signal } = invocation;
  const project_id = options["project-name"]
    ? await create(invocation, options["project-name"], options)
    : (options["project-id"] ?? (await find(invocation, options["org-id"])));
  const { project } = await invocation.working("Getting the project", (client) =>
    client.call(getProject, { params: { project_id }, signal }),
  );
  const org_id = options["org-id"];
  if (org_id !== undefined && org_id !== project.org_id) {
    throw new CliError("usage", `project ${project.id} belongs to ${project.org_id}, not to ${org_id}`);
  }
  // What was linked before says nothing about the branch of another project.
  const branch = await chooseBranch(invocation, project.id, options.branch);
  return { orgId: project.org_id, projectId: project.id, branch: branch.name };
}

async function find(invocation: Invocation, org_id: string | undefined): Promise<string> {
  const projects = await invocation.working("Looking for your projects", (client) =>
    findProjects(client, invocation.signal, org_id),
  );
  return (await chooseOnly(invocation, "project", "--project-id", projects)).id;
}

async function create(invocation: Invocation, name: string, options: LinkOptions): Promise<string> {
  const org_id = await chooseOrganization(invocation, options["org-id"]);
  const region = options["region-id"] === undefined ? {} : { region_id: options["region-id"] };
  const { project, operations } = await invocation.working("Creating the project", (client) =>
    client.call(createProject, { body: { project: { name, org_id, ...region } } }),
  );
  await invocation.settle(operations, "Starting Postgres");
  return project.id;
}

export default { self } satisfies CommandFile;
