import { constants, createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContext } from "node:tls";

/** The gateway's certificate, ready for use. */
export interface TlsIdentity {
  readonly context: SecureContext;
  /**
   * Hash of the certificate that SCRAM-SHA-256-PLUS is bound to (RFC 5929 section 4.1). Undefined where the
   * certificate's signature names no hash (Ed25519, RSA-PSS), and clients and servers disagree about which to take.
   */
  readonly end_point_hash: Buffer | undefined;
}

/** Makes an identity of PEM texts: the chain with our own certificate first, and its key. Throws when they do not fit. */
export function makeTlsIdentity(certificate: string, key: string): TlsIdentity {
  const own = new X509Certificate(certificate);
  const context = createSecureContext({
    cert: certificate,
    key,
    minVersion: "TLSv1.2",
    // Tickets are bytes that no Postgres client keeps; renegotiation is a way to make a server work.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  });
  return { context, end_point_hash: endPointHash(own) };
}

function endPointHash(certificate: X509Certificate): Buffer | undefined {
  const algorithm = certificate.signatureAlgorithm?.toLowerCase() ?? "";
  const named = /(?:^|[^a-z])(md5|sha1|sha224|sha256|sha384|sha512)(?:$|with)/.exec(algorithm)?.[1];
  if (named === undefined) return undefined;
  const hash = named === "md5" || named === "sha1" ? "sha256" : named;
  return createHash(hash).update(certificate.raw).digest();
}

/** Raised when the files cannot be read or do not fit together; the message is for a person at a terminal. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
}

/** Files with a certificate and its key, which may be replaced while we run. */
export class TlsFiles {
  readonly #paths: { readonly certificate: string; readonly key: string };
  #texts = "";
  #identity: TlsIdentity;

  private constructor(paths: { readonly certificate: string; readonly key: string }, texts: Texts) {
    this.#paths = paths;
    this.#texts = texts.join("\n");
    this.#identity = makeTlsIdentity(...texts);
  }

  /** Throws `CertificateError`. */
  static async open(paths: { readonly certificate: string; readonly key: string }): Promise<TlsFiles> {
    try {
      return new TlsFiles(paths, await readTexts(paths));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : "unknown error";
      const which = `${paths.certificate} and ${paths.key}`;
      throw new CertificateError(
        `${which} cannot be used (${why}); check LATCHKEY_PG_CERTIFICATE and LATCHKEY_PG_KEY`,
        { cause },
      );
    }
  }

  /** What new connections get. */
  get identity(): TlsIdentity {
    return this.#identity;
  }

  /**
   * Reads the files again; returns whether they were new. Connections that are open keep what they have. Throws, and
   * keeps the identity that was good, when the files are not: a renewal is caught half-way, or went wrong.
   */
  async refresh(): Promise<boolean> {
    const texts = await readTexts(this.#paths);
    if (texts.join("\n") === this.#texts) return false;
    this.#identity = makeTlsIdentity(...texts);
    this.#texts = texts.join("\n");
    return true;
  }
}

type Texts = [certificate: string, key: string];

const readTexts = (paths: { readonly certificate: string; readonly key: string }): Promise<Texts> =>
  Promise.all([readFile(paths.certificate, "utf8"), readFile(paths.key, "utf8")]);
