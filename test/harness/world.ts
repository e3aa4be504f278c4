import { randomBytes } from "node:crypto";
import { newToken } from "../../server/keys/token.ts";
import { logIn } from "./oauth.ts";
import type { TestServer } from "./server.ts";

/**
 * A small world to ask questions in: an organization with an admin and a member, a stranger with an
 * organization of their own, two projects, and a credential of every kind. All of it is made through the
 * API, by a server that runs with `LATCHKEY_SIGN_UP=open` and nobody in it.
 */
export interface Person {
  readonly email: string;
  readonly password: string;
  readonly user_id: string;
  /** A personal key. */
  readonly key: string;
  readonly key_id: number;
  /** A live session, as a `Cookie` header. */
  cookie: string;
}

export interface World {
  readonly server: TestServer;
  readonly admin: Person;
  readonly member: Person;
  readonly stranger: Person;
  readonly org_id: string;
  readonly stranger_org_id: string;
  readonly project_id: string;
  readonly second_project_id: string;
  readonly org_key: string;
  readonly org_key_id: number;
  readonly stranger_org_key: string;
  readonly project_key: string;
  readonly project_key_id: number;
  readonly second_project_key: string;
  /** A personal key of the admin that has been revoked. */
  readonly revoked_key: string;
  /** Well formed, of OAuth's kind, and never issued. */
  readonly oauth_token: string;
  /** The access token of a login of the admin through the browser. */
  login_token: string;
}

export interface CreatedKey {
  readonly id: number;
  readonly key: string;
  readonly name: string;
  readonly project_id?: string;
}

/** A name, an e-mail's local part or a password that nothing else has. */
export const unique = (prefix = "n"): string => `${prefix}-${randomBytes(6).toString("hex")}`;

/**
 * Headers of a request from an address that has sent none before, for a server with `LATCHKEY_TRUST_PROXY=1`:
 * an address that fails often is slowed down, and a test that sends bad credentials would meet that instead.
 */
export function fromElsewhere(): Record<string, string> {
  return { "x-forwarded-for": `10.${[...randomBytes(3)].join(".")}` };
}

