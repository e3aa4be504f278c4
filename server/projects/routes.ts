import * as contract from "@latchkey/contract/projects.ts";
import { listAllBranches } from "../branches/store.ts";
import { ApiError } from "../errors.ts";
import { type AuditSubject, type Route, route } from "../route.ts";
import { composeConnectionUri } from "./connection.ts";
import { createProject, type ProjectDeps } from "./create.ts";
import { changeProject, deleteProject, transferProjects } from "./life.ts";
import { locateOrganization } from "./locate.ts";
import { describeProject, listProjects, listRecoverableProjects, markProjectRecovered } from "./store.ts";

const PAGE = 10;

export function projectRoutes(deps: ProjectDeps): Route[] {
  return [
    route(contract.listProjects, {
      requires: {
        on: "organization",
        action: "project.list",
        locate: ({ principal, query }) => locateOrganization(principal, query.org_id),
      },
      run: async (access, { query }) => {
        const { search, cursor, limit = PAGE } = query;
        const list = query.recoverable === true ? listRecoverableProjects : listProjects;
        const page = await within(query.timeout, list(access, { search, cursor, limit }));
        return { ...page, applications: {}, integrations: {} };
      },
    }),
    route(contract.listSharedProjects, {
      requires: { on: "person", action: "user_project.list" },
      run: async () => ({ projects: [] }),
    }),
    route(contract.createProject, {
      requires: {
        on: "organization",
        action: "project.create",
        locate: ({ principal, body }) => locateOrganization(principal, body.project.org_id),
      },
      run: (access, { body }) => createProject(access, deps, body.project),
      audit: aboutProject,
    }),
    route(contract.getProject, {
      requires: { on: "project", action: "project.read" },
      run: async (access) => ({ project: await describeProject(access, access.project) }),
    }),
    route(contract.updateProject, {
      requires: { on: "project", action: "project.update" },
      run: async (access, { body }) => {
        const row = await changeProject(access, deps, body.project);
        return { project: await describeProject(access, row), operations: [] };
      },
      audit: aboutProject,
    }),
    route(contract.deleteProject, {
      requires: { on: "project", action: "project.delete" },
      run: async (access) => ({ project: await describeProject(access, await deleteProject(access)) }),
      audit: aboutProject,
    }),
    route(contract.recoverProject, {
      requires: { on: "deleted_project", action: "project.recover" },
      run: async (access) => {
        const project = await describeProject(access, await markProjectRecovered(access));
        return { project, branches: await listAllBranches(access) };
      },
      audit: aboutProject,
    }),
    route(contract.transferProjectsFromOrgToOrg, {
      requires: {
        on: "organization",
        action: "project.transfer_out",
        locate: ({ params }) => params.source_org_id,
      },
      run: async (access, { body }) => {
        await transferProjects(access, body);
        return {};
      },
      audit: ({ params, body }) => ({
        subject: `project:${body.project_ids.join(",")}->${body.destination_org_id}`,
        org_id: params.source_org_id,
        ...(body.project_ids.length === 1 ? { project_id: body.project_ids[0] ?? "" } : {}),
      }),
    }),
    route(contract.getAvailablePreloadLibraries, {
      requires: { on: "project", action: "project.read" },
      // None can be loaded: a library runs as the account that all projects share.
      run: async () => ({ libraries: [] }),
    }),
    route(contract.getConnectionURI, {
      requires: { on: "project", action: "connection.read" },
      run: async (access, { query }) => ({ uri: await composeConnectionUri(access, deps.sealer, query) }),
    }),
  ];
}

/** Waits no longer than so many milliseconds. A page is read as a whole, so there is never a part of it to answer instead. */
async function within<T>(timeout_ms: number | undefined, work: Promise<T>): Promise<T> {
  if (timeout_ms === undefined) return await work;
  const over = new Promise<never>((_, reject) => {
    const error = new ApiError("unavailable", 'the list was not there within "timeout"; ask again, or give it longer');
    AbortSignal.timeout(timeout_ms).addEventListener("abort", () => reject(error));
  });
  return await Promise.race([work, over]);
}

function aboutProject(_: unknown, { project }: { project: contract.Project }): AuditSubject {
  return { subject: `project:${project.id}`, org_id: project.org_id, project_id: project.id };
}
