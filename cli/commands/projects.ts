import { listProjectOperations } from "@latchkey/contract/operations.ts";
import {
  createProject,
  deleteProject,
  getProject,
  listProjects,
  listSharedProjects,
  recoverProject,
  updateProject,
} from "@latchkey/contract/projects.ts";
import { ApiError, type Client } from "@latchkey/sdk";
import {
  chooseOrganization,
  chooseProject,
  findProjects,
  findRecoverableProjects,
  pickForChange,
} from "../choose-resource.ts";
import { type CommandFile, command, flag, text } from "../command.ts";
import { computeSizeOf, computeSizeOption } from "../compute-size.ts";
import { writeContextFile } from "../context-file.ts";
import { CliError } from "../exit.ts";
import type { Invocation } from "../invocation.ts";
import { runPsql } from "../run-psql.ts";

const FIELDS = ["id", "name", "region_id", "created_at"];
const projectArgument = { id: { summary: "Project ID; the linked or only project if left out" } } as const;
const changedProjectArgument = { id: { summary: "Project ID" } } as const;

const list = command({
  name: "list",
  summary: "List projects",
  options: {
    "org-id": text("List projects of this organization only"),
    "recoverable-only": flag("List deleted projects that can still be recovered"),
  },
  async run(invocation, { options }) {
    const { signal } = invocation;
    const org_id = options["org-id"];
    if (options["recoverable-only"]) {
      const data = await invocation.working("Listing deleted projects", (client) =>
        findRecoverableProjects(client, signal, org_id),
      );
      const empty = "There is no deleted project that could be recovered.";
      return await invocation.print({ data, fields: ["id", "name", "deleted_at", "recoverable_until"], empty });
    }
    const { owned, shared } = await invocation.working("Listing projects", async (client) => {
      if (org_id !== undefined)
        return { owned: await client.all(listProjects, { query: { org_id, limit: 400 }, signal }) };
      const [owned, shared] = await Promise.all([findProjects(client, signal), findShared(client, signal)]);
      return { owned, shared };
    });
    const empty = "There are no projects yet. Create one: latchkey projects create --name my-app";
    const part = { data: owned, fields: FIELDS, title: "Projects", empty };
    if (!shared) await invocation.print(part);
    else if (invocation.format === "table" && shared.length === 0) await invocation.print(part);
    else await invocation.print(part, { data: shared, fields: FIELDS, title: "Shared with you", empty: "None." });
  },
});

/** A key that stands for no person is refused this list, as nothing is shared with it. */
async function findShared(client: Client, signal: AbortSignal) {
  return await client.all(listSharedProjects, { query: { limit: 400 }, signal }).catch((error: unknown) => {
    if (error instanceof ApiError && (error.status === 403 || error.status === 404)) return [];
    throw error;
  });
}

const create = command({
  name: "create",
  summary: "Create a project, and wait until its database answers",
  options: {
    name: text("The project's name; default: its ID"),
    "org-id": text("Organization that the project belongs to"),
    "region-id": text("Region, which is a label here: every project runs on this server"),
    database: text("Name of the database; default: neondb"),
    role: text("Name of the role; default: the database's name with _owner"),
    "pg-version": text("Major version of Postgres"),
    ...computeSizeOption,
    secrets: flag("Leave connection strings out of the output", { on: true }),
    psql: flag("Connect with psql when the project is there"),
    "set-context": flag("Link this directory to the new project"),
  },
  async run(invocation, { options }) {
    const org_id = await chooseOrganization(invocation, options["org-id"]);
    const pg_version = options["pg-version"] === undefined ? undefined : Number(options["pg-version"]);
    if (pg_version !== undefined && !Number.isInteger(pg_version)) {
      throw new CliError("usage", "--pg-version takes a whole number such as 18");
    }
    const size = computeSizeOf(options.cu);
    const branch = {
      ...(options.database === undefined ? {} : { database_name: options.database }),
      ...(options.role === undefined ? {} : { role_name: options.role }),
    };
    const created = await invocation.working("Creating the project", (client) =>
      client.call(createProject, {
        body: {
          project: {
            org_id,
            ...(options.name === undefined ? {} : { name: options.name }),
            ...(options["region-id"] === undefined ? {} : { region_id: options["region-id"] }),
            ...(pg_version === undefined ? {} : { pg_version }),
            ...(Object.keys(branch).length === 0 ? {} : { branch }),
            ...(options.cu === undefined ? {} : { default_endpoint_settings: size }),
          },
        },
      }),
    );
    // Printed before the wait: whatever happens then, the project is there and has to be found again.
    const project = { data: created.project, fields: FIELDS, title: "Project" };
    if (!options.secrets)
      await invocation.print({
        ...project,
        data: { project: created.project },
        fields: ["project.id", "project.name", "project.created_at"],
      });
    else
      await invocation.print(project, {
        data: created.connection_uris,
        fields: ["connection_uri"],
        title: "Connection URIs",
      });
    if (options["set-context"]) {
      await writeContextFile(invocation.context_file, {
        orgId: org_id,
        projectId: created.project.id,
        branch: created.branch.name,
      });
      invocation.note(`Linked ${invocation.context_file}.`);
    }
    await invocation.settle(created.operations, "Starting Postgres");
    const uri = created.connection_uris[0]?.connection_uri;
    if (options.psql && uri !== undefined) await runPsql(uri, []);
  },
});

