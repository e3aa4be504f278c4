import { getProjectBranchDatabase, listProjectBranchDatabases } from "@latchkey/contract/databases.ts";
import { type Route, route } from "../route.ts";
import { getDatabase, listDatabases } from "./store.ts";

export function databaseRoutes(): Route[] {
  return [
    route(listProjectBranchDatabases, {
      requires: { on: "project", action: "database.read" },
      run: async (access, { params }) => ({ databases: await listDatabases(access, params.branch_id) }),
    }),
    route(getProjectBranchDatabase, {
      requires: { on: "project", action: "database.read" },
      run: async (access, { params }) => ({
        database: await getDatabase(access, params.branch_id, params.database_name),
      }),
    }),
  ];
}
