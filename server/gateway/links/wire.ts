import { createHash, type X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import type { Login } from "../directory.ts";
import type { Inbox } from "../inbox.ts";

/**
 * Links: connections between the gateways of two nodes, so that a client may come in at any of them. This folder owns
 * who may open one, what is asked over it, and carrying what follows; it does not own who may connect to a compute: that
 * the first gateway has decided, with the client's own address and proof, when it asks.
 *
 * A link is TLS 1.3, both ends with a certificate of their own, each known by its digest in the database and by nothing
 * else. One question is asked over it, one answer given, as JSON behind its length. After a `session` or `cancel` that
 * was answered without a refusal come the bytes of a compute's socket.
 */
export type Question =
  /**
   * A session at a compute, which is woken for it; with a login: at its pooler, where there is one. The client has proved
   * a password; signing in follows.
   */
  | { readonly ask: "session"; readonly endpoint_id: string; readonly pooled?: Login }
  /** A cancel request to a compute or its pooler, where it runs. */
  | { readonly ask: "cancel"; readonly endpoint_id: string; readonly pooled?: Login }
  /** What a role has in place of its password, as `Directory.findVerifier`. */
  | { readonly ask: "verifier"; readonly endpoint_id: string; readonly role: string };

export type Answer =
  /** `pooled`: a pooler is at the other end. */
  | { readonly verifier?: string; readonly pooled?: true }
  /** For the client, as it is. */
  | { readonly refusal: { readonly sqlstate: string; readonly message: string } }
  /** Nobody is there to talk to at this moment: ask again. */
  | { readonly away: true };

/** Not spoken by anything else, so no other protocol's client or server can be made to take part. */
export const LINK_PROTOCOL = "latchkey-link/1";
const LONGEST = 4096;
export const AHEAD_LIMIT = 8 * 1024;

export function send(socket: Socket, message: Question | Answer): void {
  const text = Buffer.from(JSON.stringify(message));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  socket.write(Buffer.concat([length, text]));
}

/** Throws `PeerGone`, or any other error for what is no message. */
export async function receive<T extends Question | Answer>(inbox: Inbox): Promise<T> {
  const length = (await inbox.take(4)).readUInt32BE();
  if (length > LONGEST) throw new Error("a message of a link is too long");
  return JSON.parse((await inbox.take(length)).toString("utf8")) as T;
}

export const digestOf = (certificate: X509Certificate): string =>
  createHash("sha256").update(certificate.raw).digest("hex");

/** Hands the socket over as it was, with what has come beyond the message still in it. */
export function detach(socket: Socket, inbox: Inbox): void {
  const ahead = inbox.detach();
  if (ahead.length > 0) socket.unshift(ahead);
}
