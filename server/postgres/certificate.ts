import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { generate } from "selfsigned";
import type { Clock } from "../clock.ts";
import type { Account } from "./account.ts";
import { makeOwned, writeOwned } from "./files.ts";

/** Where a server finds its certificate and its key. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const VALID_DAYS = 3650;
const RENEW_DAYS = 30;

/**
 * Makes a certificate for this machine and, where given, for a domain and all names right below it; or keeps the
 * one that is there until it has 30 days left. Self-signed: it encrypts, and lets SCRAM bind itself to the
 * connection, which needs SHA-256 or better in the signature. It lies outside of the data directories, where a
 * copy of one project's files would carry the key of all.
 */
export async function ensureCertificate(
  directory: string,
  account: Account,
  clock: Pick<Clock, "now_ms">,
  domain?: string,
): Promise<CertificateFiles> {
  await makeOwned(directory, account).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  const files = { certificate: join(directory, "server.crt"), key: join(directory, "server.key") };
  const now_ms = clock.now_ms();
  if (await isUsable(files, now_ms + RENEW_DAYS * DAY_MS, domain)) return files;
  const made = await generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    // A day earlier, for clients whose clock is slow.
    notBeforeDate: new Date(now_ms - DAY_MS),
    notAfterDate: new Date(now_ms + VALID_DAYS * DAY_MS),
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          ...(domain === undefined ? [] : [domain, `*.${domain}`].map((value) => ({ type: 2 as const, value }))),
          { type: 7, ip: "127.0.0.1" },
          { type: 7, ip: "::1" },
        ],
      },
    ],
  });
  // Key first: a certificate that is there says that its key is too, or the check below finds them unequal.
  await writeOwned(files.key, made.private, account);
  await writeOwned(files.certificate, made.cert, account);
  return files;
}

async function isUsable(files: CertificateFiles, until_ms: number, domain: string | undefined): Promise<boolean> {
  try {
    const certificate = new X509Certificate(await readFile(files.certificate));
    const fits = certificate.checkPrivateKey(createPrivateKey(await readFile(files.key)));
    const named = domain === undefined || certificate.checkHost(`any.${domain}`) !== undefined;
    return fits && named && Date.parse(certificate.validTo) > until_ms;
  } catch {
    return false;
  }
}
