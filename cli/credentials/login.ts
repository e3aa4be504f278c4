import { createHash, randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { CliError } from "../exit.ts";
import { fetchOverHttp } from "../fetch-over-http.ts";
import { VERSION } from "../version.ts";
import type { Login } from "./profiles.ts";

/**
 * Signing in through the browser: the client's side of OAuth. By a code with PKCE that a page of the server
 * hands to a port of this machine (RFC 8252), or by a code that the person types elsewhere (RFC 8628).
 */
const CLIENT_ID = "latchkey";
const SCOPE = "offline_access";
const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
const BROWSER_PATIENCE_MS = 5 * 60_000;

interface Endpoints {
  readonly issuer: string;
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
  readonly revocation_endpoint: string;
  readonly device_authorization_endpoint: string;
}

interface Tokens {
  readonly access_token: string;
  readonly expires_in: number;
  readonly refresh_token?: string;
}

interface OAuthAnswer {
  readonly error?: string;
  readonly error_description?: string;
}

/** Signs in by the browser of this machine. `show` gets the address to open, which is opened too where it can be. */
export async function signInByBrowser(
  host: string,
  signal: AbortSignal,
  show: (url: string) => void | Promise<void>,
): Promise<Login> {
  const endpoints = await discover(host, signal);
  const state = randomBytes(24).toString("base64url");
  const code_verifier = randomBytes(32).toString("base64url");
  const server = createServer();
  try {
    const redirect_uri = `http://127.0.0.1:${await listen(server)}/callback`;
    const url = new URL(endpoints.authorization_endpoint);
    url.search = new URLSearchParams({
      response_type: "code",
      client_id: CLIENT_ID,
      redirect_uri,
      scope: SCOPE,
      state,
      code_challenge: createHash("sha256").update(code_verifier).digest("base64url"),
      code_challenge_method: "S256",
    }).toString();
    const callback = waitForCallback(server, state, endpoints.issuer, signal);
    await show(url.href);
    const { code, answer } = await callback;
    const form = { grant_type: "authorization_code", code, code_verifier, redirect_uri, device_name: hostname() };
    try {
      const login = asLogin(host, await post<Tokens>(endpoints.token_endpoint, form, signal));
      answer("You are signed in. Close this window and go back to your terminal.");
      return login;
    } catch (error) {
      answer("Signing in failed. Your terminal says why.");
      throw error;
    }
  } finally {
    server.close();
    server.closeIdleConnections();
  }
}

export interface DeviceCode {
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
}

/** Signs in by a code that the person types into a browser on any machine. */
export async function signInByDevice(
  host: string,
  signal: AbortSignal,
  show: (code: DeviceCode) => void,
): Promise<Login> {
  const { token_endpoint, device_authorization_endpoint } = await discover(host, signal);
  const asked = { scope: SCOPE, device_name: hostname() };
  const begun = await post<DeviceCode & { device_code: string; interval?: number; expires_in: number }>(
    device_authorization_endpoint,
    asked,
    signal,
  );
  show(begun);
  let interval_s = begun.interval ?? 5;
  for (;;) {
    await sleep(interval_s * 1000, undefined, { signal });
    const form = { grant_type: DEVICE_GRANT, device_code: begun.device_code };
    const answer = await send<Tokens>(token_endpoint, form, signal);
    if (answer.error === undefined) return asLogin(host, answer as Tokens);
    // RFC 8628, 3.5.
    if (answer.error === "slow_down") interval_s += 5;
    else if (answer.error !== "authorization_pending") throw refusalOf(answer);
  }
}

/** Fresh tokens for a login. The server gives a new refresh token each time, and the old one is then spent. */
export async function refreshLogin(login: Login): Promise<Login> {
  const signal = AbortSignal.timeout(10_000);
  const { token_endpoint } = await discover(login.host, signal);
  const form = { grant_type: "refresh_token", refresh_token: login.refresh_token ?? "" };
  const fresh = asLogin(login.host, await post<Tokens>(token_endpoint, form, signal));
  return { ...login, ...fresh };
}

/** Ends a login at its server. Says whether that is known to have happened; a login is forgotten here all the same. */
export async function revokeLogin(login: Login): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(10_000);
    const { revocation_endpoint } = await discover(login.host, signal);
    await post(revocation_endpoint, { token: login.refresh_token ?? login.api_key }, signal);
    return true;
  } catch {
    return false;
  }
}

