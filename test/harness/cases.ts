import type { RouteContract } from "../../contract/route.ts";
import { contractOf, pathOf, type Request } from "./contracts.ts";
import { authorizationQuery, beginDevice, logIn, newVerifier, packedRequest } from "./oauth.ts";
import type { Answer, CallOptions } from "./server.ts";
import {
  addMember,
  createOrganizationKey,
  createPersonalKey,
  createProject,
  invite,
  memberIdOf,
  signIn,
  signUp,
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
  const { branches } = await server.expect<{ branches: { id: string; default: boolean }[] }>(
    200,
    "GET",
    `/projects/${project_id}/branches`,
    { key: admin.key },
  );
  const branch_id = branches.find((found) => found.default)?.id ?? "";
  return { project_id, branch_id };
}

async function firstOf(world: World, list: "endpoints" | "operations"): Promise<string> {
  const path = `/projects/${world.project_id}/${list}`;
  const body = await world.server.expect<Record<string, { id: string }[]>>(200, "GET", path, { key: world.admin.key });
  return body[list]?.[0]?.id ?? "";
}

const branch = async (world: World): Promise<Request> => ({ params: await inProject(world) });

const thisMonth = () => {
  const now = new Date();
  const start = (month: number) => new Date(Date.UTC(now.getUTCFullYear(), month)).toISOString();
  return { from: start(now.getUTCMonth()), to: start(now.getUTCMonth() + 1), granularity: "monthly" };
};

const ofDatabase = async (world: World) => ({ db_name: (await roleAndDatabase(world)).database_name });

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

async function newGrantId({ server, admin }: World): Promise<number> {
  const { access_token } = await logIn(server, admin.cookie);
  const { oauth_grants } = await server.expect<{ oauth_grants: { id: number; current: boolean }[] }>(
    200,
    "GET",
    "/oauth_grants",
    { key: access_token },
  );
  return oauth_grants.find(({ current }) => current)?.id ?? 0;
}

const consentRequest = async ({ server }: World) => ({
  request: await packedRequest(server, authorizationQuery(newVerifier().challenge)),
});

const deviceRequest = async ({ server }: World): Promise<Request> => ({
  params: { user_code: (await beginDevice(server)).user_code },
});

async function finishedProject({ server, admin, org_id }: World): Promise<string> {
  const made = await createProject(server, admin.key, org_id);
  await server.settle(made.project.id, admin.key);
  return made.project.id;
}

/** A branch of its own for a request that changes or ends it, with nothing open on it; with a compute where that matters. */
async function newBranch({ server, admin, project_id }: World, endpoints: object[] = []) {
  const made = await server.expect<{ branch: { id: string }; endpoints: { id: string }[] }>(
    201,
    "POST",
    `/projects/${project_id}/branches`,
    { key: admin.key, body: { branch: { name: unique("branch") }, endpoints } },
  );
  await server.settle(project_id, admin.key);
  return { project_id, branch_id: made.branch.id, endpoint_id: made.endpoints[0]?.id ?? "" };
}

const ofNewBranch = async (world: World): Promise<Request> => {
  const { endpoint_id: _, ...params } = await newBranch(world);
  return { params };
};
const ofNewEndpoint = async (world: World): Promise<Request> => {
  const { branch_id: _, ...params } = await newBranch(world, [{ type: "read_write" }]);
  return { params };
};
const endpoint = async (world: World): Promise<Request> => {
  await settle(world);
  return { params: { project_id: world.project_id, endpoint_id: await firstOf(world, "endpoints") } };
};
/** What the request has set in motion comes to its end, so that the next one is not told to wait. */
const settle = ({ server, admin, project_id }: World) => server.settle(project_id, admin.key);

async function newRole(world: World): Promise<Request> {
  const params = await inProject(world);
  const role_name = unique("role");
  const path = `/projects/${params.project_id}/branches/${params.branch_id}/roles`;
  await settle(world);
  await world.server.expect(201, "POST", path, { key: world.admin.key, body: { role: { name: role_name } } });
  await settle(world);
  return { params: { ...params, role_name } };
}

