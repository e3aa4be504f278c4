import { randomBytes } from "node:crypto";
import * as contract from "@latchkey/contract/oauth.ts";
import type { PersonAccess } from "../access/handles.ts";
import type { Clock } from "../clock.ts";
import { ApiError } from "../errors.ts";
import { tokenDigest } from "../keys/token.ts";
import { type Route, route } from "../route.ts";
import { redirectWithCode, unpackRequest } from "./authorization.ts";
import { describeClient } from "./clients.ts";
import { readUserCode, showUserCode } from "./device.ts";
import { PerNetwork } from "./per-network.ts";
import { isOffline } from "./scope.ts";
import { endOwnGrant, findWaitingRequest, insertCode, judgeDeviceRequest, listGrants } from "./store.ts";

export interface OAuthRouteDeps {
  readonly public_url: string;
  readonly clock: Clock;
}

/** User codes are short. So many wrong ones in so long, then no more for a while. */
const WRONG_CODES = { most: 20, window_ms: 10 * 60 * 1000 };

export function oauthRoutes({ public_url, clock }: OAuthRouteDeps): Route[] {
  const wrong_codes = new PerNetwork(clock, WRONG_CODES);

  /** Finds what waits under a code; looking for one that is not there is slowed down (RFC 8628, 5.1). */
  const getWaiting = async (access: PersonAccess, typed: string, lock: boolean) => {
    const { user_id } = access;
    if (wrong_codes.wait_s(user_id) > 0) {
      const headers = { "retry-after": String(wrong_codes.wait_s(user_id)) };
      throw new ApiError("rate_limited", "too many wrong codes, wait a few minutes", { headers });
    }
    const found = await findWaitingRequest(access, readUserCode(typed), lock);
    if (found) return found;
    wrong_codes.count(user_id);
    throw new ApiError("not_found", "no machine waits under this code; it may have expired");
  };

  return [
    route(contract.listOAuthGrants, {
      requires: { on: "person", action: "oauth_grant.list" },
      run: async (access) => ({ oauth_grants: await listGrants(access) }),
    }),
    route(contract.revokeOAuthGrant, {
      requires: { on: "person", action: "oauth_grant.revoke" },
      run: async (access, { params: { grant_id } }) => {
        if (!(await endOwnGrant(access, grant_id))) throw new ApiError("not_found", "login not found");
        return {};
      },
      audit: ({ params }) => ({ subject: `oauth_grant:${params.grant_id}` }),
    }),

    route(contract.getOAuthAuthorization, {
      requires: { on: "person", action: "oauth_request.read" },
      run: async (_, { query }) => {
        const { client, scope, redirect_uri } = unpackRequest(query.request, public_url);
        const redirect_host = new URL(redirect_uri).host;
        return { client: describeClient(client.id), scope, offline: isOffline(scope), redirect_host };
      },
    }),
    route(contract.approveOAuthAuthorization, {
      requires: { on: "person", action: "oauth_request.approve" },
      run: async (access, { body }) => {
        requireSession(access);
        const request = unpackRequest(body.request, public_url);
        const { client, redirect_uri, scope, code_challenge } = request;
        const code = randomBytes(32).toString("base64url");
        const code_digest = tokenDigest(code);
        await insertCode(access, { code_digest, client_id: client.id, redirect_uri, scope, code_challenge });
        return { redirect_to: redirectWithCode(request, code, public_url) };
      },
      audit: ({ body }) => ({ subject: `oauth_client:${unpackRequest(body.request, public_url).client.id}` }),
    }),

    route(contract.getOAuthDeviceRequest, {
      requires: { on: "person", action: "oauth_request.read" },
      run: async (access, { params }) => {
        const { client_id, user_code, scope, ...found } = await getWaiting(access, params.user_code, false);
        return {
          ...found,
          client: describeClient(client_id),
          scope,
          offline: isOffline(scope),
          user_code: showUserCode(user_code),
        };
      },
    }),
    route(contract.approveOAuthDeviceRequest, {
      requires: { on: "person", action: "oauth_request.approve" },
      run: async (access, { params }) => {
        requireSession(access);
        const { user_code } = await getWaiting(access, params.user_code, true);
        await judgeDeviceRequest(access, user_code, "approved");
        return {};
      },
      audit: ({ params }) => ({ subject: `oauth_device_request:${readUserCode(params.user_code)}` }),
    }),
    route(contract.denyOAuthDeviceRequest, {
      requires: { on: "person", action: "oauth_request.deny" },
      run: async (access, { params }) => {
        requireSession(access);
        const { user_code } = await getWaiting(access, params.user_code, true);
        await judgeDeviceRequest(access, user_code, "denied");
        return {};
      },
      audit: ({ params }) => ({ subject: `oauth_device_request:${readUserCode(params.user_code)}` }),
    }),
  ];
}

/** Consent is a person in front of our page: a key or a token that leaked must not let further clients in. */
function requireSession(access: PersonAccess): void {
  if (access.principal.via !== "session") {
    throw new ApiError("forbidden", "a login is approved in the Console, by a person who is signed in there");
  }
}
