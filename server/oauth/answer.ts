/** What the standards' own endpoints answer. */

/** A refusal in the form of RFC 6749, 5.2. Returned and not thrown: what was found out on the way is kept. */
export class Refusal {
  readonly error: OAuthError;
  /** For the developer of the client; it tells nothing that the presented secret did not. */
  readonly description: string;

  constructor(error: OAuthError, description: string) {
    this.error = error;
    this.description = description;
  }
}

export type OAuthError =
  | "invalid_request"
  | "invalid_client"
  | "invalid_grant"
  | "invalid_scope"
  | "unauthorized_client"
  | "unsupported_grant_type"
  | "authorization_pending"
  | "slow_down"
  | "access_denied"
  | "expired_token";

/** One and the same for whatever is not good about a code or token, so that guessing teaches nothing. */
export const INVALID_GRANT = new Refusal("invalid_grant", "the code or token is unknown, used, expired or revoked");

/** The parameters of a request, each of which may be there once (RFC 6749, 3.1). */
export type Parameters = Readonly<Record<string, string>>;

export function readParameters(given: URLSearchParams): Parameters | Refusal {
  const parameters: Record<string, string> = Object.create(null);
  for (const [name, value] of given) {
    if (name in parameters) return new Refusal("invalid_request", "a parameter is given twice");
    // Without a value it counts as left out.
    if (value !== "") parameters[name] = value;
  }
  return parameters;
}
