import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { SQLSTATE, WireError } from "./wire.ts";

/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677, RFC 5929 tls-server-end-point): the server's side
 * towards a client, and the client's side towards a compute without the password.
 *
 * Whoever has proved the password to us has thereby told us ClientKey: proof XOR signature. A compute that stores
 * the same verifier asks for nothing more, so we pass the proof on, and no password is ever in this process.
 */

export const SCRAM = "SCRAM-SHA-256";
export const SCRAM_PLUS = "SCRAM-SHA-256-PLUS";
const BINDING = "p=tls-server-end-point,,";

/** What a server stores in place of a password. */
export interface Verifier {
  readonly iterations: number;
  /** Base64, as it is sent. */
  readonly salt: string;
  readonly stored_key: Buffer;
  readonly server_key: Buffer;
}

/** Reads `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`; undefined for anything else, such as an MD5 hash. */
export function parseVerifier(text: string): Verifier | undefined {
  const match = /^SCRAM-SHA-256\$(\d{1,9}):([A-Za-z0-9+/]+={0,2})\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)$/.exec(
    text,
  );
  if (!match) return undefined;
  const [, iterations = "", salt = "", stored_key = "", server_key = ""] = match;
  return {
    iterations: Number(iterations),
    salt,
    stored_key: Buffer.from(stored_key, "base64"),
    server_key: Buffer.from(server_key, "base64"),
  };
}

/**
 * The verifier of somebody who does not exist, the same at every try and at every node: a salt that changed from
 * try to try would tell that the endpoint or the role is none. No password fits it.
 */
export function mockVerifier(mock_key: Buffer, endpoint_id: string, role: string): Verifier {
  const salt = createHmac("sha256", mock_key).update(`${endpoint_id}\0${role}`).digest();
  return {
    iterations: 4096,
    salt: salt.subarray(0, 16).toString("base64"),
    stored_key: randomBytes(32),
    server_key: randomBytes(32),
  };
}

/** What is known once a client has proved its password. `client_key` signs in as the role: wipe it after use. */
export interface Proven {
  readonly server_final: string;
  readonly client_key: Buffer;
  readonly server_key: Buffer;
  readonly salt: string;
}

export interface ScramServerOptions {
  readonly verifier: Verifier;
  /** False for a mock: the exchange takes its course and fails. */
  readonly exists: boolean;
  /** Hash of our certificate (`tls-server-end-point`); absent where -PLUS cannot be offered. */
  readonly binding: Buffer | undefined;
  /** For tests with the RFC's exchange. */
  readonly nonce?: string;
}

/** One exchange, the server's side. */
export class ScramServer {
  readonly #options: ScramServerOptions;
  #client_first_bare = "";
  #server_first = "";
  #nonce = "";
  #gs2_header = "";

  constructor(options: ScramServerOptions) {
    this.#options = options;
  }

  mechanisms(): readonly string[] {
    return this.#options.binding ? [SCRAM_PLUS, SCRAM] : [SCRAM];
  }

  /** Takes the client-first-message, returns the server-first-message. Throws `WireError`. */
  start(mechanism: string, client_first: string): string {
    if (!this.mechanisms().includes(mechanism)) {
      throw new WireError(SQLSTATE.protocol_violation, "client selected an invalid SASL authentication mechanism");
    }
    const match = /^(n|y|p=[A-Za-z0-9.-]+),(a=[^,]*)?,(n=[^,]*,r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/s.exec(client_first);
    if (!match) throw malformed();
    const [, flag = "", authzid, bare = "", client_nonce = ""] = match;
    if (authzid !== undefined) {
      throw new WireError(
        SQLSTATE.feature_not_supported,
        "client uses authorization identity, but it is not supported",
      );
    }
    this.#checkBindingFlag(mechanism, flag);
    this.#gs2_header = `${flag},,`;
    this.#client_first_bare = bare;
    this.#nonce = client_nonce + (this.#options.nonce ?? randomBytes(18).toString("base64"));
    const { salt, iterations } = this.#options.verifier;
    this.#server_first = `r=${this.#nonce},s=${salt},i=${iterations}`;
    return this.#server_first;
  }

  /**
   * `y` says: I can bind to the channel, but you do not offer it. Where we did offer it, somebody between us has
   * taken the offer out (RFC 5802 section 6): a downgrade attack.
   */
  #checkBindingFlag(mechanism: string, flag: string): void {
    if (mechanism === SCRAM_PLUS) {
      if (`${flag},,` !== BINDING) throw malformed();
    } else if (flag === "y" && this.#options.binding) {
      throw new WireError(
        SQLSTATE.invalid_authorization,
        "SCRAM channel binding negotiation error: the client supports channel binding but thinks the server does not, which it does",
      );
    } else if (flag !== "n" && flag !== "y") {
      throw malformed();
    }
  }

