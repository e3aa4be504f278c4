import * as contract from "@latchkey/contract/projects.ts";
import type { Principal } from "../access/principal.ts";
import { ApiError } from "../errors.ts";
import { refuseWhileOperating } from "../operations/store.ts";
import { type AuditSubject, type Route, route } from "../route.ts";
import { composeConnectionUri } from "./connection.ts";
import { createProject, type ProjectDeps } from "./create.ts";
import { listProjects, markProjectDeleted, toProject, updateProjectName } from "./store.ts";

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
        const none = { applications: {}, integrations: {} };
        // A deleted project is gone for good here, so there is never one to recover.
        if (query.recoverable === true) return { projects: [], ...none };
        const { search, cursor, limit = PAGE } = query;
        return { ...(await listProjects(access, { search, cursor, limit })), ...none };
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
      run: async (access) => ({ project: toProject(access.project) }),
    }),
    route(contract.updateProject, {
      requires: { on: "project", action: "project.update" },
      // A name is the control plane's alone, so work in progress is no reason to refuse it.
      run: async (access, { body }) => {
        const { name } = body.project;
        const row = name === undefined ? access.project : await updateProjectName(access, name);
        return { project: toProject(row), operations: [] };
      },
      audit: aboutProject,
    }),
    route(contract.deleteProject, {
      requires: { on: "project", action: "project.delete" },
      run: async (access) => {
        await refuseWhileOperating(access);
        return { project: toProject(await markProjectDeleted(access)) };
      },
      audit: aboutProject,
    }),
    route(contract.getConnectionURI, {
      requires: { on: "project", action: "connection.read" },
      run: async (access, { query }) => ({ uri: await composeConnectionUri(access, deps.sealer, query) }),
    }),
  ];
}

function aboutProject(_: unknown, { project }: { project: contract.Project }): AuditSubject {
  return { subject: `project:${project.id}`, org_id: project.org_id, project_id: project.id };
}

/**
 * The organization that a request names, else the one that its key belongs to. A person may belong to
 * several, and Neon does not guess, even for one who belongs to a single one: its CLI looks for these words.
 */
function locateOrganization(principal: Principal, org_id: string | undefined): string {
  if (org_id !== undefined) return org_id;
  if ("org_id" in principal) return principal.org_id;
  throw new ApiError("bad_request", "org_id is required, you can find it on your organization settings page");
}