async function newDatabase(world: World): Promise<Request> {
  const { role_name: owner_name, ...params } = await roleAndDatabase(world);
  const database_name = unique("database");
  const path = `/projects/${params.project_id}/branches/${params.branch_id}/databases`;
  await settle(world);
  const body = { database: { name: database_name, owner_name } };
  await world.server.expect(201, "POST", path, { key: world.admin.key, body });
  await settle(world);
  return { params: { ...params, database_name } };
}

export const CASES: Readonly<Record<string, Case>> = {
  getInstance: { request: () => ({}) },
  signUp: {
    request: () => ({
      body: { email: `${unique("new")}@example.com`, password: unique("password"), name: "New Person" },
    }),
  },
  signIn: { request: ({ admin: { email, password } }) => ({ body: { email, password } }) },
  requestPasswordReset: { request: () => ({ body: { email: `${unique("forgetful")}@example.com` } }) },
  resetPassword: {
    request: async ({ server }) => {
      const { email } = await signUp(server, "Forgetful");
      return { body: { reset_token: await server.resetToken(email), new_password: unique("password") } };
    },
  },
  listSessions: { request: () => ({}) },
  signOut: { request: () => ({}), restore: renewSession },
  signOutEverywhere: { request: () => ({}), restore: renewSession },
  deleteSession: { request: async (world) => ({ params: { session_id: await newSessionId(world) } }) },

  changePassword: {
    request: ({ admin: { password } }) => ({
      body: { current_password: password, new_password: `${password} changed` },
    }),
    restore: async (world) => {
      const { server, admin } = world;
      const body = { current_password: `${admin.password} changed`, new_password: admin.password };
      await server.expect(200, "POST", "/users/me/password", { key: admin.key, body });
      await renewSession(world);
      world.login_token = (await logIn(server, admin.cookie)).access_token;
    },
  },

  listOAuthGrants: { request: () => ({}) },
  revokeOAuthGrant: { request: async (world) => ({ params: { grant_id: await newGrantId(world) } }) },
  getOAuthAuthorization: { request: async (world) => ({ query: await consentRequest(world) }) },
  approveOAuthAuthorization: { request: async (world) => ({ body: await consentRequest(world) }) },
  getOAuthDeviceRequest: { request: deviceRequest },
  approveOAuthDeviceRequest: { request: deviceRequest },
  denyOAuthDeviceRequest: { request: deviceRequest },

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
  recoverProject: {
    request: async (world) => {
      const { server, admin } = world;
      const { project, endpoints } = await createProject(server, admin.key, world.org_id);
      await server.settle(project.id, admin.key);
      // At rest already: that its compute stops with the deletion is told to nobody who could wait for it.
      const path = `/projects/${project.id}`;
      await server.expect(200, "POST", `${path}/endpoints/${endpoints[0]?.id}/suspend`, { key: admin.key });
      await server.settle(project.id, admin.key);
      await server.expect(200, "DELETE", path, { key: admin.key });
      return { params: { project_id: project.id } };
    },
  },
  getAvailablePreloadLibraries: { request: project },
  transferProjectsFromOrgToOrg: {
    request: async (world) => {
      const { server, admin, org_id } = world;
      const { id: destination_org_id } = await server.expect<{ id: string }>(201, "POST", "/organizations", {
        key: admin.key,
        body: { organization: { name: unique("org") } },
      });
      const project_ids = [await finishedProject(world)];
      return { params: { source_org_id: org_id }, body: { destination_org_id, project_ids } };
    },
  },
  getConnectionURI: {
    request: async (world) => {
      const { project_id, database_name, role_name } = await roleAndDatabase(world);
      return { params: { project_id }, query: { database_name, role_name } };
    },
  },

  getConsumptionHistoryPerProject: { request: ({ org_id }) => ({ query: { org_id, ...thisMonth() } }) },
  getConsumptionHistoryPerProjectV2: {
    request: ({ org_id }) => ({ query: { org_id, ...thisMonth(), metrics: "compute_unit_seconds" } }),
  },
  getConsumptionHistoryPerBranchV2: {
    request: ({ org_id, project_id }) => ({
      query: { org_id, project_ids: project_id, ...thisMonth(), metrics: "compute_unit_seconds" },
    }),
  },

  listProjectBranches: { request: project },
  countProjectBranches: { request: project },
  getProjectBranch: { request: branch },
  createProjectBranch: {
    request: async (world) => ({ ...project(world), body: { branch: { name: unique("branch") } } }),
    restore: settle,
  },
  updateProjectBranch: {
    request: async (world) => ({ ...(await branch(world)), body: { branch: { name: unique("branch") } } }),
  },
  deleteProjectBranch: { request: ofNewBranch, restore: settle },
  setDefaultProjectBranch: { request: branch },
  restoreProjectBranch: {
    request: async (world) => {
      const { branch_id: source_branch_id } = await inProject(world);
      return { ...(await ofNewBranch(world)), body: { source_branch_id } };
    },
    restore: settle,
  },
  getProjectBranchSchema: { request: async (world) => ({ ...(await branch(world)), query: await ofDatabase(world) }) },
  getProjectBranchSchemaComparison: {
    request: async (world) => {
      const { branch_id: base_branch_id } = await inProject(world);
      return { ...(await branch(world)), query: { ...(await ofDatabase(world)), base_branch_id } };
    },
  },
  listProjectEndpoints: { request: project },
  listProjectBranchEndpoints: { request: branch },
  getProjectEndpoint: {
    request: async (world) => ({
      params: { project_id: world.project_id, endpoint_id: await firstOf(world, "endpoints") },
    }),
  },
  listProjectEndpointLogs: { request: endpoint },
  createProjectEndpoint: {
    request: async (world) => {
      const { project_id, branch_id } = await newBranch(world);
      return { params: { project_id }, body: { endpoint: { branch_id, type: "read_write" } } };
    },
    restore: settle,
  },
  updateProjectEndpoint: {
    request: async (world) => ({ ...(await endpoint(world)), body: { endpoint: { name: unique("compute") } } }),
  },
  deleteProjectEndpoint: { request: ofNewEndpoint, restore: settle },
  startProjectEndpoint: { request: endpoint, restore: settle },
  suspendProjectEndpoint: {
    request: endpoint,
    restore: async (world) => {
      await settle(world);
      const endpoint_id = await firstOf(world, "endpoints");
      const path = `/projects/${world.project_id}/endpoints/${endpoint_id}/start`;
      await world.server.expect(200, "POST", path, { key: world.admin.key });
      await settle(world);
    },
  },
  restartProjectEndpoint: { request: endpoint, restore: settle },
  listProjectBranchRoles: { request: branch },
  createProjectBranchRole: {
    request: async (world) => ({ ...(await branch(world)), body: { role: { name: unique("role") } } }),
    restore: settle,
  },
  deleteProjectBranchRole: { request: newRole, restore: settle },
  resetProjectBranchRolePassword: { request: newRole, restore: settle },
  getProjectBranchRole: { request: role },
  getProjectBranchRolePassword: { request: role },
  listProjectBranchDatabases: { request: branch },
  getProjectBranchDatabase: {
    request: async (world) => {
      const { role_name: _, ...params } = await roleAndDatabase(world);
      return { params };
    },
  },
  createProjectBranchDatabase: {
    request: async (world) => {
      const { database_name: _, role_name: owner_name, ...params } = await roleAndDatabase(world);
      await settle(world);
      return { params, body: { database: { name: unique("database"), owner_name } } };
    },
    restore: settle,
  },
  updateProjectBranchDatabase: {
    request: async (world) => ({ ...(await newDatabase(world)), body: { database: { name: unique("database") } } }),
    restore: settle,
  },
  deleteProjectBranchDatabase: { request: newDatabase, restore: settle },
  listProjectPermissions: { request: project },
  getProjectJWKS: { request: project },
  listProjectVPCEndpoints: { request: project },
  listNeonAuthIntegrations: { request: project },
  listSnapshots: { request: project },
  getSnapshotSchedule: { request: branch },
  getMaskingRules: { request: branch },
  listOrganizationVPCEndpointsAllRegions: { request: ({ org_id }) => ({ params: { org_id } }) },
  listOrganizationVPCEndpoints: { request: ({ org_id }) => ({ params: { org_id, region_id: "local" } }) },
  getOrganizationSpendingLimit: { request: ({ org_id }) => ({ params: { org_id } }) },
  listProjectOperations: { request: project },
  getProjectOperation: {
    request: async (world) => ({
      params: { project_id: world.project_id, operation_id: await firstOf(world, "operations") },
    }),
  },
  // One that has ended: a copy that goes on for as long as is needed is in `jobs/cancel.test.ts`.
  cancelProjectOperation: {
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