const get = command({
  name: "get",
  summary: "Get a project",
  args: projectArgument,
  async run(invocation, { args }) {
    const project_id = await chooseProject(invocation, args.id);
    const { project } = await invocation.working("Getting the project", (client) =>
      client.call(getProject, { params: { project_id }, signal: invocation.signal }),
    );
    await invocation.print({ data: project, fields: [...FIELDS, "org_id", "pg_version"] });
  },
});

/** The project that a change is about: the one that is named, else the one that the person picks; never the linked one. */
async function chooseProjectForChange(invocation: Invocation, given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const find = (client: Client) => findProjects(client, invocation.signal);
  return (await pickForChange(invocation, "project", "latchkey projects list", find)).id;
}

const update = command({
  name: "update",
  summary: "Rename a project, or say what size its new computes have",
  args: changedProjectArgument,
  options: { name: text("The new name"), ...computeSizeOption },
  async run(invocation, { args, options: { name, cu } }) {
    if (name === undefined && cu === undefined) {
      throw new CliError("usage", "there is nothing to change", "see `latchkey projects update --help`");
    }
    const changes = {
      ...(name === undefined ? {} : { name }),
      ...(cu === undefined ? {} : { default_endpoint_settings: computeSizeOf(cu) }),
    };
    const project_id = await chooseProjectForChange(invocation, args.id);
    const { project, operations } = await invocation.changing("Updating the project", (client) =>
      client.call(updateProject, { params: { project_id }, body: { project: changes } }),
    );
    await invocation.settle(operations, "Applying the change");
    await invocation.print({ data: project, fields: FIELDS });
  },
});

const remove = command({
  name: "delete",
  summary: "Delete a project with everything in it; it can be recovered for seven days, its keys cannot",
  args: changedProjectArgument,
  async run(invocation, { args }) {
    const params = { project_id: await chooseProjectForChange(invocation, args.id) };
    const { project } = await invocation.working("Getting the project", (client) =>
      client.call(getProject, { params, signal: invocation.signal }),
    );
    await invocation.confirmByName(`${project.id} is deleted with its branches and all of its data`, project.name);
    const deleted = await invocation.changing("Deleting the project", (client) =>
      client.call(deleteProject, { params }),
    );
    await invocation.print({ data: deleted.project, fields: FIELDS });
    if (invocation.terminal.shows_notes) {
      invocation.note(`For seven days it can be brought back: latchkey projects recover ${project.id}`);
    }
  },
});

const recover = command({
  name: "recover",
  summary: "Bring a deleted project back",
  args: changedProjectArgument,
  async run(invocation, { args }) {
    const find = (client: Client) => findRecoverableProjects(client, invocation.signal);
    const list_command = "latchkey projects list --recoverable-only";
    const project_id = args.id ?? (await pickForChange(invocation, "deleted project", list_command, find)).id;
    const { project } = await invocation.changing("Recovering the project", (client) =>
      client.call(recoverProject, { params: { project_id } }),
    );
    // The answer names no operations; what was started is found among those of the project.
    if (invocation.global.wait)
      await invocation.settle(await findOpenOperations(invocation, project_id), "Starting Postgres");
    await invocation.print({ data: project, fields: FIELDS });
  },
});

async function findOpenOperations(invocation: Invocation, project_id: string) {
  const { operations } = await invocation.working("Looking for operations", (client) =>
    client.call(listProjectOperations, { params: { project_id }, signal: invocation.signal }),
  );
  return operations.filter(({ status }) => status === "scheduling" || status === "running");
}

export default { commands: [list, create, get, update, remove, recover] } satisfies CommandFile;
