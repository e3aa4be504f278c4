import { randomBytes } from "node:crypto";
import { Secret } from "./secret.ts";
import { tokenDigest } from "./token.ts";

/**
 * The token of a one-time link: the setup link of a new instance, an invitation, a new password. 256 random bits; only the
 * digest is stored. It travels in the fragment of a URL, which browsers keep to themselves: it reaches no
 * server log, no proxy and no `Referer`.
 */
export interface OneTimeToken {
  readonly token: Secret;
  readonly digest: Buffer;
}

export function newOneTimeToken(purpose: "setup" | "invitation" | "reset"): OneTimeToken {
  const token = `lk_${purpose}_${randomBytes(32).toString("base64url")}`;
  return { token: new Secret(token), digest: tokenDigest(token) };
}
