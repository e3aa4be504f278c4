import { createHash, randomBytes } from "node:crypto";
import type { TestServer } from "./server.ts";

/** A client of the authorization server, as a command line is one; the person's part is played by their session. */
export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly scope: string;
}

export interface OAuthAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Tokens & {
    error?: string;
    error_description?: string;
    device_code: string;
    user_code: string;
    verification_uri: string;
    verification_uri_complete: string;
    interval: number;
  };
}

export const SCOPE = "openid offline_access urn:neoncloud:projects:read";
export const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
export const REDIRECT = "http://127.0.0.1:54321/callback";

export function newVerifier() {
  const verifier = randomBytes(32).toString("base64url");
  return { verifier, challenge: createHash("sha256").update(verifier).digest("base64url") };
}

/** The parameters of a good authorization request. */
export function authorizationQuery(challenge: string, changes: Record<string, string> = {}): URLSearchParams {
  return new URLSearchParams({
    response_type: "code",
    client_id: "neonctl",
    redirect_uri: REDIRECT,
    scope: SCOPE,
    state: "state-1",
    code_challenge: challenge,
    code_challenge_method: "S256",
    ...changes,
  });
}

/** Opens the authorization endpoint and returns the address that it leads to, which is never followed. */
export async function authorizeAt(server: TestServer, query: URLSearchParams): Promise<URL> {
  const response = await fetch(`${server.url}/oauth2/authorize?${query}`, { redirect: "manual" });
  await response.body?.cancel();
  if (response.status !== 303) throw new Error(`authorize: ${response.status}`);
  return new URL(response.headers.get("location") ?? "", server.url);
}

/** What the page for consent is handed. */
export async function packedRequest(server: TestServer, query: URLSearchParams): Promise<string> {
  const page = await authorizeAt(server, query);
  const request = page.searchParams.get("request");
  if (request === null) throw new Error(`authorize leads to ${page}`);
  return request;
}

/** Approves as the person whose session it is, and returns the code. */
export async function approve(server: TestServer, cookie: string, query: URLSearchParams): Promise<string> {
  const body = { request: await packedRequest(server, query) };
  const { redirect_to } = await server.expect<{ redirect_to: string }>(201, "POST", "/oauth_authorization", {
    cookie,
    body,
  });
  return new URL(redirect_to).searchParams.get("code") ?? "";
}

export async function post(
  server: TestServer,
  path: string,
  form: Record<string, string> | string,
  headers: Record<string, string> = {},
): Promise<OAuthAnswer> {
  const response = await fetch(`${server.url}/oauth2/${path}`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    body: typeof form === "string" ? form : new URLSearchParams(form).toString(),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" ? {} : JSON.parse(text),
  } as OAuthAnswer;
}

export async function exchange(server: TestServer, code: string, code_verifier: string, changes: object = {}) {
  return await post(server, "token", {
    grant_type: "authorization_code",
    client_id: "neonctl",
    code,
    code_verifier,
    redirect_uri: REDIRECT,
    ...changes,
  });
}

export async function refresh(server: TestServer, refresh_token: string, changes: Record<string, string> = {}) {
  return await post(server, "token", { grant_type: "refresh_token", client_id: "neonctl", refresh_token, ...changes });
}

/** A whole login; returns its tokens. */
export async function logIn(server: TestServer, cookie: string, changes: Record<string, string> = {}): Promise<Tokens> {
  const { verifier, challenge } = newVerifier();
  const code = await approve(server, cookie, authorizationQuery(challenge, changes));
  const { client_id = "neonctl", redirect_uri = REDIRECT } = changes;
  const answer = await exchange(server, code, verifier, { client_id, redirect_uri });
  if (answer.status !== 200) throw new Error(`token: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** A machine's request; returns what the machine gets. */
export async function beginDevice(server: TestServer, changes: Record<string, string> = {}) {
  const answer = await post(server, "device_authorization", { client_id: "latchkey", scope: SCOPE, ...changes });
  if (answer.status !== 200) throw new Error(`device: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

export async function pollDevice(server: TestServer, device_code: string, client_id = "latchkey") {
  return await post(server, "token", { grant_type: DEVICE_GRANT, client_id, device_code });
}
