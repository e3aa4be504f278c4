import { CredentialError } from "./error.ts";

/**
 * A credential is only ever sent to the host it belongs to. People have a Neon key and a Latchkey key in the
 * same shell, often under the same name `NEON_API_KEY`: one forgotten setting would hand a key of the one
 * service to the other, where it would be logged as a refused credential at best.
 */
const OURS = /^lk_[a-z]+_[0-9A-Za-z]+$/;

/** Whether a host is one of Neon's own. */
export function isNeonHost(hostname: string): boolean {
  return /(^|\.)neon\.(tech|com|build)$/i.test(hostname.replace(/\.$/, ""));
}

/** Throws unless the credential may be sent to this URL. The credential itself is never in the message. */
export function checkCredential(credential: string, url: URL): void {
  // A line break would end the header, and a space would make two words of it.
  if (!/^[\x21-\x7e]+$/.test(credential)) {
    throw new CredentialError("the API key holds a space, a line break or other characters that no key has");
  }
  const ours = OURS.test(credential);
  if (isNeonHost(url.hostname)) {
    if (!ours && !credential.startsWith("lk_")) return;
    throw new CredentialError(`this is a Latchkey key; it is not sent to ${url.hostname}, which is Neon's`);
  }
  if (ours) return;
  if (credential.startsWith("napi_")) {
    throw new CredentialError(`this is a Neon key (napi_…); it is not sent to ${url.host}, which is not Neon's`);
  }
  throw new CredentialError(`this is no Latchkey key (those begin with lk_); it is not sent to ${url.host}`);
}

/**
 * Whether this code runs where a secret cannot be kept: a page, or a worker of one. Edge runtimes and Deno
 * have some of these names too, but not `document`, and no `WorkerNavigator` together with `importScripts`.
 */
export function isBrowser(): boolean {
  const scope = globalThis as Record<string, unknown>;
  if (typeof scope.window === "object" && typeof scope.document === "object") return true;
  return typeof scope.WorkerNavigator === "function" && typeof scope.importScripts === "function";
}
