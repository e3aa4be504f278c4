import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";

const ITERATIONS = 4096;

/**
 * Computes what PostgreSQL stores in place of a password: `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`
 * (RFC 5802 section 3, RFC 7677). Given to `ALTER ROLE … PASSWORD` it is stored as it is, so the password
 * itself is in no statement, and therefore in no log and no `pg_stat_activity`.
 *
 * The password must be printable ASCII: anything else would need SASLprep, and ours are made by us.
 */
export async function scramVerifier(password: string, salt: Buffer = randomBytes(16)): Promise<string> {
  if (!/^[\x20-\x7e]+$/.test(password)) throw new TypeError("a password must be printable ASCII");
  const salted = await promisify(pbkdf2)(password, salt, ITERATIONS, 32, "sha256");
  const storedKey = createHash("sha256").update(hmac(salted, "Client Key")).digest("base64");
  const serverKey = hmac(salted, "Server Key").toString("base64");
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}

/** Whether a text is a verifier rather than a plain password, which PostgreSQL would take just as well. */
export function isScramVerifier(text: string): boolean {
  return /^SCRAM-SHA-256\$\d+:[A-Za-z0-9+/]+={0,2}\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/.test(text);
}

const hmac = (key: Buffer, text: string) => createHmac("sha256", key).update(text).digest();
