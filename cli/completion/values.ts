import { listProjectBranches } from "@latchkey/contract/branches.ts";
import { listProjectBranchDatabases } from "@latchkey/contract/databases.ts";
import { listProjectEndpoints } from "@latchkey/contract/endpoints.ts";
import { listProjectBranchRoles } from "@latchkey/contract/roles.ts";
import { getCurrentUserOrganizations } from "@latchkey/contract/users.ts";
import { apiUrl, createClient } from "@latchkey/sdk";
import { findBranch, findProjects } from "../choose-resource.ts";
import { findContextFile, readContextFile } from "../context-file.ts";
import { chooseTarget } from "../credentials/choose.ts";
import { configDir, Profiles } from "../credentials/profiles.ts";
import { fetchOverHttp } from "../fetch-over-http.ts";

/** Longer than this, and a person would rather type. */
const PATIENCE_MS = 1_000;

/** What options and arguments of these names stand for. */
const KINDS: Readonly<Record<string, "organization" | "project" | "branch" | "endpoint" | "role" | "database">> = {
  "org-id": "organization",
  "project-id": "project",
  branch: "branch",
  "branch-id": "branch",
  parent: "branch",
  source: "branch",
  "base-branch": "branch",
  "compare-source": "branch",
  endpoint: "endpoint",
  role: "role",
  "role-name": "role",
  "owner-name": "role",
  database: "database",
  "database-name": "database",
};

type Candidate = readonly [word: string, what: string];

/** What an option or argument of this name could be: profiles from the disk, ids and branches from the server. */
export async function findValues(name: string, before: readonly string[]): Promise<readonly Candidate[]> {
  const given = (option: string) => {
    const index = before.lastIndexOf(`--${option}`);
    return index < 0 ? undefined : before[index + 1];
  };
  const profiles = new Profiles(configDir(process.env, given("config-dir")), process.env);
  if (name === "profile")
    return Object.entries(await profiles.list()).map(([profile, { account }]) => [profile, account]);
  const kind = KINDS[name];
  if (kind === undefined) return [];

  const global = { host: given("host"), profile: given("profile"), "api-key": given("api-key") };
  const target = await chooseTarget(global, process.env, profiles, (host) => apiUrl(host).href);
  if (target.api_key === undefined) return [];
  const client = createClient({ base_url: target.host, api_key: target.api_key, retries: 0, fetch: fetchOverHttp });
  const signal = AbortSignal.timeout(PATIENCE_MS);
  if (kind === "organization")
    return (await client.call(getCurrentUserOrganizations, { signal })).organizations.map(named);
  if (kind === "project") return (await findProjects(client, signal, given("org-id"))).map(named);

  const context = await readContextFile(findContextFile(given("context-file")));
  const project_id = given("project-id") ?? context.projectId;
  if (project_id === undefined) return [];
  if (kind === "endpoint") {
    const { endpoints } = await client.call(listProjectEndpoints, { params: { project_id }, signal });
    return endpoints.map(({ id, branch_id }) => [id, branch_id]);
  }
  const branches = await client.all(listProjectBranches, { params: { project_id }, signal });
  if (kind === "branch") return branches.map(({ id, name: branch }) => [branch, id]);
  const branch = findBranch(branches, project_id, given("branch") ?? context.branch);
  const params = { project_id, branch_id: branch.id };
  const found =
    kind === "role"
      ? (await client.call(listProjectBranchRoles, { params, signal })).roles
      : (await client.call(listProjectBranchDatabases, { params, signal })).databases;
  return found.map(({ name: word }) => [word, branch.name]);
}

function named({ id, name }: { readonly id: string; readonly name: string }): Candidate {
  return [id, name];
}
