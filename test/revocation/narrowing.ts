import { logIn } from "../harness/oauth.ts";
import {
  addMember,
  createOrganization,
  createOrganizationKey,
  createPersonalKey,
  type Person,
  signIn,
  unique,
} from "../harness/world.ts";
import type { Nodes } from "./experiment.ts";

/** A request that is good before a change and refused after it. */
export interface Ask {
  readonly path: string;
  readonly credential: { readonly key?: string; readonly cookie?: string };
  readonly refused: 401 | 403 | 404;
}

interface Prepared {
  readonly asks: readonly Ask[];
  /** Makes the change through the first node, and returns when it is answered. */
  readonly narrow: () => Promise<unknown>;
}

/** Every change that takes something from somebody, and what they could do before. */
export const NARROWING: Readonly<Record<string, (nodes: Nodes) => Promise<Prepared>>> = {
  "a personal key revoked": async (nodes) => {
    const { server, key } = first(nodes);
    const made = await createPersonalKey(server, key);
    return {
      asks: [auth({ key: made.key }), { path: "/users/me", credential: { key: made.key }, refused: 401 }],
      narrow: () => server.expect(200, "DELETE", `/api_keys/${made.id}`, { key }),
    };
  },

  "an organization key revoked": async (nodes) => {
    const { server, key, organization } = first(nodes);
    const made = await createOrganizationKey(server, key, nodes.org_id);
    return {
      asks: [auth({ key: made.key }), { path: organization, credential: { key: made.key }, refused: 401 }],
      narrow: () => server.expect(200, "DELETE", `${organization}/api_keys/${made.id}`, { key }),
    };
  },

  "a project key revoked": async (nodes) => {
    const { server, key, organization } = first(nodes);
    const project = await insertProject(nodes);
    const made = await createOrganizationKey(server, key, nodes.org_id, project);
    return {
      asks: [auth({ key: made.key }), { path: `/projects/${project}`, credential: { key: made.key }, refused: 401 }],
      narrow: () => server.expect(200, "DELETE", `${organization}/api_keys/${made.id}`, { key }),
    };
  },

  "a member removed": async (nodes) => {
    const { server, key, organization } = first(nodes);
    const project = await insertProject(nodes);
    const { person, member_id } = await addMember(server, key, nodes.org_id);
    return {
      asks: (await credentialsOf(nodes, person)).flatMap((credential): Ask[] => [
        { path: organization, credential, refused: 403 },
        { path: `/projects/${project}`, credential, refused: 404 },
      ]),
      narrow: () => server.expect(200, "DELETE", `${organization}/members/${member_id}`, { key }),
    };
  },

  "an admin made a member": async (nodes) => {
    const { server, key, organization } = first(nodes);
    const { person, member_id } = await addMember(server, key, nodes.org_id);
    const setRole = (role: string) =>
      server.expect(200, "PATCH", `${organization}/members/${member_id}`, { key, body: { role } });
    await setRole("admin");
    return {
      asks: (await credentialsOf(nodes, person)).map((credential) => ({
        path: `${organization}/api_keys`,
        credential,
        refused: 403,
      })),
      narrow: () => setRole("member"),
    };
  },

  "a session ended": async (nodes) => {
    const { server, person } = await newPerson(nodes);
    const cookie = await signIn(server, person);
    const { sessions } = await server.expect<{ sessions: { id: string; current: boolean }[] }>(
      200,
      "GET",
      "/sessions",
      { cookie },
    );
    const id = sessions.find(({ current }) => current)?.id;
    return {
      asks: [auth({ cookie }), { path: "/users/me", credential: { cookie }, refused: 401 }],
      narrow: () => server.expect(200, "DELETE", `/sessions/${id}`, { key: person.key }),
    };
  },

  "all sessions ended": async (nodes) => {
    const { server, person } = await newPerson(nodes);
    const another = await signIn(server, person);
    return {
      asks: [auth({ cookie: person.cookie }), auth({ cookie: another })],
      narrow: () => server.expect(200, "DELETE", "/sessions", { key: person.key }),
    };
  },

  "a password changed": async (nodes) => {
    const { server, person } = await newPerson(nodes);
    const another = await signIn(server, person);
    const login = (await logIn(server, another)).access_token;
    const body = { current_password: person.password, new_password: unique("password") };
    return {
      asks: [auth({ cookie: another }), auth({ key: login })],
      narrow: () => server.expect(200, "POST", "/users/me/password", { cookie: person.cookie, body }),
    };
  },

  "a login through the browser ended": async (nodes) => {
    const { server, person } = await newPerson(nodes);
    const key = (await logIn(server, person.cookie)).access_token;
    const { oauth_grants } = await server.expect<{ oauth_grants: { id: number }[] }>(200, "GET", "/oauth_grants", {
      key: person.key,
    });
    return {
      asks: [auth({ key }), { path: "/users/me", credential: { key }, refused: 401 }],
      narrow: () => server.expect(200, "DELETE", `/oauth_grants/${oauth_grants[0]?.id}`, { key: person.key }),
    };
  },

  "a project deleted": async (nodes) => {
    const { server, key } = first(nodes);
    const project = await insertProject(nodes);
    const of_project = await createOrganizationKey(server, key, nodes.org_id, project);
    const of_organization = await createOrganizationKey(server, key, nodes.org_id);
    return {
      asks: [
        auth({ key: of_project.key }),
        { path: `/projects/${project}`, credential: { key: of_project.key }, refused: 401 },
        { path: `/projects/${project}`, credential: { key: of_organization.key }, refused: 404 },
        { path: `/projects/${project}`, credential: { key }, refused: 404 },
      ],
      narrow: () => server.expect(200, "DELETE", `/projects/${project}`, { key }),
    };
  },

  "a project given to another organization": async (nodes) => {
    const { server, key, organization } = first(nodes);
    const project = await insertProject(nodes);
    const destination_org_id = await createOrganization(server, key);
    const of_project = await createOrganizationKey(server, key, nodes.org_id, project);
    const of_organization = await createOrganizationKey(server, key, nodes.org_id);
    const { person } = await addMember(server, key, nodes.org_id);
    return {
      asks: [
        auth({ key: of_project.key }),
        { path: `/projects/${project}`, credential: { key: of_project.key }, refused: 401 },
        { path: `/projects/${project}`, credential: { key: of_organization.key }, refused: 404 },
        { path: `/projects/${project}`, credential: { key: person.key }, refused: 404 },
      ],
      narrow: () =>
        server.expect(200, "POST", `${organization}/projects/transfer`, {
          key,
          body: { destination_org_id, project_ids: [project] },
        }),
    };
  },
};

function first(nodes: Nodes) {
  return { server: nodes.node(0), key: nodes.admin_key, organization: `/organizations/${nodes.org_id}` };
}

const auth = (credential: Ask["credential"]): Ask => ({ path: "/auth", credential, refused: 401 });

async function newPerson(nodes: Nodes) {
  const { server, key } = first(nodes);
  return { server, ...(await addMember(server, key, nodes.org_id)) };
}

/** A key, a session and a login: memberships are looked at whatever a person calls with. */
async function credentialsOf(nodes: Nodes, { key, cookie }: Person): Promise<Ask["credential"][]> {
  return [{ key }, { cookie }, { key: (await logIn(nodes.node(0), cookie)).access_token }];
}

/** Without a branch and a compute, which are no part of who may do what. */
async function insertProject(nodes: Nodes): Promise<string> {
  const id = unique("narrowed-project");
  await nodes.database.query(
    `insert into projects (id, org_id, name, region_id, pg_version, created_by)
     values ($1, $2, $1, 'local', 18, $3)`,
    [id, nodes.org_id, nodes.user_id],
  );
  return id;
}
