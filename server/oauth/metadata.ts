import { isOffline, SCOPES } from "./scope.ts";

/** Where clients find everything. The issuer is the public origin, to the letter: clients compare. */
export const OAUTH_PATHS = {
  authorize: "/oauth2/authorize",
  token: "/oauth2/token",
  revoke: "/oauth2/revoke",
  device: "/oauth2/device_authorization",
  keys: "/oauth2/jwks",
} as const;

/** Pages of the Console. */
export const OAUTH_PAGES = {
  consent: "/oauth/consent",
  refused: "/oauth/refused",
  device: "/oauth/device",
} as const;

export const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";

/** RFC 8414. */
export function authorizationServerMetadata(issuer: string): object {
  return {
    issuer,
    authorization_endpoint: issuer + OAUTH_PATHS.authorize,
    token_endpoint: issuer + OAUTH_PATHS.token,
    revocation_endpoint: issuer + OAUTH_PATHS.revoke,
    device_authorization_endpoint: issuer + OAUTH_PATHS.device,
    scopes_supported: SCOPES,
    response_types_supported: ["code"],
    response_modes_supported: ["query"],
    grant_types_supported: ["authorization_code", "refresh_token", DEVICE_GRANT],
    token_endpoint_auth_methods_supported: ["none"],
    revocation_endpoint_auth_methods_supported: ["none"],
    code_challenge_methods_supported: ["S256"],
    authorization_response_iss_parameter_supported: true,
    service_documentation: `${issuer}/docs`,
  };
}

/**
 * OpenID Connect Discovery 1.0, where Neon's CLI looks. The last three are there because that document must
 * have them; there are no ID tokens, and so no keys.
 */
export function openIdMetadata(issuer: string): object {
  return {
    ...authorizationServerMetadata(issuer),
    jwks_uri: issuer + OAUTH_PATHS.keys,
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
  };
}

/** RFC 9728, of the API or of the whole origin. */
export function protectedResourceMetadata(issuer: string, path: string): object {
  return {
    resource: issuer + path,
    authorization_servers: [issuer],
    scopes_supported: SCOPES,
    bearer_methods_supported: ["header"],
    resource_name: "Latchkey",
    resource_documentation: `${issuer}/docs`,
  };
}

/** The same for the API's own document. OpenAPI 3.1 has no word for the device flow, nor for PKCE. */
export function openApiSecurityScheme(issuer: string): object {
  const described = (scope: string) => [
    scope,
    isOffline(scope) ? "A refresh token" : "Known from Neon; narrows nothing",
  ];
  return {
    type: "oauth2",
    description:
      "A login from a command line: an opaque access token as `Authorization: Bearer`, with the powers of its person. " +
      "Public clients with PKCE (S256) and without a secret. The device flow, revocation and the rest are in " +
      `${issuer}/.well-known/oauth-authorization-server.`,
    flows: {
      authorizationCode: {
        authorizationUrl: issuer + OAUTH_PATHS.authorize,
        tokenUrl: issuer + OAUTH_PATHS.token,
        refreshUrl: issuer + OAUTH_PATHS.token,
        scopes: Object.fromEntries(SCOPES.map(described)),
      },
    },
  };
}
