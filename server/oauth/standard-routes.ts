import type { Origin } from "../access/principal.ts";
import type { Clock } from "../clock.ts";
import type { Db } from "../db/pool.ts";
import type { StandardAnswer, StandardRequest, StandardRoute } from "../http/standard-routes.ts";
import type { Log } from "../log.ts";
import { INVALID_GRANT, type Parameters, Refusal, readParameters } from "./answer.ts";
import { AuthorizationFault, checkAuthorization, packRequest } from "./authorization.ts";
import { findClient, type OAuthClient } from "./clients.ts";
import { beginDeviceRequest } from "./device.ts";
import {
  authorizationServerMetadata,
  DEVICE_GRANT,
  OAUTH_PAGES,
  OAUTH_PATHS,
  openIdMetadata,
  protectedResourceMetadata,
} from "./metadata.ts";
import { PerNetwork } from "./per-network.ts";
import { exchangeCode, exchangeDeviceCode, exchangeRefreshToken, isJunk, revokeToken } from "./tokens.ts";

export interface StandardRouteDeps {
  readonly db: Db;
  readonly public_url: string;
  readonly clock: Clock;
  readonly log: Log;
}

const MINUTE_MS = 60_000;
/** An office behind one address has many command lines, and machines that wait ask every five seconds. */
const TOKEN_REQUESTS = { most: 600, window_ms: MINUTE_MS };
/** A client has no reason to be refused again and again; whoever guesses has. */
const REFUSALS = { most: 100, window_ms: 5 * MINUTE_MS };
/** Each leaves a row that a stranger has made. */
const DEVICE_REQUESTS = { most: 60, window_ms: 10 * MINUTE_MS };

const EXCHANGES = {
  authorization_code: exchangeCode,
  refresh_token: exchangeRefreshToken,
  [DEVICE_GRANT]: exchangeDeviceCode,
} as const;

/** An answer to a machine that is only waiting for its person is no sign of guessing. */
const HARMLESS = new Set(["authorization_pending", "slow_down", "access_denied", "expired_token"]);

