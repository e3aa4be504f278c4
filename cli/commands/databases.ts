import {
  createProjectBranchDatabase,
  deleteProjectBranchDatabase,
  getProjectBranchDatabase,
  listProjectBranchDatabases,
  updateProjectBranchDatabase,
} from "@latchkey/contract/databases.ts";
import { listProjectBranchRoles } from "@latchkey/contract/roles.ts";
import { chooseBranchPath, chooseName, pickForChange } from "../choose-resource.ts";
import { branchOptions, type CommandFile, command, text } from "../command.ts";
import { CliError } from "../exit.ts";
import type { Invocation } from "../invocation.ts";

const FIELDS = ["name", "owner_name", "created_at"];
const databaseArgument = { database: { summary: "Database name; the only database if left out" } } as const;
const changedDatabaseArgument = { database: { summary: "Database name" } } as const;

interface DatabaseOptions {
  readonly "project-id": string | undefined;
  readonly branch: string | undefined;
}

/** The path of the database that a change is about: the one that is named, else the one that the person picks. */
async function chooseDatabasePath(invocation: Invocation, given: string | undefined, options: DatabaseOptions) {
  const params = await chooseBranchPath(invocation, options);
  if (given !== undefined) return { ...params, database_name: given };
  const picked = await pickForChange(invocation, "database", "latchkey databases list", async (client) =>
    (await client.call(listProjectBranchDatabases, { params })).databases.map(({ name }) => ({ id: name })),
  );
  return { ...params, database_name: picked.id };
}

const list = command({
  name: "list",
  summary: "List databases",
  options: branchOptions,
  async run(invocation, { options }) {
    const params = await chooseBranchPath(invocation, options);
    const { databases } = await invocation.working("Listing databases", (client) =>
      client.call(listProjectBranchDatabases, { params, signal: invocation.signal }),
    );
    await invocation.print({ data: databases, fields: FIELDS });
  },
});

const get = command({
  name: "get",
  summary: "Get a database",
  args: databaseArgument,
  options: branchOptions,
  async run(invocation, { args, options }) {
    const path = await chooseBranchPath(invocation, options);
    const names = async () => {
      const { databases } = await invocation.working("Looking for databases", (client) =>
        client.call(listProjectBranchDatabases, { params: path, signal: invocation.signal }),
      );
      return databases.map(({ name }) => name);
    };
    const database_name =
      args.database ?? (await chooseName(invocation, "database", undefined, await names(), undefined));
    const params = { ...path, database_name };
    const { database } = await invocation.working("Getting the database", (client) =>
      client.call(getProjectBranchDatabase, { params, signal: invocation.signal }),
    );
    await invocation.print({ data: database, fields: FIELDS });
  },
});

const create = command({
  name: "create",
  summary: "Create a database, and wait until it is there",
  options: {
    ...branchOptions,
    name: text("Database name", { required: true }),
    "owner-name": text("Role that owns it; the only role if left out"),
  },
  async run(invocation, { options }) {
    const params = await chooseBranchPath(invocation, options);
    const owner_name = options["owner-name"] ?? (await chooseOwner(invocation, params));
    const { database, operations } = await invocation.changing("Creating the database", (client) =>
      client.call(createProjectBranchDatabase, { params, body: { database: { name: options.name, owner_name } } }),
    );
    await invocation.print({ data: database, fields: FIELDS });
    await invocation.settle(operations, "Creating the database");
  },
});

async function chooseOwner(invocation: Invocation, params: { project_id: string; branch_id: string }): Promise<string> {
  const { roles } = await invocation.working("Looking for roles", (client) =>
    client.call(listProjectBranchRoles, { params, signal: invocation.signal }),
  );
  const names = roles.map(({ name }) => name);
  return await chooseName(invocation, "role", "--owner-name", names, undefined);
}

const update = command({
  name: "update",
  summary: "Rename a database, or give it another owner",
  args: changedDatabaseArgument,
  options: {
    ...branchOptions,
    name: text("The new name; ends the sessions in it"),
    "owner-name": text("The new owner"),
  },
  async run(invocation, { args, options }) {
    const { name, "owner-name": owner_name } = options;
    if (name === undefined && owner_name === undefined) {
      throw new CliError("usage", "there is nothing to change", "give --name, --owner-name, or both");
    }
    const params = await chooseDatabasePath(invocation, args.database, options);
    const wanted = { ...(name === undefined ? {} : { name }), ...(owner_name === undefined ? {} : { owner_name }) };
    const { database, operations } = await invocation.changing("Changing the database", (client) =>
      client.call(updateProjectBranchDatabase, { params, body: { database: wanted } }),
    );
    await invocation.settle(operations, "Applying the change");
    await invocation.print({ data: database, fields: FIELDS });
  },
});

const remove = command({
  name: "delete",
  summary: "Delete a database with everything in it",
  args: changedDatabaseArgument,
  options: branchOptions,
  async run(invocation, { args, options }) {
    const params = await chooseDatabasePath(invocation, args.database, options);
    const name = params.database_name;
    await invocation.confirmByName(`Database ${name} is deleted with everything in it, for good`, name);
    const { database, operations } = await invocation.changing("Deleting the database", (client) =>
      client.call(deleteProjectBranchDatabase, { params }),
    );
    await invocation.settle(operations, "Deleting the database");
    await invocation.print({ data: database, fields: FIELDS });
  },
});

export default { commands: [list, get, create, update, remove] } satisfies CommandFile;
