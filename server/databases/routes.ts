import * as contract from "@latchkey/contract/databases.ts";
import { holdBranch, recordContentChange } from "../operations/store.ts";
import { type AuditSubject, type Route, route } from "../route.ts";
import { checkDatabaseName } from "./names.ts";
import { getDatabase, insertDatabase, listDatabases, markDatabaseDeleted, updateDatabase } from "./store.ts";

export function databaseRoutes(): Route[] {
  return [
    route(contract.listProjectBranchDatabases, {
      requires: { on: "project", action: "database.read" },
      run: async (access, { params }) => ({ databases: await listDatabases(access, params.branch_id) }),
    }),
    route(contract.createProjectBranchDatabase, {
      requires: { on: "project", action: "database.create" },
      run: async (access, { params: { branch_id }, body: { database } }) => {
        checkDatabaseName(database.name, "name");
        await holdBranch(access, branch_id);
        const operations = await recordContentChange(access, branch_id);
        return { database: await insertDatabase(access, { branch_id, ...database }), operations };
      },
      audit: aboutDatabase,
    }),
    route(contract.getProjectBranchDatabase, {
      requires: { on: "project", action: "database.read" },
      run: async (access, { params }) => ({
        database: await getDatabase(access, params.branch_id, params.database_name),
      }),
    }),
    route(contract.updateProjectBranchDatabase, {
      requires: { on: "project", action: "database.update" },
      run: async (access, { params: { branch_id, database_name }, body }) => {
        const { name, owner_name } = body.database;
        if (name !== undefined) checkDatabaseName(name, "name");
        await holdBranch(access, branch_id);
        const found = await getDatabase(access, branch_id, database_name);
        const same = (name ?? found.name) === found.name && (owner_name ?? found.owner_name) === found.owner_name;
        if (same) return { database: found, operations: [] };
        const operations = await recordContentChange(access, branch_id);
        return { database: await updateDatabase(access, found, { name, owner_name }), operations };
      },
      audit: aboutDatabase,
    }),
    route(contract.deleteProjectBranchDatabase, {
      requires: { on: "project", action: "database.delete" },
      run: async (access, { params: { branch_id, database_name } }) => {
        await holdBranch(access, branch_id);
        const database = await getDatabase(access, branch_id, database_name);
        const operations = await recordContentChange(access, branch_id);
        await markDatabaseDeleted(access, database);
        return { database, operations };
      },
      audit: aboutDatabase,
    }),
  ];
}

interface About {
  readonly params: { readonly project_id: string; readonly branch_id: string };
}

function aboutDatabase({ params }: About, { database }: { database: contract.Database }): AuditSubject {
  return {
    subject: `database:${params.branch_id}/${encodeURIComponent(database.name)}`,
    project_id: params.project_id,
  };
}
