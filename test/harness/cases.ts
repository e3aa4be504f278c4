import type { RouteContract } from "../../contract/route.ts";
import { contractOf, pathOf, type Request } from "./contracts.ts";
import type { Answer, CallOptions } from "./server.ts";
import {
  addMember,
  createOrganizationKey,
  createPersonalKey,
  createProject,
  invite,
  memberIdOf,
  signIn,
  unique,
  type World,
} from "./world.ts";

/**
 * For each route a request that the admin of the world's organization may make, about something that the
 * admin or the organization owns. What it names is made for the purpose where the request would destroy it.
 */
export interface Case {
  readonly request: (world: World) => Request | Promise<Request>;
  /** Puts the world in order again after a success. */
  readonly restore?: (world: World) => Promise<void>;
}

const project = ({ project_id }: World): Request => ({ params: { project_id } });

/** Ids inside the world's project; they do not change, and asking costs little. */
async function inProject(world: World) {
  const { server, admin, project_id } = world;
  const { branches } = await server.expect<{ branches: { id: string }[] }>(
    200,
    "GET",
    `/projects/${project_id}/branches`,
    { key: admin.key },
  );
  const branch_id = branches[0]?.id ?? "";
  return { project_id, branch_id };
}

async function firstOf(world: World, list: "endpoints" | "operations"): Promise<string> {
  const path = `/projects/${world.project_id}/${list}`;
  const body = await world.server.expect<Record<string, { id: string }[]>>(200, "GET", path, { key: world.admin.key });
  return body[list]?.[0]?.id ?? "";
}

const branch = async (world: World): Promise<Request> => ({ params: await inProject(world) });

async function roleAndDatabase(world: World) {
  const params = await inProject(world);
  const path = `/projects/${params.project_id}/branches/${params.branch_id}/databases`;
  const { databases } = await world.server.expect<{ databases: { name: string; owner_name: string }[] }>(
    200,
    "GET",
    path,
    { key: world.admin.key },
  );
  return { ...params, database_name: databases[0]?.name ?? "", role_name: databases[0]?.owner_name ?? "" };
}

const role = async (world: World): Promise<Request> => {
  const { database_name: _, ...params } = await roleAndDatabase(world);
  return { params };
};

const renewSession = async (world: World) => {
  world.admin.cookie = await signIn(world.server, world.admin);
};

async function newSessionId(world: World): Promise<string> {
  const cookie = await signIn(world.server, world.admin);
  const { sessions } = await world.server.expect<{ sessions: { id: string; current: boolean }[] }>(
    200,
    "GET",
    "/sessions",
    { cookie },
  );
  return sessions.find(({ current }) => current)?.id ?? "";
}

async function finishedProject({ server, admin, org_id }: World): Promise<string> {
  const made = await createProject(server, admin.key, org_id);
  await server.settle(made.project.id, admin.key);
  return made.project.id;
}

