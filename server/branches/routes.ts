import { countProjectBranches, getProjectBranch, listProjectBranches } from "@latchkey/contract/branches.ts";
import { type Route, route } from "../route.ts";
import { countBranches, getBranch, listBranches } from "./store.ts";

export function branchRoutes(): Route[] {
  return [
    route(listProjectBranches, {
      requires: { on: "project", action: "branch.read" },
      run: async (access, { query }) => {
        const { search, limit, cursor } = query;
        const order = { sort_by: query.sort_by ?? "updated_at", sort_order: query.sort_order ?? "desc" } as const;
        const { branches, pagination } = await listBranches(access, { ...order, search, limit, cursor });
        return { branches, annotations: {}, pagination };
      },
    }),
    route(countProjectBranches, {
      requires: { on: "project", action: "branch.read" },
      run: async (access, { query }) => ({ count: await countBranches(access, query.search) }),
    }),
    route(getProjectBranch, {
      requires: { on: "project", action: "branch.read" },
      run: async (access, { params }) => {
        const branch = await getBranch(access, params.branch_id);
        return { branch, annotation: { object: { type: "console/branch", id: branch.id }, value: {} } };
      },
    }),
  ];
}
