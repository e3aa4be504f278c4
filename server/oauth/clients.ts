/**
 * The authorization server: how a command line is let in as a person (RFC 6749 with PKCE, 7009, 8252, 8414,
 * 8628, 9728). This folder owns clients, codes, logins and their tokens, and nobody's password: that the person
 * is who they are is the Console's session (`sessions/`), and the pages are the Console's. What an access token
 * may do is `access/policy.ts`. Why it is our own is decision 0050.
 */

/** Known to every server of this release; there is no registration. All are public: none can keep a secret. */
export interface OAuthClient {
  readonly id: string;
  readonly name: string;
  /** Path on a loopback address where the client listens, on whatever port it got (RFC 8252, 7.3). */
  readonly redirect_path: string;
  /** Whether it may use the device flow. */
  readonly device: boolean;
}

const CLIENTS: readonly OAuthClient[] = [
  { id: "neonctl", name: "Neon CLI", redirect_path: "/callback", device: false },
  { id: "latchkey", name: "Latchkey CLI", redirect_path: "/callback", device: true },
];

export function findClient(id: string | undefined): OAuthClient | undefined {
  return CLIENTS.find((client) => client.id === id);
}

/** How a client is called; one that a later release has dropped is called by its id. */
export function describeClient(id: string): { id: string; name: string } {
  return { id, name: findClient(id)?.name ?? id };
}

/**
 * Whether a client listens there. Compared as text with the one form that is right: two readers of URLs that
 * understand one address differently are how codes get to strangers. "localhost" is not among them, for it may
 * resolve to another machine (RFC 8252, 8.3).
 */
export function isRedirectOf(client: OAuthClient, uri: string): boolean {
  const port = /^http:\/\/(?:127\.0\.0\.1|\[::1\]):([1-9][0-9]{0,4})\//.exec(uri)?.[1];
  if (port === undefined || Number(port) > 65_535) return false;
  return (
    uri === `http://127.0.0.1:${port}${client.redirect_path}` || uri === `http://[::1]:${port}${client.redirect_path}`
  );
}
