import { timingSafeEqual } from "node:crypto";
import { authorize } from "../access/authorize.ts";
import type { Origin, Principal } from "../access/principal.ts";
import { insertAuditEvent } from "../audit/store.ts";
import type { Tx } from "../db/pool.ts";
import { newToken, parseToken, type TokenKind, tokenDigest } from "../keys/token.ts";
import { INVALID_GRANT, type Parameters, Refusal } from "./answer.ts";
import type { OAuthClient } from "./clients.ts";
import { isOffline, isWithin } from "./scope.ts";
import {
  ACCESS_TOKEN_SECONDS,
  endGrant,
  findLiveGrantOfToken,
  insertGrant,
  insertTokens,
  lockCode,
  lockDeviceRequest,
  lockRefreshToken,
  type NewGrant,
  notePoll,
  replaceRefreshToken,
  useCode,
  useDeviceRequest,
} from "./store.ts";

/** RFC 6749, 5.1. `expires_in` is always there: without it Neon's CLI refreshes before every command. */
export interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: "Bearer";
  readonly expires_in: number;
  readonly refresh_token?: string;
  readonly scope: string;
}

/**
 * One exchange: what is presented for tokens. Each function runs in a transaction of its own that is committed
 * with a refusal too, for a refusal may be the end of a login, and its audit row.
 */
export interface Exchange {
  readonly tx: Tx;
  readonly client: OAuthClient;
  readonly parameters: Parameters;
  readonly origin: Origin;
}

/** Two refreshes at once are two commands of one person; the second comes within this time. */
const GRACE_SECONDS = 30;
/** RFC 8628, 3.5: so much longer for a machine that asks too often. */
const SLOW_DOWN_SECONDS = 5;
/** Packets do not arrive as evenly as they are sent. */
const POLL_TOLERANCE_SECONDS = 1;
const TEXT_LENGTH = 256;

/** RFC 6749, 4.1.3 and RFC 7636, 4.5. */
export async function exchangeCode({ tx, client, parameters, origin }: Exchange): Promise<TokenAnswer | Refusal> {
  const { code, code_verifier, redirect_uri } = parameters;
  if (code === undefined) return new Refusal("invalid_request", "code is missing");
  if (code_verifier === undefined) return new Refusal("invalid_request", "code_verifier is missing");
  const digest = tokenDigest(code);
  const found = await lockCode(tx, digest);
  if (!found) return INVALID_GRANT;
  if (found.used_at !== null) {
    // Two have held this code; which of them is the thief cannot be known (RFC 6749, 10.5).
    await endStolen({ tx, origin }, found.grant_id, found.user_id, "code_reuse");
    return INVALID_GRANT;
  }
  if (!found.is_fresh) return INVALID_GRANT;
  const proven =
    found.client_id === client.id &&
    found.redirect_uri === redirect_uri &&
    isVerifierOf(code_verifier, found.code_challenge);
  if (!proven) {
    // Somebody holds the code who did not ask for it: it must not be tried again with a better guess.
    await useCode(tx, digest, null);
    await recordUnknown({ tx, origin }, "oauth_code.burn", found.user_id, `oauth_client:${found.client_id}`);
    return INVALID_GRANT;
  }
  const { user_id, scope } = found;
  const grant_id = await beginLogin({ tx, origin }, { user_id, client_id: client.id, scope }, parameters.device_name);
  await useCode(tx, digest, grant_id);
  return await issueTokens(tx, grant_id, scope);
}

/** RFC 6749, 6, with rotation (RFC 9700, 4.14.2). */
export async function exchangeRefreshToken({
  tx,
  client,
  parameters,
  origin,
}: Exchange): Promise<TokenAnswer | Refusal> {
  const { refresh_token, scope } = parameters;
  if (refresh_token === undefined) return new Refusal("invalid_request", "refresh_token is missing");
  const digest = tokenDigest(refresh_token);
  const found = await lockRefreshToken(tx, digest);
  if (!found?.grant.is_live || found.grant.client_id !== client.id) return INVALID_GRANT;
  const { grant, replaced_seconds } = found;
  if (replaced_seconds !== null && replaced_seconds > GRACE_SECONDS) {
    // Its owner has had a newer one for long: this is a copy, in whoever's hands. The login ends, and no other.
    await endStolen({ tx, origin }, grant.id, grant.user_id, "replay");
    return INVALID_GRANT;
  }
  if (scope !== undefined && !isWithin(scope, grant.scope)) {
    return new Refusal("invalid_scope", "this login was not granted that scope");
  }
  await replaceRefreshToken(tx, digest);
  return await issueTokens(tx, grant.id, grant.scope);
}

