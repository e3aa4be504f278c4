import { randomBytes } from "node:crypto";
import type { Sealer } from "../keys/seal.ts";
import { Secret } from "../keys/secret.ts";

/** The password of a compute's superuser, which only the control plane ever uses. 256 random bits. */
export function newAdminPassword(): Secret {
  return new Secret(randomBytes(32).toString("base64url"));
}

/**
 * For the branch's row, bound to an id that stands beside it. A clone has the superuser of what it was cloned
 * from, so all branches of a project share one password, and the row of each keeps the id of the first.
 */
export function sealAdminPassword(sealer: Sealer, password: Secret, of: string): Buffer {
  return sealer.seal(password, purpose(of));
}

export function openAdminPassword(sealer: Sealer, sealed: Buffer, of: string): Secret {
  return sealer.open(sealed, purpose(of));
}

const purpose = (of: string) => `endpoint admin password of ${of}`;
