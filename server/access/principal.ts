/**
 * Access: who is calling (authenticate), and what may they do (policy, authorize). This room reads
 * memberships and never a feature; features get its handles and never decide by themselves. It is not
 * called "auth", which is an API noun.
 */

/** Who a request comes from, once its credential has been verified. */
export type Principal =
  | { readonly kind: "anonymous" }
  | {
      readonly kind: "person";
      readonly user_id: string;
      readonly via: "session" | "key" | "oauth";
      readonly api_key_id?: number;
      readonly session_id?: string;
      readonly oauth_grant_id?: number;
    }
  | { readonly kind: "organization"; readonly org_id: string; readonly api_key_id: number }
  | { readonly kind: "project"; readonly org_id: string; readonly project_id: string; readonly api_key_id: number };

export type Person = Extract<Principal, { kind: "person" }>;

/** Where a request comes from, for the audit and for sessions. */
export interface Origin {
  readonly request_id: string;
  readonly address: string;
  readonly user_agent: string;
}

/** How a principal is told in a log line: its kind and an id that opens nothing. */
export function describePrincipal(principal: Principal): string {
  switch (principal.kind) {
    case "anonymous":
      return "anonymous";
    case "person":
      return `person:${principal.user_id}:${principal.via}`;
    case "organization":
      return `organization:${principal.org_id}:${principal.api_key_id}`;
    case "project":
      return `project:${principal.project_id}:${principal.api_key_id}`;
  }
}
