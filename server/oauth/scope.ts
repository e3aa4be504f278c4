/** Scopes. They do not narrow: a login has its person's powers, and the consent page says so. */

/** Asks for a refresh token; the second is Neon's older word for it. */
const OFFLINE = ["offline_access", "offline"];

/** Neon's, as its CLI asks for them. `openid` is missing on purpose: there are no ID tokens. */
export const SCOPES: readonly string[] = [
  ...OFFLINE,
  ...["create", "read", "update", "delete"].map((verb) => `urn:neoncloud:projects:${verb}`),
  ...["create", "read", "update", "delete", "permission"].map((verb) => `urn:neoncloud:orgs:${verb}`),
];

/** What of a request's scope is granted: the known words, once each. Unknown ones are dropped (RFC 6749, 3.3). */
export function grantedScope(asked: string | undefined): string {
  const words = new Set((asked ?? "").split(" "));
  return SCOPES.filter((scope) => words.has(scope)).join(" ");
}

export function isOffline(scope: string): boolean {
  return scope.split(" ").some((word) => OFFLINE.includes(word));
}

/** Whether every word of what is asked for now was granted then (RFC 6749, 6). */
export function isWithin(asked: string, granted: string): boolean {
  const words = granted.split(" ");
  return asked.split(" ").every((word) => word === "" || words.includes(word));
}
