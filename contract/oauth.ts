import Type, { type Static } from "typebox";
import { Empty, Nullable, Timestamp } from "./common.ts";
import { contract } from "./route.ts";

/**
 * Logins of command lines through the browser, and the pages on which a person approves one. What the command
 * lines themselves call is OAuth's own (`/oauth2/...`), in the form that its standards prescribe.
 */
const tag = "OAuth";

const GrantId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

const Client = Type.Object({ id: Type.String(), name: Type.String() });

export const OAuthGrant = Type.Object({
  id: GrantId,
  client: Client,
  device_name: Type.String({ description: 'What the client called its machine, "" if it did not say.' }),
  scope: Type.String(),
  created_at: Timestamp,
  created_from_addr: Type.String(),
  expires_at: Type.String({ format: "date-time", description: "When the login ends unless it is used before." }),
  last_used_at: Nullable(Timestamp),
  last_used_from_addr: Type.String(),
  last_used_user_agent: Type.String(),
  current: Type.Boolean({ description: "Whether this request came with a token of this login." }),
});
export type OAuthGrant = Static<typeof OAuthGrant>;

export const listOAuthGrants = contract({
  id: "listOAuthGrants",
  method: "GET",
  path: "/oauth_grants",
  tag,
  summary: "List the command lines that are signed in as you, newest first",
  status: 200,
  response: Type.Object({ oauth_grants: Type.Array(OAuthGrant) }),
});

export const revokeOAuthGrant = contract({
  id: "revokeOAuthGrant",
  method: "DELETE",
  path: "/oauth_grants/{grant_id}",
  tag,
  summary: "Sign one of your command lines out",
  description: "Its tokens are refused from this answer on.",
  params: Type.Object({ grant_id: GrantId }),
  status: 200,
  response: Empty,
});

/** What a client asks for, as the page for consent shows it. */
export const OAuthRequest = Type.Object({
  client: Client,
  scope: Type.String(),
  offline: Type.Boolean({ description: "Whether the login lasts beyond its first hour." }),
});

const Request = Type.String({
  minLength: 1,
  maxLength: 4096,
  pattern: "^[A-Za-z0-9_-]+$",
  description: "The authorization request, as `/oauth2/authorize` handed it to the page.",
});

export const getOAuthAuthorization = contract({
  id: "getOAuthAuthorization",
  method: "GET",
  path: "/oauth_authorization",
  tag,
  summary: "Which client asks for what, for the page that asks for consent",
  query: Type.Object({ request: Request }),
  status: 200,
  response: Type.Object({ ...OAuthRequest.properties, redirect_host: Type.String() }),
});

export const approveOAuthAuthorization = contract({
  id: "approveOAuthAuthorization",
  method: "POST",
  path: "/oauth_authorization",
  tag,
  summary: "Let the client in",
  description: "For the Console's session alone: a key or token cannot approve a login.",
  body: Type.Object({ request: Request }, { additionalProperties: false }),
  session_only: true,
  status: 201,
  response: Type.Object({ redirect_to: Type.String({ description: "Where the browser goes next, the code in it." }) }),
  secret: true,
});

const UserCode = Type.Object({
  user_code: Type.String({
    pattern: "^[A-Za-z]{4}-?[A-Za-z]{4}$",
    description: "As the terminal shows it: BCDF-GHJK.",
  }),
});

export const getOAuthDeviceRequest = contract({
  id: "getOAuthDeviceRequest",
  method: "GET",
  path: "/oauth_device_requests/{user_code}",
  tag,
  summary: "Which machine waits for approval under a code",
  params: UserCode,
  status: 200,
  response: Type.Object({
    ...OAuthRequest.properties,
    user_code: Type.String(),
    device_name: Type.String(),
    address: Type.String({ description: "Where the request came from." }),
    user_agent: Type.String(),
    created_at: Timestamp,
    expires_at: Timestamp,
  }),
});

export const approveOAuthDeviceRequest = contract({
  id: "approveOAuthDeviceRequest",
  method: "POST",
  path: "/oauth_device_requests/{user_code}/approve",
  tag,
  summary: "Let the machine in that shows this code",
  description: "For the Console's session alone: a key or token cannot approve a login.",
  params: UserCode,
  session_only: true,
  status: 200,
  response: Empty,
});

export const denyOAuthDeviceRequest = contract({
  id: "denyOAuthDeviceRequest",
  method: "POST",
  path: "/oauth_device_requests/{user_code}/deny",
  tag,
  summary: "Refuse the machine that shows this code",
  description: "For the Console's session alone: a key or token cannot judge a login.",
  params: UserCode,
  session_only: true,
  status: 200,
  response: Empty,
});