/** What clients of OAuth call, in the form that they know. */
export function oauthStandardRoutes(deps: StandardRouteDeps): StandardRoute[] {
  const { db, public_url, clock, log } = deps;
  const requests = new PerNetwork(clock, TOKEN_REQUESTS);
  const refusals = new PerNetwork(clock, REFUSALS);
  const device_requests = new PerNetwork(clock, DEVICE_REQUESTS);

  const refused = (refusal: Refusal, path: string, { request_id, address }: Origin): StandardAnswer => {
    if (!HARMLESS.has(refusal.error)) {
      // Found out after judging: behind a guesser's address there may be others, with tokens that are good.
      const wait_s = refusals.wait_s(address);
      if (wait_s > 0) return tooMany(wait_s, log);
      refusals.count(address);
    }
    log.event("oauth.refused", { request_id, path, error: refusal.error, address });
    // RFC 6749, 5.2: 401 where a client tried to authenticate, which ours never do.
    return { status: refusal.error === "invalid_client" ? 401 : 400, body: bodyOf(refusal) };
  };

  /** Reads the form of an endpoint and the client that it names; counts and limits who asks. */
  const withClient =
    (
      path: string,
      limits: readonly PerNetwork[],
      answer: (client: OAuthClient, parameters: Parameters, origin: Origin) => Promise<object | Refusal>,
    ) =>
    async ({ form, authorization, origin }: StandardRequest): Promise<StandardAnswer> => {
      const wait_s = Math.max(...limits.map((limit) => limit.wait_s(origin.address)));
      if (wait_s > 0) return tooMany(wait_s, log);
      for (const limit of limits) limit.count(origin.address);
      const parameters = readParameters(form);
      if (parameters instanceof Refusal) return refused(parameters, path, origin);
      const client = findClient(parameters.client_id);
      if (!client || authorization !== undefined || parameters.client_secret !== undefined) {
        return refused(UNKNOWN_CLIENT, path, origin);
      }
      const body = await answer(client, parameters, origin);
      return body instanceof Refusal ? refused(body, path, origin) : { status: 200, body };
    };

  const metadata = (path: string, body: object): StandardRoute => ({
    method: "GET",
    path,
    run: async () => ({ status: 200, headers: { "cache-control": "public, max-age=300" }, body }),
  });

  return [
    metadata("/.well-known/openid-configuration", openIdMetadata(public_url)),
    metadata("/.well-known/oauth-authorization-server", authorizationServerMetadata(public_url)),
    metadata("/.well-known/oauth-protected-resource", protectedResourceMetadata(public_url, "")),
    // RFC 9728, 3.1: of a resource with a path, the path comes behind.
    metadata("/.well-known/oauth-protected-resource/api/v2", protectedResourceMetadata(public_url, "/api/v2")),
    metadata(OAUTH_PATHS.keys, { keys: [] }),
    {
      method: "GET",
      path: OAUTH_PATHS.authorize,
      run: async ({ query }) => ({ status: 303, headers: { location: pageFor(query, public_url) } }),
    },
    {
      method: "POST",
      path: OAUTH_PATHS.token,
      refuse: refuseForm,
      run: withClient(OAUTH_PATHS.token, [requests], async (client, parameters, origin) => {
        const { grant_type } = parameters;
        if (grant_type === undefined) return new Refusal("invalid_request", "grant_type is missing");
        if (!isGrantType(grant_type)) return new Refusal("unsupported_grant_type", "this server has no such grant");
        if (grant_type === DEVICE_GRANT && !client.device) return NO_DEVICE_FLOW;
        if (grant_type === "refresh_token" && isJunk(parameters.refresh_token, ["rt"])) return INVALID_GRANT;
        const exchange = EXCHANGES[grant_type];
        return await db.transaction().execute((tx) => exchange({ tx, client, parameters, origin }));
      }),
    },
    {
      method: "POST",
      path: OAUTH_PATHS.revoke,
      refuse: refuseForm,
      // RFC 7009, 2.2: 200 whatever the token was. The client is not asked for: see `revokeToken`.
      run: async ({ form, origin }) => {
        const wait_s = requests.wait_s(origin.address);
        if (wait_s > 0) return tooMany(wait_s, log);
        requests.count(origin.address);
        const parameters = readParameters(form);
        if (parameters instanceof Refusal) return refused(parameters, OAUTH_PATHS.revoke, origin);
        const { token } = parameters;
        if (token === undefined) {
          return refused(new Refusal("invalid_request", "token is missing"), OAUTH_PATHS.revoke, origin);
        }
        if (isJunk(token, ["at", "rt"])) return { status: 200 };
        await db.transaction().execute((tx) => revokeToken(tx, token, origin));
        return { status: 200 };
      },
    },
    {
      method: "POST",
      path: OAUTH_PATHS.device,
      refuse: refuseForm,
      run: withClient(OAUTH_PATHS.device, [device_requests], async (client, parameters, origin) => {
        if (!client.device) return NO_DEVICE_FLOW;
        return await db.transaction().execute((tx) => beginDeviceRequest(tx, client, parameters, origin, public_url));
      }),
    },
  ];
}

const UNKNOWN_CLIENT = new Refusal(
  "invalid_client",
  "client_id must name a public client of this server, and no secret",
);
const NO_DEVICE_FLOW = new Refusal("unauthorized_client", "this client may not use the device flow");

function isGrantType(text: string): text is keyof typeof EXCHANGES {
  return Object.hasOwn(EXCHANGES, text);
}

/** Always a page of ours, whatever was asked for: nothing here leads to an address out of a request. */
function pageFor(query: URLSearchParams, public_url: string): string {
  try {
    const parameters = readParameters(query);
    if (parameters instanceof Refusal) return `${OAUTH_PAGES.refused}?reason=request`;
    checkAuthorization(parameters, public_url);
    return `${OAUTH_PAGES.consent}?request=${packRequest(parameters)}`;
  } catch (error) {
    if (error instanceof AuthorizationFault) return `${OAUTH_PAGES.refused}?reason=${error.fault}`;
    throw error;
  }
}

function bodyOf({ error, description }: Refusal): object {
  return { error, error_description: description };
}

function refuseForm(message: string): object {
  return bodyOf(new Refusal("invalid_request", message));
}

function tooMany(wait_s: number, log: Log): StandardAnswer {
  log.metrics.rate_limited.inc({ limit: "oauth" });
  return {
    status: 429,
    headers: { "retry-after": String(wait_s) },
    body: { error: "temporarily_unavailable", error_description: "too many requests, slow down" },
  };
}
