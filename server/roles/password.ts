import { randomInt } from "node:crypto";
import type { Sealer } from "../keys/seal.ts";
import { Secret } from "../keys/secret.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LENGTH = 24;

/**
 * A role's password, with Neon's prefix, which secret scanners know. 142 random bits in letters and digits
 * alone, so that it needs no escaping in a URL or a shell; ASCII, so that SCRAM needs no SASLprep.
 */
export function newRolePassword(): Secret {
  let random = "";
  for (let i = 0; i < RANDOM_LENGTH; i++) random += ALPHABET[randomInt(ALPHABET.length)];
  return new Secret(`npg_${random}`);
}

/** For the role's row: bound to branch and role, so that it opens in no other row. */
export function sealRolePassword(sealer: Sealer, password: Secret, branch_id: string, role_name: string): Buffer {
  return sealer.seal(password, purpose(branch_id, role_name));
}

export function openRolePassword(sealer: Sealer, sealed: Buffer, branch_id: string, role_name: string): Secret {
  return sealer.open(sealed, purpose(branch_id, role_name));
}

// A branch id holds no space, so no two pairs share a purpose.
const purpose = (branch_id: string, role_name: string) => `role password of ${branch_id} ${role_name}`;
