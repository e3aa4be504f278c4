import { listProjectBranchDatabases } from "@latchkey/contract/databases.ts";
import { getConnectionURI } from "@latchkey/contract/projects.ts";
import { listProjectBranchRoles } from "@latchkey/contract/roles.ts";
import { chooseBranch, chooseName, chooseProject } from "./choose-resource.ts";
import { flag, projectOption, text } from "./command.ts";
import type { Invocation } from "./invocation.ts";

/** What `connection-string` and `psql` have in common: which database, as whom, and the string for it. */
export const connectionArguments = {
  branch: { summary: "Branch ID or name; the default branch if left out" },
} as const;

export const connectionOptions = {
  ...projectOption,
  "role-name": text("Role name"),
  "database-name": text("Database name"),
  pooled: flag("Use the pooled connection"),
  ssl: text("SSL mode; default: as the server says", { choices: ["require", "verify-ca", "verify-full", "omit"] }),
} as const;

interface ConnectionChoice {
  readonly "project-id": string | undefined;
  readonly "role-name": string | undefined;
  readonly "database-name": string | undefined;
  readonly pooled: boolean;
  readonly ssl: string | undefined;
}

export async function connectionOf(invocation: Invocation, branch: string | undefined, options: ConnectionChoice) {
  const { signal } = invocation;
  const project_id = await chooseProject(invocation, options["project-id"]);
  const { id: branch_id } = await chooseBranch(invocation, project_id, branch);
  const params = { project_id, branch_id };
  const [{ databases }, { roles }] = await invocation.working("Looking for databases and roles", (client) =>
    Promise.all([
      client.call(listProjectBranchDatabases, { params, signal }),
      client.call(listProjectBranchRoles, { params, signal }),
    ]),
  );
  const database_name = await chooseName(
    invocation,
    "database",
    "--database-name",
    databases.map(({ name }) => name),
    options["database-name"],
  );
  const role_name = await chooseName(
    invocation,
    "role",
    "--role-name",
    roles.map(({ name }) => name),
    options["role-name"],
  );
  const query = { branch_id, database_name, role_name, ...(options.pooled ? { pooled: true } : {}) };
  const { uri } = await invocation.working("Getting the connection string", (client) =>
    client.call(getConnectionURI, { params: { project_id }, query, signal }),
  );
  return { uri: withSslMode(uri, options.ssl), project_id, branch_id, database_name, role_name };
}

/** `omit` leaves the choice to whoever connects; every other mode keeps the channel binding, as in Neon's CLI. */
export function withSslMode(uri: string, mode: string | undefined): string {
  if (mode === undefined) return uri;
  const url = new URL(uri);
  if (mode !== "omit") url.searchParams.set("sslmode", mode);
  else for (const name of ["sslmode", "channel_binding"]) url.searchParams.delete(name);
  return url.href;
}
