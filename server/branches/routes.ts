import { createProjectBranch } from "@latchkey/contract/branch-creation.ts";
import * as contract from "@latchkey/contract/branches.ts";
import { type AuditSubject, type Route, route } from "../route.ts";
import { type BranchDeps, createChildBranch } from "./create.ts";
import { changeBranch, deleteBranch, makeDefault, restoreBranch } from "./rules.ts";
import { countBranches, getBranch, listBranches } from "./store.ts";

export function branchRoutes(deps: BranchDeps): Route[] {
  return [
    route(contract.listProjectBranches, {
      requires: { on: "project", action: "branch.read" },
      run: async (access, { query }) => {
        const { search, limit, cursor } = query;
        const order = { sort_by: query.sort_by ?? "updated_at", sort_order: query.sort_order ?? "desc" } as const;
        const { branches, pagination } = await listBranches(access, { ...order, search, limit, cursor });
        return { branches, annotations: {}, pagination };
      },
    }),
    route(createProjectBranch, {
      requires: { on: "project", action: "branch.create" },
      run: (access, { body = {} }) => createChildBranch(access, deps, body),
      audit: aboutBranch,
    }),
    route(contract.countProjectBranches, {
      requires: { on: "project", action: "branch.read" },
      run: async (access, { query }) => ({ count: await countBranches(access, query.search) }),
    }),
    route(contract.getProjectBranch, {
      requires: { on: "project", action: "branch.read" },
      run: async (access, { params }) => {
        const branch = await getBranch(access, params.branch_id);
        return { branch, annotation: { object: { type: "console/branch", id: branch.id }, value: {} } };
      },
    }),
    route(contract.updateProjectBranch, {
      requires: { on: "project", action: "branch.update" },
      run: async (access, { params, body }) => {
        return { branch: await changeBranch(access, params.branch_id, body.branch), operations: [] };
      },
      audit: aboutBranch,
    }),
    route(contract.deleteProjectBranch, {
      requires: { on: "project", action: "branch.delete" },
      run: (access, { params }) => deleteBranch(access, params.branch_id),
      audit: aboutBranch,
    }),
    route(contract.setDefaultProjectBranch, {
      requires: { on: "project", action: "branch.update" },
      run: async (access, { params }) => ({ branch: await makeDefault(access, params.branch_id), operations: [] }),
      audit: aboutBranch,
    }),
    route(contract.restoreProjectBranch, {
      requires: { on: "project", action: "branch.restore" },
      run: (access, { params, body }) => restoreBranch(access, params.branch_id, body),
      audit: aboutBranch,
    }),
  ];
}

function aboutBranch(_: unknown, { branch }: { branch: contract.Branch }): AuditSubject {
  return { subject: `branch:${branch.id}`, project_id: branch.project_id };
}