  /** Takes the client-final-message; undefined when the password is wrong. Throws `WireError` where the form is. */
  finish(client_final: string): Proven | undefined {
    const { verifier, exists, binding } = this.#options;
    const match = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[^,]+)*?),p=([A-Za-z0-9+/]{43}=)$/s.exec(
      client_final,
    );
    if (!match || this.#server_first === "") throw malformed();
    const [, without_proof = "", channel = "", nonce = "", proof = ""] = match;
    const data = this.#gs2_header === BINDING ? (binding ?? Buffer.alloc(0)) : Buffer.alloc(0);
    const expected = Buffer.concat([Buffer.from(this.#gs2_header), data]).toString("base64");
    if (!equal(channel, expected)) {
      throw new WireError(SQLSTATE.invalid_authorization, "SCRAM channel binding check failed");
    }
    if (!equal(nonce, this.#nonce))
      throw new WireError(SQLSTATE.protocol_violation, "invalid SCRAM response: nonce does not match");
    const message = `${this.#client_first_bare},${this.#server_first},${without_proof}`;
    const signature = hmac(verifier.stored_key, message);
    const client_key = xor(Buffer.from(proof, "base64"), signature);
    const right = timingSafeEqual(sha256(client_key), verifier.stored_key);
    const server_final = `v=${hmac(verifier.server_key, message).toString("base64")}`;
    if (!(right && exists)) {
      client_key.fill(0);
      return undefined;
    }
    return { server_final, client_key, server_key: verifier.server_key, salt: verifier.salt };
  }
}

/** Raised when a compute no longer has the verifier that the client proved itself against. */
export class VerifierChanged extends Error {
  override readonly name = "VerifierChanged";
}

/** One exchange, the client's side, with the keys that another exchange has shown instead of the password. */
export class ScramRelay {
  readonly #keys: Pick<Proven, "client_key" | "server_key" | "salt">;
  readonly #nonce: string;
  #server_signature: Buffer | undefined;

  constructor(keys: Pick<Proven, "client_key" | "server_key" | "salt">, nonce = randomBytes(18).toString("base64")) {
    this.#keys = keys;
    this.#nonce = nonce;
  }

  /** PostgreSQL takes the role from the startup message, and not from here. */
  first(): string {
    return `n,,${this.#bare()}`;
  }

  /** Takes the server-first-message, returns the client-final-message. */
  respond(server_first: string): string {
    const match = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=(\d+)$/.exec(server_first);
    const [, nonce = "", salt] = match ?? [];
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) throw malformed();
    // With another salt our keys are those of another password, or of the same one set once more.
    if (salt !== this.#keys.salt) throw new VerifierChanged("the role has another verifier");
    const without_proof = `c=biws,r=${nonce}`;
    const message = `${this.#bare()},${server_first},${without_proof}`;
    const signature = hmac(sha256(this.#keys.client_key), message);
    this.#server_signature = hmac(this.#keys.server_key, message);
    return `${without_proof},p=${xor(this.#keys.client_key, signature).toString("base64")}`;
  }

  /** Whether the server-final-message comes from one who has the verifier, too. */
  isServerProven(server_final: string): boolean {
    const signature = Buffer.from(/^v=([A-Za-z0-9+/]{43}=)$/.exec(server_final)?.[1] ?? "", "base64");
    const expected = this.#server_signature;
    return expected !== undefined && signature.length === expected.length && timingSafeEqual(signature, expected);
  }

  #bare(): string {
    return `n=,r=${this.#nonce}`;
  }
}

const malformed = () => new WireError(SQLSTATE.protocol_violation, "malformed SCRAM message");
const hmac = (key: Buffer, text: string) => createHmac("sha256", key).update(text).digest();
const sha256 = (data: Buffer) => createHash("sha256").update(data).digest();

function xor(a: Buffer, b: Buffer): Buffer {
  const out = Buffer.alloc(a.length);
  for (let at = 0; at < a.length; at++) out[at] = (a[at] ?? 0) ^ (b[at] ?? 0);
  return out;
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
