import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type CallOptions, startServer, type TestServer } from "../harness/server.ts";
import {
  addMember,
  buildWorld,
  createOrganization,
  createOrganizationKey,
  createProject,
  memberIdOf,
  type World,
} from "../harness/world.ts";

/** What each kind of key may do, and in which words it is refused the rest: Neon's clients look for them. */
const FOR_ORGANIZATION_KEYS = "not allowed for organization API keys";

suite("powers of API keys", () => {
  let server: TestServer;
  let world: World;
  let organization: string;

  before(async () => {
    server = await startServer(undefined, { LATCHKEY_SIGN_UP: "open" });
    world = await buildWorld(server);
    organization = `/organizations/${world.org_id}/api_keys`;
  });
  after(() => server?.close());

  const messageOf = async (status: number, method: string, path: string, options: CallOptions) =>
    (await server.expect<{ message: string }>(status, method, path, options)).message;

  test("an organization key may what Neon's matrix says, and is refused the rest in Neon's words", async () => {
    const { admin, org_id, org_key, stranger_org_id } = world;
    const key = { key: org_key };
    const { person, member_id } = await addMember(server, admin.key, org_id);
    const doomed = await createOrganizationKey(server, admin.key, org_id);
    const base = `/organizations/${org_id}`;

    await server.expect(200, "GET", base, key);
    await server.expect(200, "GET", `${base}/members`, key);
    await server.expect(200, "GET", `${base}/members/${member_id}`, key);
    await server.expect(200, "PATCH", `${base}/members/${member_id}`, { ...key, body: { role: "admin" } });
    await server.expect(200, "GET", `${base}/invitations`, key);
    await server.expect(200, "GET", `${base}/api_keys`, key);
    await server.expect(200, "DELETE", `${base}/api_keys/${doomed.id}`, key);
    const { organizations } = await server.expect<{ organizations: { id: string }[] }>(
      200,
      "GET",
      "/users/me/organizations",
      key,
    );
    assert.deepEqual(
      organizations.map(({ id }) => id),
      [org_id],
    );
    // Projects of its organization without naming it, also those made after the key.
    const { project } = await createProject(server, admin.key, org_id);
    await server.expect(200, "GET", `/projects/${project.id}`, key);
    await server.expect(200, "GET", "/projects", key);

    const invitation = { invitations: [{ email: "new@example.com", role: "member" }] };
    for (const [status, method, path, body] of [
      [404, "GET", "/users/me"],
      [404, "GET", "/regions"],
      [404, "GET", "/api_keys"],
      [404, "POST", "/api_keys", { key_name: "successor" }],
      [404, "POST", "/organizations", { organization: { name: "Own" } }],
      [403, "POST", `${base}/api_keys`, { key_name: "successor" }],
      [403, "DELETE", `${base}/members/${member_id}`],
      [403, "POST", `${base}/invitations`, invitation],
      [403, "PATCH", base, { organization: { name: "Renamed" } }],
    ] as const) {
      const options = body === undefined ? key : { ...key, body };
      assert.equal(await messageOf(status, method, path, options), FOR_ORGANIZATION_KEYS, `${method} ${path}`);
    }
    assert.equal(await messageOf(403, "GET", `/organizations/${stranger_org_id}`, key), "not an organization member");
    assert.equal(await memberIdOf(server, admin.key, org_id, person.user_id), member_id);
  });

  test("a project key acts at member level inside its project and is told which one outside", async () => {
    const { admin, org_id, project_id, second_project_id, project_key, project_key_id, org_key_id } = world;
    const key = { key: project_key };
    const base = `/projects/${project_id}`;
    for (const path of [base, `${base}/branches`, `${base}/endpoints`, `${base}/operations`, "/auth"]) {
      await server.expect(200, "GET", path, key);
    }
    await server.expect(200, "PATCH", base, { ...key, body: { project: { name: "By its key" } } });

    const outside =
      "not allowed to perform actions outside the project this key is scoped to; " +
      `subject_project_id:"${project_id}"`;
    for (const [method, path, body] of [
      ["GET", "/projects"],
      ["GET", `/projects?org_id=${org_id}`],
      ["POST", "/projects", { project: { name: "Sibling" } }],
      ["GET", `/projects/${second_project_id}`],
      ["GET", "/projects/no-such-00000000"],
      ["DELETE", `/projects/${second_project_id}`],
      ["GET", `/organizations/${org_id}`],
      ["GET", `/organizations/${org_id}/api_keys`],
      ["POST", `/organizations/${org_id}/api_keys`, { key_name: "successor", project_id }],
      ["DELETE", `/organizations/${org_id}/api_keys/${org_key_id}`],
      ["DELETE", `/organizations/${world.stranger_org_id}/api_keys/${project_key_id}`],
      ["GET", "/users/me"],
      ["GET", "/users/me/organizations"],
      ["POST", "/api_keys", { key_name: "successor" }],
    ] as const) {
      const options = body === undefined ? key : { ...key, body };
      assert.equal(await messageOf(404, method, path, options), outside, `${method} ${path}`);
    }
    await server.expect(403, "DELETE", base, key);
    await server.expect(200, "GET", base, { key: admin.key });
  });

  test("a member without the right is refused with 403, and the organization's keys stay hidden from them", async () => {
    const { member, org_id, org_key_id, project_id } = world;
    await server.expect(403, "GET", organization, { key: member.key });
    await server.expect(403, "POST", organization, { key: member.key, body: { key_name: "mine" } });
    await server.expect(403, "POST", organization, { key: member.key, body: { key_name: "mine", project_id } });
    await server.expect(403, "DELETE", `${organization}/${org_key_id}`, { key: member.key });
    await server.expect(403, "DELETE", `/projects/${project_id}`, { key: member.key });
    await server.expect(403, "DELETE", `/organizations/${org_id}/api_keys/1`, { key: member.key });
  });

  test("a personal key reaches an organization that its person joined after the key was made", async () => {
    const { admin, member } = world;
    const org_id = await createOrganization(server, member.key);
    await server.expect(403, "GET", `/organizations/${org_id}`, { key: admin.key });
    await server.expect(200, "GET", `/organizations/${org_id}`, { key: member.key });
  });

  test("GET /auth tells whose credential it is and of which kind", async () => {
    const { admin, org_id, org_key, project_key } = world;
    const auth = (options: CallOptions) => server.expect(200, "GET", "/auth", options);
    assert.deepEqual(await auth({ key: admin.key }), { account_id: admin.user_id, auth_method: "api_key_user" });
    assert.deepEqual(await auth({ key: org_key }), { account_id: org_id, auth_method: "api_key_org" });
    assert.deepEqual(await auth({ key: project_key }), { account_id: org_id, auth_method: "api_key_org" });
    assert.deepEqual(await auth({ cookie: admin.cookie }), {
      account_id: admin.user_id,
      auth_method: "session_cookie",
    });
  });
});