/** RFC 8628, 3.4 and 3.5. */
export async function exchangeDeviceCode({ tx, client, parameters, origin }: Exchange): Promise<TokenAnswer | Refusal> {
  const { device_code } = parameters;
  if (device_code === undefined) return new Refusal("invalid_request", "device_code is missing");
  const digest = tokenDigest(device_code);
  const found = await lockDeviceRequest(tx, digest);
  if (!found || found.client_id !== client.id || found.status === "used") return INVALID_GRANT;
  if (!found.is_fresh) return new Refusal("expired_token", "nobody approved in time; begin again");
  const { interval_seconds, polled_seconds, status, user_id } = found;
  if (polled_seconds !== null && polled_seconds < interval_seconds - POLL_TOLERANCE_SECONDS) {
    await notePoll(tx, digest, interval_seconds + SLOW_DOWN_SECONDS);
    return new Refusal("slow_down", `wait ${interval_seconds + SLOW_DOWN_SECONDS} seconds between two requests`);
  }
  await notePoll(tx, digest, interval_seconds);
  if (status === "denied") return new Refusal("access_denied", "the person has refused");
  if (status !== "approved" || user_id === null) return new Refusal("authorization_pending", "nobody has approved yet");
  const { scope, device_name } = found;
  const grant_id = await beginLogin({ tx, origin }, { user_id, client_id: client.id, scope }, device_name);
  await useDeviceRequest(tx, digest);
  return await issueTokens(tx, grant_id, scope);
}

/**
 * RFC 7009: ends the login that a token belongs to, so that its access tokens die too. Whoever holds a token
 * may end it, whatever client it is of; nothing is told of a token that is none.
 */
export async function revokeToken(tx: Tx, token: string, origin: Origin): Promise<void> {
  const found = await findLiveGrantOfToken(tx, tokenDigest(token));
  if (!found || !(await endGrant(tx, found.grant_id, "revoked"))) return;
  await recordAsLogin({ tx, origin }, "oauth_grant.revoke", found.user_id, found.grant_id);
}

/** Whether a text is no token of these kinds by its form or checksum, which costs no query to find out. */
export function isJunk(text: string | undefined, kinds: readonly TokenKind[]): boolean {
  if (text === undefined) return false;
  const parsed = parseToken(text);
  return "malformed" in parsed || !kinds.includes(parsed.kind);
}

interface Here {
  readonly tx: Tx;
  readonly origin: Origin;
}

async function beginLogin(
  here: Here,
  login: Pick<NewGrant, "user_id" | "client_id" | "scope">,
  device_name: string | undefined,
): Promise<number> {
  const { tx, origin } = here;
  const grant_id = await insertGrant(tx, {
    ...login,
    device_name: readDeviceName(device_name),
    created_from_addr: origin.address,
    created_user_agent: origin.user_agent.slice(0, TEXT_LENGTH),
  });
  await recordAsLogin(here, "oauth_grant.create", login.user_id, grant_id);
  return grant_id;
}

async function issueTokens(tx: Tx, grant_id: number, scope: string): Promise<TokenAnswer> {
  const access = newToken("at");
  const refresh = isOffline(scope) ? newToken("rt") : undefined;
  await insertTokens(tx, grant_id, access.digest, refresh?.digest);
  return {
    access_token: access.token.reveal(),
    token_type: "Bearer",
    expires_in: ACCESS_TOKEN_SECONDS,
    ...(refresh ? { refresh_token: refresh.token.reveal() } : {}),
    scope,
  };
}

function isVerifierOf(verifier: string, challenge: string): boolean {
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier)) return false;
  const given = tokenDigest(verifier);
  const asked = Buffer.from(challenge, "base64url");
  return given.length === asked.length && timingSafeEqual(given, asked);
}

async function endStolen(here: Here, grant_id: number | null, user_id: string, reason: "replay" | "code_reuse") {
  if (grant_id === null || !(await endGrant(here.tx, grant_id, reason))) return;
  await recordUnknown(here, `oauth_grant.end_on_${reason}`, user_id, `oauth_grant:${grant_id}`);
}

/** What the client called its machine: an extension of ours that others leave out. Anybody may have written it. */
export function readDeviceName(given: string | undefined): string {
  return (given ?? "").replaceAll(/\p{C}/gu, "").slice(0, 64);
}

/** The audit row of something that a client did with what a person gave it. */
async function recordAsLogin({ tx, origin }: Here, action: string, user_id: string, grant_id: number): Promise<void> {
  const principal: Principal = { kind: "person", user_id, via: "oauth", oauth_grant_id: grant_id };
  const access = await authorize(tx, principal, origin, { on: "person", action: "oauth_grant.create" });
  await insertAuditEvent(access, action, { subject: `oauth_grant:${grant_id}` });
}

/** The audit row of what somebody tried who may be anybody; it names the person it was tried on. */
async function recordUnknown({ tx, origin }: Here, action: string, user_id: string, subject: string): Promise<void> {
  const access = await authorize(tx, { kind: "anonymous" }, origin, { on: "caller", action: "oauth_token.request" });
  await insertAuditEvent(access, action, { subject, user_id });
}