/** The token of the setup link that the server has printed last. */
export function setupTokenOf(server: TestServer): string {
  const token = [...server.output.matchAll(/\/setup#(\S+)/g)].at(-1)?.[1];
  if (token === undefined) throw new Error("the server printed no setup link");
  return token;
}

/** The `Cookie` header that a browser would send after an answer. */
export function cookieHeader(set_cookie: readonly string[]): string {
  return set_cookie.map((cookie) => cookie.split(";")[0]).join("; ");
}

/** A new person with a session and a personal key; the first one of a server needs its setup token. */
export async function signUp(
  server: TestServer,
  name: string,
  token: { setup_token?: string; invitation_token?: string } = {},
  email = `${unique(name.toLowerCase())}@example.com`,
): Promise<Person> {
  const password = unique("password");
  const answer = await server.call<{ id: string }>("POST", "/users", { body: { email, password, name, ...token } });
  if (answer.status !== 201) throw new Error(`sign-up of ${name}: ${answer.status} ${JSON.stringify(answer.body)}`);
  const cookie = cookieHeader(answer.cookies);
  const { key, id } = await server.expect<CreatedKey>(200, "POST", "/api_keys", {
    cookie,
    body: { key_name: unique("first") },
  });
  return { email, password, user_id: answer.body.id, cookie, key, key_id: id };
}

/** A new session of a person; returns the `Cookie` header. */
export async function signIn(server: TestServer, { email, password }: Pick<Person, "email" | "password">) {
  const answer = await server.call("POST", "/sessions", { body: { email, password } });
  if (answer.status !== 201) throw new Error(`sign-in: ${answer.status} ${JSON.stringify(answer.body)}`);
  return cookieHeader(answer.cookies);
}

export async function createOrganization(server: TestServer, key: string, name = unique("org")): Promise<string> {
  const body = { organization: { name } };
  return (await server.expect<{ id: string }>(201, "POST", "/organizations", { key, body })).id;
}

export async function createPersonalKey(server: TestServer, key: string, key_name = unique("key")) {
  return await server.expect<CreatedKey>(200, "POST", "/api_keys", { key, body: { key_name } });
}

export async function createOrganizationKey(server: TestServer, key: string, org_id: string, project_id?: string) {
  const body = { key_name: unique("key"), ...(project_id === undefined ? {} : { project_id }) };
  return await server.expect<CreatedKey>(200, "POST", `/organizations/${org_id}/api_keys`, { key, body });
}

export interface CreatedProject {
  readonly project: { readonly id: string; readonly name: string; readonly org_id: string };
  readonly branch: { readonly id: string };
  readonly endpoints: readonly { readonly id: string; readonly host: string }[];
  readonly roles: readonly { readonly name: string; readonly password: string }[];
  readonly databases: readonly { readonly name: string }[];
  readonly operations: readonly { readonly id: string; readonly status: string }[];
  readonly connection_uris: readonly {
    readonly connection_uri: string;
    readonly connection_parameters: { readonly pooler_host: string };
  }[];
}

export async function createProject(server: TestServer, key: string, org_id: string, name = unique("project")) {
  const body = { project: { name, org_id } };
  return await server.expect<CreatedProject>(201, "POST", "/projects", { key, body });
}

/** Invites an e-mail and returns the token of the link. */
export async function invite(server: TestServer, key: string, org_id: string, email: string, role = "member") {
  const { invitations } = await server.expect<{ invitations: { id: string; accept_url: string }[] }>(
    200,
    "POST",
    `/organizations/${org_id}/invitations`,
    { key, body: { invitations: [{ email, role }] } },
  );
  const [invitation] = invitations;
  const token = invitation?.accept_url.split("#")[1];
  if (invitation === undefined || token === undefined) throw new Error("the invitation has no link");
  return { id: invitation.id, token };
}

/** A new person who is in the organization; returns their member id too. */
export async function addMember(server: TestServer, admin_key: string, org_id: string, name = "Member") {
  const email = `${unique(name.toLowerCase())}@example.com`;
  const { token } = await invite(server, admin_key, org_id, email);
  const person = await signUp(server, name, { invitation_token: token }, email);
  return { person, member_id: await memberIdOf(server, admin_key, org_id, person.user_id) };
}

export async function memberIdOf(server: TestServer, key: string, org_id: string, user_id: string): Promise<string> {
  const { members } = await server.expect<{ members: { member: { id: string; user_id: string } }[] }>(
    200,
    "GET",
    `/organizations/${org_id}/members`,
    { key },
  );
  const found = members.find(({ member }) => member.user_id === user_id);
  if (!found) throw new Error("no such member");
  return found.member.id;
}

export async function buildWorld(server: TestServer): Promise<World> {
  const admin = await signUp(server, "Admin", { setup_token: setupTokenOf(server) });
  const stranger = await signUp(server, "Stranger");
  const org_id = await createOrganization(server, admin.key);
  const stranger_org_id = await createOrganization(server, stranger.key);
  const { person: member } = await addMember(server, admin.key, org_id);

  const { project } = await createProject(server, admin.key, org_id);
  const { project: second } = await createProject(server, admin.key, org_id);
  const org_key = await createOrganizationKey(server, admin.key, org_id);
  const project_key = await createOrganizationKey(server, admin.key, org_id, project.id);
  const revoked = await createPersonalKey(server, admin.key);
  await server.expect(200, "DELETE", `/api_keys/${revoked.id}`, { key: admin.key });
  return {
    server,
    admin,
    member,
    stranger,
    org_id,
    stranger_org_id,
    project_id: project.id,
    second_project_id: second.id,
    org_key: org_key.key,
    org_key_id: org_key.id,
    stranger_org_key: (await createOrganizationKey(server, stranger.key, stranger_org_id)).key,
    project_key: project_key.key,
    project_key_id: project_key.id,
    second_project_key: (await createOrganizationKey(server, admin.key, org_id, second.id)).key,
    revoked_key: revoked.key,
    oauth_token: newToken("at").token.reveal(),
    login_token: (await logIn(server, admin.cookie)).access_token,
  };
}
