import { createProjectBranch } from "@latchkey/contract/branch-creation.ts";
import * as contract from "@latchkey/contract/branches.ts";
import { type AuditSubject, type Route, route } from "../route.ts";
import { findAnnotations, getAnnotation } from "./annotations/store.ts";
import { type BranchDeps, createChildBranch } from "./create.ts";
import { changeBranch, deleteBranch, makeDefault, restoreBranch } from "./rules.ts";
import { compareSchemas, readSchema, type SchemaDeps } from "./schemas/read.ts";
import { countBranches, getBranch, listBranches } from "./store.ts";

export function branchRoutes(deps: BranchDeps & SchemaDeps): Route[] {
  return [
    route(contract.listProjectBranches, {
      requires: { on: "project", action: "branch.read" },
      run: async (access, { query }) => {
        const { search, limit, cursor } = query;
        const order = { sort_by: query.sort_by ?? "updated_at", sort_order: query.sort_order ?? "desc" } as const;
        const { branches, pagination } = await listBranches(access, { ...order, search, limit, cursor });
        const annotations = await findAnnotations(
          access,
          branches.map(({ id }) => id),
        );
        return { branches, annotations, pagination };
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
        return { branch, annotation: await getAnnotation(access, branch.id) };
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
    route(contract.getProjectBranchSchema, {
      requires: { on: "project", action: "branch.read_schema" },
      run: async (access, { params, query }) => {
        const { db_name: database_name, format = "sql" } = query;
        const answer = await readSchema(access, deps, { branch_id: params.branch_id, database_name, format });
        return format === "sql" ? { sql: answer } : { json: JSON.parse(answer) };
      },
    }),
    route(contract.getProjectBranchSchemaComparison, {
      requires: { on: "project", action: "branch.read_schema" },
      run: async (access, { params, query }) => ({
        diff: await compareSchemas(access, deps, params.branch_id, query.base_branch_id, query.db_name),
      }),
    }),
  ];
}

function aboutBranch(_: unknown, { branch }: { branch: contract.Branch }): AuditSubject {
  return { subject: `branch:${branch.id}`, project_id: branch.project_id };
}