/** RFC 8414. What the document names must be of the server that was meant: tokens go nowhere else. */
async function discover(host: string, signal: AbortSignal): Promise<Endpoints> {
  const { origin, protocol, hostname: name } = new URL(host);
  if (protocol !== "https:" && !/^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(name)) {
    throw new CliError("refused", `${origin} is not encrypted; a browser's sign-in is not sent over it`, "use https");
  }
  const found = (await read(`${origin}/.well-known/oauth-authorization-server`, "GET", undefined, signal)) as Endpoints;
  if (found.issuer !== origin) {
    throw new CliError("refused", `the server at ${origin} calls itself ${found.issuer}`, `use --host ${found.issuer}`);
  }
  const { authorization_endpoint, token_endpoint, revocation_endpoint, device_authorization_endpoint } = found;
  for (const url of [authorization_endpoint, token_endpoint, revocation_endpoint, device_authorization_endpoint]) {
    if (!URL.canParse(url) || new URL(url).origin !== origin) {
      throw new CliError("failed", `the server at ${origin} names another one to sign in at`);
    }
  }
  return found;
}

async function post<T>(url: string, form: Record<string, string>, signal: AbortSignal): Promise<T> {
  const answer = await send<T>(url, form, signal);
  if (answer.error !== undefined) throw refusalOf(answer);
  return answer;
}

async function send<T>(url: string, form: Record<string, string>, signal: AbortSignal): Promise<T & OAuthAnswer> {
  const body = new URLSearchParams({ client_id: CLIENT_ID, ...form }).toString();
  return (await read(url, "POST", body, signal)) as T & OAuthAnswer;
}

async function read(url: string, method: string, body: string | undefined, signal: AbortSignal): Promise<object> {
  const headers = {
    accept: "application/json",
    "user-agent": `latchkey-cli/${VERSION}`,
    ...(body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
  };
  const { origin } = new URL(url);
  try {
    const init = { method, headers, signal, redirect: "manual" as const, ...(body === undefined ? {} : { body }) };
    const answer = await fetchOverHttp(new URL(url), init);
    const text = await answer.text();
    const parsed: unknown = text === "" && answer.ok ? {} : JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && (answer.ok || "error" in parsed)) return parsed;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (!(error instanceof SyntaxError)) {
      throw new CliError(
        "server",
        `cannot reach ${origin}: ${(error as Error).message}`,
        "is the server running there?",
      );
    }
  }
  throw new CliError("server", `the server at ${origin} offers no sign-in through the browser`, "sign in with a key");
}

function refusalOf({ error, error_description }: OAuthAnswer): CliError {
  switch (error) {
    case "invalid_grant":
      return new CliError("not_signed_in", "the login has ended", "sign in again with `latchkey auth`");
    case "access_denied":
      return new CliError("refused", "the sign-in was refused in the browser");
    case "expired_token":
      return new CliError("failed", "nobody approved in time", "run `latchkey auth --device` again");
    default:
      return new CliError("server", `signing in failed: ${error_description ?? error}`);
  }
}

function asLogin(host: string, { access_token, refresh_token, expires_in }: Tokens): Login {
  return {
    type: "oauth",
    host,
    api_key: access_token,
    expires_at_ms: Date.now() + expires_in * 1000,
    ...(refresh_token === undefined ? {} : { refresh_token }),
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

interface Callback {
  readonly code: string;
  /** Finishes the page that the browser waits for. */
  readonly answer: (text: string) => void;
}

/** Waits for the browser to bring the code. What carries another state is somebody else's, and is passed over. */
function waitForCallback(server: Server, state: string, issuer: string, signal: AbortSignal): Promise<Callback> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new CliError("failed", "nobody signed in within five minutes", "run the command again"));
    const timer = setTimeout(late, BROWSER_PATIENCE_MS);
    const settle = () => clearTimeout(timer);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    signal.addEventListener("abort", settle, { once: true });
    server.on("request", (request, response) => {
      const url = new URL(request.url ?? "/", "http://127.0.0.1");
      const say = (status: number, text: string) => {
        const headers = {
          "content-type": "text/plain; charset=utf-8",
          "cache-control": "no-store",
          connection: "close",
        };
        response.writeHead(status, headers).end(`${text}\n`);
      };
      if (request.method !== "GET" || url.pathname !== "/callback") return say(404, "There is nothing here.");
      const { searchParams } = url;
      const code = searchParams.get("code");
      // RFC 9207: an answer of another server must not be sent to this one.
      if (searchParams.get("state") !== state || searchParams.get("iss") !== issuer || code === null) {
        return say(400, "This is no answer to what your terminal has asked. Start again there.");
      }
      settle();
      resolve({ code, answer: (text) => say(200, text) });
    });
  });
}
