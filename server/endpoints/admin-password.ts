import { randomBytes } from "node:crypto";
import type { Sealer } from "../keys/seal.ts";
import { Secret } from "../keys/secret.ts";

/** The password of a compute's superuser, which only the control plane ever uses. 256 random bits. */
export function newAdminPassword(): Secret {
  return new Secret(randomBytes(32).toString("base64url"));
}

/** For the endpoint's row: bound to the endpoint, so that it opens in no other row. */
export function sealAdminPassword(sealer: Sealer, password: Secret, endpoint_id: string): Buffer {
  return sealer.seal(password, purpose(endpoint_id));
}

export function openAdminPassword(sealer: Sealer, sealed: Buffer, endpoint_id: string): Secret {
  return sealer.open(sealed, purpose(endpoint_id));
}

const purpose = (endpoint_id: string) => `endpoint admin password of ${endpoint_id}`;
