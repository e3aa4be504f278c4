import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import { Secret } from "./secret.ts";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encryption at rest for the few secrets that must be read again (a role's password, a compute's
 * superuser): AES-256-GCM under the instance's secret key, which is never in the database, so that a dump
 * of it gives nothing away. The `purpose` is authenticated: a sealed value moved to another row does not open.
 */
export class Sealer {
  readonly #key: Buffer;
  readonly #cookie_secret: Secret;
  readonly #strangers_key: Buffer;
  /** Tells whether two nodes hold the same key without telling the key. */
  readonly fingerprint: string;

  constructor(secret_key: Secret) {
    const root = Buffer.from(secret_key.reveal(), "base64url");
    if (root.length !== 32) throw new Error("the secret key must be 32 bytes in base64url");
    const derive = (info: string) => Buffer.from(hkdfSync("sha256", root, "latchkey", info, 32));
    this.#key = derive("seal v1");
    this.#cookie_secret = new Secret(derive("session cookies v1").toString("base64url"));
    this.#strangers_key = derive("gateway strangers v1");
    this.fingerprint = createHash("sha256").update(derive("fingerprint v1")).digest("base64url").slice(0, 16);
  }

  /** The secret that signs session cookies. */
  cookieSecret(): Secret {
    return this.#cookie_secret;
  }

  /** What the gateway answers strangers is made of this: the same at every start and node, and known to nobody. */
  strangersKey(): Buffer {
    return this.#strangers_key;
  }

  seal(secret: Secret, purpose: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce).setAAD(Buffer.from(purpose));
    const body = Buffer.concat([cipher.update(secret.reveal(), "utf8"), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]);
  }

  /** Throws when the value was sealed under another key or for another purpose, or was tampered with. */
  open(sealed: Buffer, purpose: string): Secret {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
    const decipher = createDecipheriv("aes-256-gcm", this.#key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(purpose)).setAuthTag(tag);
    const body = decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES));
    return new Secret(Buffer.concat([body, decipher.final()]).toString("utf8"));
  }
}
