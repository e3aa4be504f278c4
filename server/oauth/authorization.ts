import { ApiError } from "../errors.ts";
import type { Parameters } from "./answer.ts";
import { findClient, isRedirectOf, type OAuthClient } from "./clients.ts";
import { grantedScope } from "./scope.ts";

/** A client's request to be let in, checked (RFC 6749, 4.1.1; RFC 7636). */
export interface AuthorizationRequest {
  readonly client: OAuthClient;
  readonly redirect_uri: string;
  readonly scope: string;
  readonly state: string | undefined;
  readonly code_challenge: string;
}

/** What travels to the page. Of the rest nothing is used, so nothing of it is taken along. */
const CARRIED = [
  "client_id",
  "redirect_uri",
  "response_type",
  "response_mode",
  "scope",
  "state",
  "code_challenge",
  "code_challenge_method",
  "resource",
  "request",
  "request_uri",
] as const;
const LONGEST = 3_000;

/** Why a request cannot be shown for consent; the page has a sentence for each. */
export type Fault = "client" | "redirect" | "request";

export class AuthorizationFault extends ApiError {
  readonly fault: Fault;

  constructor(fault: Fault, message: string) {
    super("bad_request", message);
    this.fault = fault;
  }
}

/** Checks a request. Throws what is wrong with it: a client gets no redirect with an error, see decision 0050. */
export function checkAuthorization(parameters: Parameters, public_url: string): AuthorizationRequest {
  const client = findClient(parameters.client_id);
  if (!client) throw new AuthorizationFault("client", "this server does not know the client");
  const { redirect_uri } = parameters;
  if (redirect_uri === undefined || !isRedirectOf(client, redirect_uri)) {
    throw new AuthorizationFault("redirect", `the redirect address is none of ${client.name}`);
  }
  const fault = faultOf(parameters, public_url);
  if (fault !== undefined) throw new AuthorizationFault("request", fault);
  return {
    client,
    redirect_uri,
    scope: grantedScope(parameters.scope),
    state: parameters.state,
    code_challenge: parameters.code_challenge ?? "",
  };
}

function faultOf(parameters: Parameters, public_url: string): string | undefined {
  const { response_type, response_mode, code_challenge, code_challenge_method, resource } = parameters;
  if (response_type !== "code") return "response_type must be code";
  if (response_mode !== undefined && response_mode !== "query") return "response_mode must be query";
  if (code_challenge === undefined) return "code_challenge is missing: this server asks for PKCE";
  // `plain` would hand the verifier to whoever reads the request.
  if (code_challenge_method !== "S256") return "code_challenge_method must be S256";
  if (!/^[A-Za-z0-9_-]{43}$/.test(code_challenge)) return "code_challenge is no SHA-256";
  if (parameters.request !== undefined || parameters.request_uri !== undefined) return "request objects are not taken";
  if (resource !== undefined && resource !== public_url && !resource.startsWith(`${public_url}/`)) {
    return "resource is another server's";
  }
  return undefined;
}

/** Packs a request for its way through the sign-in page and back: one text that no router reads anything into. */
export function packRequest(parameters: Parameters): string {
  const carried = CARRIED.filter((name) => parameters[name] !== undefined).map((name) => [name, parameters[name]]);
  const text = JSON.stringify(Object.fromEntries(carried));
  if (text.length > LONGEST) throw new AuthorizationFault("request", "the request is too long");
  return Buffer.from(text).toString("base64url");
}

/** Unpacks and checks anew: the text came back by the browser, where anybody may have written it. */
export function unpackRequest(packed: string, public_url: string): AuthorizationRequest {
  return checkAuthorization(parse(packed), public_url);
}

function parse(packed: string): Parameters {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(packed, "base64url").toString());
    if (typeof parsed === "object" && parsed !== null && Object.values(parsed).every((v) => typeof v === "string")) {
      return Object.assign(Object.create(null), parsed) as Parameters;
    }
  } catch {
    // Told below.
  }
  throw new AuthorizationFault("request", "the request is not as this server packed it");
}

/** Where the browser takes the code to. RFC 9207: it says whose code it is, against mixed-up servers. */
export function redirectWithCode({ redirect_uri, state }: AuthorizationRequest, code: string, issuer: string): string {
  const url = new URL(redirect_uri);
  url.searchParams.set("code", code);
  if (state !== undefined) url.searchParams.set("state", state);
  url.searchParams.set("iss", issuer);
  return url.href;
}
