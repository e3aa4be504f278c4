import type { TestServer } from "../harness/server.ts";
import { buildWorld, type World } from "../harness/world.ts";

/** The world, with what the addresses of the Console need besides. */
export interface Site extends World {
  /** The default branch of the first project. */
  readonly branch_id: string;
}

/** Needs a server with `LATCHKEY_SIGN_UP=open` and nobody in it. */
export async function buildSite(server: TestServer): Promise<Site> {
  const world = await buildWorld(server);
  await server.settle(world.project_id, world.admin.key);
  const { branches } = await server.expect<{ branches: { id: string }[] }>(
    200,
    "GET",
    `/projects/${world.project_id}/branches`,
    { key: world.admin.key },
  );
  return { ...world, branch_id: branches[0]?.id ?? "" };
}

/** A page of the Console, as a test visits it. */
export interface Stop {
  /** Names its screenshots. */
  readonly name: string;
  readonly path: (site: Site) => string;
  /** The heading that tells that the page is there, for an admin, a member and a stranger. */
  readonly heading: {
    readonly admin: string | RegExp;
    readonly member?: string | RegExp;
    readonly stranger?: string | RegExp;
  };
}

const HIDDEN = "Organization";
const HIDDEN_PROJECT = "Project";

/** Every route of a person who is signed in. `test/browser/every-page.test.ts` holds it against `routes.tsx`. */
export const STOPS: readonly Stop[] = [
  { name: "profile", path: () => "/account/profile", heading: { admin: "Profile" } },
  { name: "account-api-keys", path: () => "/account/api-keys", heading: { admin: "API keys" } },
  { name: "command-lines", path: () => "/account/command-lines", heading: { admin: "Command lines" } },
  { name: "sessions", path: () => "/account/sessions", heading: { admin: "Sessions" } },
  { name: "new-organization", path: () => "/organizations/new", heading: { admin: "Create organization" } },
  {
    name: "projects",
    path: ({ org_id }) => `/organizations/${org_id}/projects`,
    heading: { admin: "Projects", stranger: HIDDEN },
  },
  {
    name: "deleted-projects",
    path: ({ org_id }) => `/organizations/${org_id}/projects/deleted`,
    heading: { admin: "Deleted projects", stranger: HIDDEN },
  },
  {
    name: "new-project",
    path: ({ org_id }) => `/organizations/${org_id}/projects/new`,
    heading: { admin: "Create project", stranger: HIDDEN },
  },
  {
    name: "usage",
    path: ({ org_id }) => `/organizations/${org_id}/usage`,
    heading: { admin: "Usage", stranger: HIDDEN },
  },
  {
    name: "members",
    path: ({ org_id }) => `/organizations/${org_id}/members`,
    heading: { admin: "Members", stranger: HIDDEN },
  },
  {
    name: "organization-settings",
    path: ({ org_id }) => `/organizations/${org_id}/settings`,
    heading: { admin: "Settings", stranger: HIDDEN },
  },
  {
    name: "organization-api-keys",
    path: ({ org_id }) => `/organizations/${org_id}/settings/api-keys`,
    heading: { admin: "API keys", stranger: HIDDEN },
  },
  {
    name: "project",
    path: ({ project_id }) => `/projects/${project_id}`,
    heading: { admin: /^project-/, stranger: HIDDEN_PROJECT },
  },
  {
    name: "branches",
    path: ({ project_id }) => `/projects/${project_id}/branches`,
    heading: { admin: "Branches", stranger: HIDDEN_PROJECT },
  },
  {
    name: "branch",
    path: ({ project_id, branch_id }) => `/projects/${project_id}/branches/${branch_id}`,
    heading: { admin: /^Branch /, stranger: HIDDEN_PROJECT },
  },
  {
    name: "schema",
    path: ({ project_id, branch_id }) => `/projects/${project_id}/branches/${branch_id}/schema`,
    heading: { admin: /^Schema of /, stranger: HIDDEN_PROJECT },
  },
  {
    name: "project-usage",
    path: ({ project_id }) => `/projects/${project_id}/usage?range=24h`,
    heading: { admin: "Usage", stranger: HIDDEN_PROJECT },
  },
  {
    name: "operations",
    path: ({ project_id }) => `/projects/${project_id}/operations`,
    heading: { admin: "Operations", stranger: HIDDEN_PROJECT },
  },
  {
    name: "project-settings",
    path: ({ project_id }) => `/projects/${project_id}/settings`,
    heading: { admin: "Settings", stranger: HIDDEN_PROJECT },
  },
  { name: "design", path: () => "/design", heading: { admin: "Design" } },
];
