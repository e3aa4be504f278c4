import { type Branch, listProjectBranches } from "@latchkey/contract/branches.ts";
import { listProjectEndpoints } from "@latchkey/contract/endpoints.ts";
import { getProject, listProjects } from "@latchkey/contract/projects.ts";
import { getCurrentUserOrganizations } from "@latchkey/contract/users.ts";
import { ApiError, type Client } from "@latchkey/sdk";
import { CliError } from "./exit.ts";
import type { Invocation } from "./invocation.ts";
import { pick } from "./terminal/prompt.ts";

/**
 * Which organization, project or branch a command is about: the one that is named, else the one that this
 * directory is linked to, else the only one there is, else the one that the person picks.
 */
interface Named {
  readonly id: string;
  readonly name: string;
}

export async function chooseOrganization(invocation: Invocation, given: string | undefined): Promise<string> {
  const named = given ?? (await invocation.context()).orgId;
  if (named !== undefined) return named;
  const { organizations } = await invocation.working("Looking for your organizations", (client) =>
    client.call(getCurrentUserOrganizations, { signal: invocation.signal }),
  );
  return (await chooseOnly(invocation, "organization", "--org-id", organizations)).id;
}

export async function chooseProject(invocation: Invocation, given: string | undefined): Promise<string> {
  const named = given ?? (await invocation.context()).projectId;
  if (named !== undefined) return named;
  const projects = await invocation.working("Looking for your projects", (client) =>
    findProjects(client, invocation.signal),
  );
  return (await chooseOnly(invocation, "project", "--project-id", projects)).id;
}

/** All projects within reach, organization by organization, as the API lists them. */
export async function findProjects(client: Client, signal: AbortSignal, org_id?: string): Promise<Named[]> {
  try {
    return await listProjectsOf(client, signal, org_id, {});
  } catch (error) {
    const project_id = projectOfKey(error);
    if (project_id === undefined) throw error;
    return [(await client.call(getProject, { params: { project_id }, signal })).project];
  }
}

/** Deleted projects that can still be brought back. */
export async function findRecoverableProjects(client: Client, signal: AbortSignal, org_id?: string) {
  return await listProjectsOf(client, signal, org_id, { recoverable: true });
}

async function listProjectsOf(
  client: Client,
  signal: AbortSignal,
  org_id: string | undefined,
  which: { readonly recoverable?: boolean },
) {
  const org_ids =
    org_id === undefined
      ? (await client.call(getCurrentUserOrganizations, { signal })).organizations.map(({ id }) => id)
      : [org_id];
  const query = { limit: 400, ...which };
  const lists = await Promise.all(
    org_ids.map((id) => client.all(listProjects, { query: { ...query, org_id: id }, signal })),
  );
  return lists.flat();
}

/** A project-scoped key is refused every list, and the refusal names the one project that it reaches. */
function projectOfKey(error: unknown): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  return /subject_project_id:"([a-z0-9-]{1,60})"/.exec(error.message)?.[1];
}

/** A branch by id or name; the linked one, or the project's default branch, when none is named. */
export async function chooseBranch(invocation: Invocation, project_id: string, given: string | undefined) {
  const context = await invocation.context();
  const linked = context.projectId === project_id ? context.branch : undefined;
  return findBranch(await findBranches(invocation, project_id), project_id, given ?? linked);
}

/** The path of what is in a branch: of the branch that the options name, else of the linked or default one. */
export async function chooseBranchPath(
  invocation: Invocation,
  options: { readonly "project-id": string | undefined; readonly branch: string | undefined },
): Promise<{ readonly project_id: string; readonly branch_id: string }> {
  const project_id = await chooseProject(invocation, options["project-id"]);
  const { id: branch_id } = await chooseBranch(invocation, project_id, options.branch);
  return { project_id, branch_id };
}

export async function findBranches(invocation: Invocation, project_id: string): Promise<readonly Branch[]> {
  return await invocation.working("Looking for the branch", (client) =>
    client.all(listProjectBranches, { params: { project_id }, signal: invocation.signal }),
  );
}

/** The branch of this id or name; the default one when none is wanted. */
export function findBranch(branches: readonly Branch[], project_id: string, wanted: string | undefined): Branch {
  const found = branches.find((branch) =>
    wanted === undefined ? branch.default : branch.id === wanted || branch.name === wanted,
  );
  if (found) return found;
  throw new CliError(
    "not_found",
    wanted === undefined
      ? `project ${project_id} has no default branch`
      : `project ${project_id} has no branch ${wanted}`,
    `see \`latchkey branches list --project-id ${project_id}\``,
  );
}

/**
 * What is to be changed, picked by the person. It is never guessed, not even where there is only one: a script
 * that has lost a variable must not delete something else.
 */
export async function pickForChange<T extends { readonly id: string; readonly name?: string | undefined }>(
  invocation: Invocation,
  kind: string,
  list_command: string,
  find: (client: Client) => Promise<readonly T[]>,
): Promise<T> {
  const see = `see \`${list_command}\``;
  if (!invocation.terminal.has_person) throw new CliError("usage", `which ${kind}? Name it`, see);
  const choices = await invocation.working(`Looking for each ${kind}`, find);
  if (choices.length === 0) throw new CliError("not_found", `there is no ${kind}`, see);
  return await pick(`Which ${kind}?`, choices, ({ id, name }) =>
    name === undefined || name === id ? id : `${name} (${id})`,
  );
}

/** The only one; the one that the person picks; or an error that lists what could be named. */
export async function chooseOnly<T extends Named>(
  invocation: Invocation,
  kind: string,
  /** What names one: an option, or nothing where an argument does. */
  option: string | undefined,
  choices: readonly T[],
): Promise<T> {
  const [only, another] = choices;
  if (!only) throw new CliError("not_found", `there is no ${kind} within reach of this credential`);
  if (!another) return only;
  if (invocation.terminal.has_person) {
    return await pick(`Which ${kind}?`, choices, ({ name, id }) => (name === id ? id : `${name} (${id})`));
  }
  const some = choices.slice(0, 10).map(({ id, name }) => (name === id ? id : `${id} (${name})`));
  const how = option === undefined ? "" : ` with ${option}`;
  throw new CliError("usage", `there are several ${kind}s; name one${how}`, some.join("\n  "));
}

/** The name given, or the only one there is, or the one picked: for roles and databases, which have no ids. */
export async function chooseName(
  invocation: Invocation,
  kind: string,
  option: string | undefined,
  names: readonly string[],
  given: string | undefined,
): Promise<string> {
  if (given !== undefined) return given;
  return (
    await chooseOnly(
      invocation,
      kind,
      option,
      names.map((name) => ({ id: name, name })),
    )
  ).name;
}

/** The compute of a project that has one; the person picks where it has several, and can. */
export async function findOnlyEndpoint(invocation: Invocation, project_id: string): Promise<string> {
  const { endpoints } = await invocation.working("Looking for computes", (client) =>
    client.call(listProjectEndpoints, { params: { project_id }, signal: invocation.signal }),
  );
  const named = endpoints.map(({ id, name, branch_id }) => ({ id, name: name ?? branch_id }));
  return (await chooseOnly(invocation, "compute", undefined, named)).id;
}
