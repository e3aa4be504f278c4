import { logIn } from "../harness/oauth.ts";
import type { TestServer } from "../harness/server.ts";
import {
  createOrganization,
  createOrganizationKey,
  createProject,
  invite,
  type Person,
  setupTokenOf,
  signUp,
} from "../harness/world.ts";
import { noteUsage } from "./usage-history.ts";

/** What people see on screenshots: the same shapes as in the tests' world, with names that read well. */
export async function buildDemo(server: TestServer): Promise<Demo> {
  const admin = await signUp(server, "Ada Lovelace", { setup_token: setupTokenOf(server) }, "ada@example.com");
  const { key } = admin;
  const org_id = await createOrganization(server, key, "Acme");
  const empty_org_id = await createOrganization(server, key, "Analytical");
  const { token } = await invite(server, key, org_id, "charles@example.com");
  const member = await signUp(server, "Charles Babbage", { invitation_token: token }, "charles@example.com");
  await invite(server, key, org_id, "mary@example.com", "admin");
  const stranger = await signUp(server, "Grace Hopper", {}, "grace@example.com");
  const { project, branch } = await createProject(server, key, org_id, "storefront");
  // Taking all pictures takes longer than the usual five minutes, and some are of a compute that runs.
  for (const id of await endpointsOf(server, key, project.id)) {
    const body = { endpoint: { suspend_timeout_seconds: -1 } };
    await server.expect(200, "PATCH", `/projects/${project.id}/endpoints/${id}`, { key, body });
  }
  const used = [{ project_id: project.id, branch_id: branch.id, share: 1 }];
  for (const name of ["analytics", "billing"]) {
    const other = await createProject(server, key, org_id, name);
    used.push({ project_id: other.project.id, branch_id: other.branch.id, share: 0.3 });
  }
  await noteUsage(server, used);
  const bare_branch_id = await growBranches(server, key, project.id, branch.id);
  const { id: personal } = (await server.expect<{ id: number }[]>(200, "GET", "/api_keys", { key }))[0] ?? { id: 0 };
  for (const key_name of ["laptop", "ci-deploy", "backup-nightly"]) {
    const made = await server.expect<{ key: string }>(200, "POST", "/api_keys", { key, body: { key_name } });
    if (key_name !== "backup-nightly") await server.expect(200, "GET", "/users/me", { key: made.key });
  }
  await createOrganizationKey(server, key, org_id);
  await createOrganizationKey(server, key, org_id, project.id);
  await logIn(server, admin.cookie);
  const { project: gone } = await createProject(server, key, org_id, "old-shop");
  for (const project_id of [gone.id, project.id]) await server.settle(project_id, key);
  await server.expect(200, "DELETE", `/projects/${gone.id}`, { key });
  await server.expect(200, "DELETE", `/api_keys/${personal}`, { cookie: admin.cookie });
  const ids = { org_id, empty_org_id, project_id: project.id, branch_id: branch.id, bare_branch_id };
  return { admin, member, stranger, ...ids };
}

/** A small tree, of which the last branch has no compute; returns the id of that one. */
async function growBranches(server: TestServer, key: string, project_id: string, main_id: string): Promise<string> {
  const grow = async (name: string, parent_id: string, more = {}, endpoints = [{ type: "read_write" }]) => {
    await server.settle(project_id, key);
    const body = { branch: { name, parent_id, ...more }, endpoints };
    const path = `/projects/${project_id}/branches`;
    return (await server.expect<{ branch: { id: string } }>(201, "POST", path, { key, body })).branch.id;
  };
  const in_a_week = new Date(Date.now() + 7 * 86_400_000).toISOString();
  const staging = await grow("staging", main_id, { protected: true });
  await grow("preview/login", staging, { expires_at: in_a_week });
  await grow("preview/checkout-with-vouchers", staging, { expires_at: in_a_week });
  return await grow("ada/try-index", main_id, {}, []);
}

export interface Demo {
  readonly admin: Person;
  readonly member: Person;
  readonly stranger: Person;
  readonly org_id: string;
  /** Of the same admin, and without a project. */
  readonly empty_org_id: string;
  readonly project_id: string;
  readonly branch_id: string;
  /** A branch without a compute. */
  readonly bare_branch_id: string;
}

async function endpointsOf(server: TestServer, key: string, project_id: string): Promise<string[]> {
  const path = `/projects/${project_id}/endpoints`;
  const { endpoints } = await server.expect<{ endpoints: { id: string }[] }>(200, "GET", path, { key });
  return endpoints.map(({ id }) => id);
}