export const CASES: Readonly<Record<string, Case>> = {
  getInstance: { request: () => ({}) },
  signUp: {
    request: () => ({
      body: { email: `${unique("new")}@example.com`, password: unique("password"), name: "New Person" },
    }),
  },
  signIn: { request: ({ admin: { email, password } }) => ({ body: { email, password } }) },
  listSessions: { request: () => ({}) },
  signOut: { request: () => ({}), restore: renewSession },
  signOutEverywhere: { request: () => ({}), restore: renewSession },
  deleteSession: { request: async (world) => ({ params: { session_id: await newSessionId(world) } }) },

  getCurrentUserInfo: { request: () => ({}) },
  getCurrentUserOrganizations: { request: () => ({}) },
  getAuthDetails: { request: () => ({}) },
  getActiveRegions: { request: () => ({}) },

  listApiKeys: { request: () => ({}) },
  createApiKey: { request: () => ({ body: { key_name: unique("key") } }) },
  revokeApiKey: {
    request: async ({ server, admin }) => ({ params: { key_id: (await createPersonalKey(server, admin.key)).id } }),
  },
  listOrgApiKeys: { request: ({ org_id }) => ({ params: { org_id } }) },
  createOrgApiKey: { request: ({ org_id }) => ({ params: { org_id }, body: { key_name: unique("key") } }) },
  revokeOrgApiKey: {
    request: async ({ server, admin, org_id }) => ({
      params: { org_id, key_id: (await createOrganizationKey(server, admin.key, org_id)).id },
    }),
  },

  getOrganization: { request: ({ org_id }) => ({ params: { org_id } }) },
  createOrganization: { request: () => ({ body: { organization: { name: unique("org") } } }) },
  updateOrganization: {
    request: ({ org_id }) => ({ params: { org_id }, body: { organization: { name: unique("org") } } }),
  },
  getOrganizationMembers: { request: ({ org_id }) => ({ params: { org_id } }) },
  getOrganizationMember: {
    request: async ({ server, admin, member, org_id }) => ({
      params: { org_id, member_id: await memberIdOf(server, admin.key, org_id, member.user_id) },
    }),
  },
  updateOrganizationMember: {
    request: async ({ server, admin, member, org_id }) => ({
      params: { org_id, member_id: await memberIdOf(server, admin.key, org_id, member.user_id) },
      body: { role: "member" },
    }),
  },
  removeOrganizationMember: {
    request: async ({ server, admin, org_id }) => ({
      params: { org_id, member_id: (await addMember(server, admin.key, org_id, "Leaver")).member_id },
    }),
  },
  getOrganizationInvitations: { request: ({ org_id }) => ({ params: { org_id } }) },
  createOrganizationInvitations: {
    request: ({ org_id }) => ({
      params: { org_id },
      body: { invitations: [{ email: `${unique("guest")}@example.com`, role: "member" }] },
    }),
  },
  revokeOrganizationInvitation: {
    request: async ({ server, admin, org_id }) => ({
      params: {
        org_id,
        invitation_id: (await invite(server, admin.key, org_id, `${unique("guest")}@example.com`)).id,
      },
    }),
  },
  acceptInvitation: {
    request: async ({ server, admin, stranger, stranger_org_id }) => ({
      body: { invitation_token: (await invite(server, stranger.key, stranger_org_id, admin.email)).token },
    }),
    restore: async ({ server, admin, stranger, stranger_org_id }) => {
      const member_id = await memberIdOf(server, stranger.key, stranger_org_id, admin.user_id);
      await server.expect(200, "DELETE", `/organizations/${stranger_org_id}/members/${member_id}`, {
        key: stranger.key,
      });
    },
  },

  listProjects: { request: ({ org_id }) => ({ query: { org_id } }) },
  listSharedProjects: { request: () => ({}) },
  createProject: { request: ({ org_id }) => ({ body: { project: { name: unique("project"), org_id } } }) },
  getProject: { request: project },
  updateProject: { request: (world) => ({ ...project(world), body: { project: { name: unique("renamed") } } }) },
  deleteProject: { request: async (world) => ({ params: { project_id: await finishedProject(world) } }) },
  getConnectionURI: {
    request: async (world) => {
      const { project_id, database_name, role_name } = await roleAndDatabase(world);
      return { params: { project_id }, query: { database_name, role_name } };
    },
  },

  listProjectBranches: { request: project },
  countProjectBranches: { request: project },
  getProjectBranch: { request: branch },
  listProjectEndpoints: { request: project },
  listProjectBranchEndpoints: { request: branch },
  getProjectEndpoint: {
    request: async (world) => ({
      params: { project_id: world.project_id, endpoint_id: await firstOf(world, "endpoints") },
    }),
  },
  listProjectBranchRoles: { request: branch },
  getProjectBranchRole: { request: role },
  getProjectBranchRolePassword: { request: role },
  listProjectBranchDatabases: { request: branch },
  getProjectBranchDatabase: {
    request: async (world) => {
      const { role_name: _, ...params } = await roleAndDatabase(world);
      return { params };
    },
  },
  listProjectOperations: { request: project },
  getProjectOperation: {
    request: async (world) => ({
      params: { project_id: world.project_id, operation_id: await firstOf(world, "operations") },
    }),
  },
};

/** Operations without a case, or a message that says how to add one; for the tests that walk the table. */
export function missingCases(contracts: readonly RouteContract[]): string[] {
  return contracts
    .filter(({ id }) => !(id in CASES))
    .map(({ id, method, path }) => `${id} (${method} ${path}): add a request to CASES in test/harness/cases.ts`);
}

/** Makes the request of a case again and again, preparing it anew only when a success has used it up. */
export class CaseRunner {
  readonly contract: RouteContract;
  readonly #world: World;
  readonly #case: Case;
  #request: Request | undefined;

  constructor(world: World, operation_id: string) {
    const found = CASES[operation_id];
    if (!found) throw new Error(`no case for ${operation_id}: add one to test/harness/cases.ts`);
    this.#world = world;
    this.#case = found;
    this.contract = contractOf(operation_id);
  }

  async request(): Promise<Request> {
    this.#request ??= await this.#case.request(this.#world);
    return this.#request;
  }

  async call(options: CallOptions): Promise<Answer> {
    const request = await this.request();
    const { body } = request;
    const answer = await this.#world.server.call(this.contract.method, pathOf(this.contract, request), {
      ...(body === undefined ? {} : { body }),
      ...options,
    });
    if (answer.status < 300) {
      this.#request = undefined;
      await this.#case.restore?.(this.#world);
    }
    return answer;
  }
}
