import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContext } from "node:tls";
import type { CertificateFiles } from "../../postgres/certificate.ts";
import { digestOf } from "./wire.ts";

/** What a node shows to others: for links alone, and never shown to a client. */
export interface LinkIdentity {
  readonly context: SecureContext;
  readonly digest: string;
}

export async function readLinkIdentity(files: CertificateFiles): Promise<LinkIdentity> {
  const [cert, key] = await Promise.all([readFile(files.certificate, "utf8"), readFile(files.key, "utf8")]);
  return {
    context: createSecureContext({ cert, key, minVersion: "TLSv1.3" }),
    digest: digestOf(new X509Certificate(cert)),
  };
}
