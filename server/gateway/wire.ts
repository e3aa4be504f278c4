/**
 * The gateway: the way into every compute for clients of Postgres. This folder owns TLS, SCRAM, routing to an
 * endpoint, waking it, and carrying bytes. It does not own what an endpoint or a role is (`directory.ts` says what it
 * must be told), nor when a compute sleeps (it only says who uses it).
 *
 * This file: the few messages of the Postgres protocol that a gateway must read or write itself
 * (https://www.postgresql.org/docs/current/protocol-message-formats.html). Pure, and total over any bytes: whatever
 * arrives parses or throws `WireError`.
 */

const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const MAJOR = 3;
/** 3.2 (PostgreSQL 18) differs from 3.0 by longer cancel keys alone; 3.1 was never spoken. */
const NEWEST_MINOR = 2;
/** As in PostgreSQL (`MAX_STARTUP_PACKET_LENGTH`). */
export const LONGEST_FIRST_PACKET = 10_000;
const LONGEST_CANCEL_SECRET = 256;

/** An SQLSTATE and a sentence, for the client to see. */
export class WireError extends Error {
  readonly sqlstate: string;
  readonly hint: string | undefined;

  constructor(sqlstate: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "WireError";
    this.sqlstate = sqlstate;
    this.hint = options.hint;
  }
}

/** SQLSTATEs that the gateway itself answers with. */
export const SQLSTATE = {
  protocol_violation: "08P01",
  feature_not_supported: "0A000",
  invalid_authorization: "28000",
  invalid_password: "28P01",
  too_many_connections: "53300",
  configuration_limit_exceeded: "53400",
  admin_shutdown: "57P01",
  crash_shutdown: "57P02",
  cannot_connect_now: "57P03",
} as const;

/** What a client asks for in `StartupMessage`. */
export interface Startup {
  readonly kind: "startup";
  /** Minor version to go on with. */
  readonly minor: number;
  /** In the order given; of a name given twice the last value counts, as in PostgreSQL. `_pq_.` options are not among them. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Set when the client must be told of a lower version or of options that are not known. */
  readonly negotiate: { readonly unknown_options: readonly string[] } | undefined;
}

export interface CancelKey {
  readonly pid: number;
  readonly secret: Buffer;
}

export type FirstPacket =
  | { readonly kind: "ssl_request" }
  | { readonly kind: "gssenc_request" }
  | { readonly kind: "cancel"; readonly key: CancelKey }
  | Startup;

/** Reads the length word of a packet that has no type; throws before anything of that length is awaited. */
export function firstPacketLength(head: Buffer): number {
  const length = head.readInt32BE(0);
  if (length < 8 || length > LONGEST_FIRST_PACKET) {
    throw new WireError(SQLSTATE.protocol_violation, "invalid length of startup packet");
  }
  return length;
}

/** Parses a packet that has no type, its length word included. */
export function parseFirstPacket(packet: Buffer): FirstPacket {
  if (packet.length < 8 || firstPacketLength(packet) !== packet.length) {
    throw new WireError(SQLSTATE.protocol_violation, "invalid length of startup packet");
  }
  const code = packet.readInt32BE(4);
  if (code === SSL_REQUEST || code === GSSENC_REQUEST) {
    if (packet.length !== 8) throw new WireError(SQLSTATE.protocol_violation, "invalid length of startup packet");
    return { kind: code === SSL_REQUEST ? "ssl_request" : "gssenc_request" };
  }
  if (code === CANCEL_REQUEST) {
    const secret = packet.subarray(12);
    if (packet.length < 13 || secret.length > LONGEST_CANCEL_SECRET) {
      throw new WireError(SQLSTATE.protocol_violation, "invalid length of cancel request packet");
    }
    return { kind: "cancel", key: { pid: packet.readInt32BE(8), secret } };
  }
  return parseStartup(packet, code);
}

function parseStartup(packet: Buffer, version: number): Startup {
  const [major, minor] = [version >>> 16, version & 0xffff];
  if (major !== MAJOR) {
    throw new WireError(
      SQLSTATE.feature_not_supported,
      `unsupported frontend protocol ${major}.${minor}: server supports 3.0 to 3.${NEWEST_MINOR}`,
    );
  }
  const parameters = new Map<string, string>();
  const unknown_options: string[] = [];
  let at = 8;
  const text = (): string | undefined => {
    const end = packet.indexOf(0, at);
    if (end < 0) return undefined;
    const value = packet.toString("utf8", at, end);
    at = end + 1;
    return value;
  };
  for (;;) {
    const name = text();
    if (name === "" && at === packet.length) break;
    const value = name ? text() : undefined;
    if (name === undefined || value === undefined) {
      const message = "invalid startup packet layout: expected terminator as last byte";
      throw new WireError(SQLSTATE.protocol_violation, message);
    }
    if (name.startsWith("_pq_.")) unknown_options.push(name);
    else parameters.set(name, value);
  }
  if (!parameters.get("user")) {
    throw new WireError(SQLSTATE.invalid_authorization, "no PostgreSQL user name specified in startup packet");
  }
  const negotiate = minor > NEWEST_MINOR || unknown_options.length > 0 ? { unknown_options } : undefined;
  return { kind: "startup", minor: Math.min(minor, NEWEST_MINOR), parameters, negotiate };
}

/** A message with a type, as both sides send them after the start. */
export interface Message {
  /** One ASCII character. */
  readonly type: string;
  readonly body: Buffer;
}

/** Reads type and length of a message; returns the length of its body. */
export function messageBodyLength(head: Buffer, longest: number): number {
  const length = head.readInt32BE(1) - 4;
  if (length < 0 || length > longest) throw new WireError(SQLSTATE.protocol_violation, "invalid message length");
  return length;
}

export function encodeMessage(type: string, ...parts: (Buffer | string)[]): Buffer {
  const body = parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part));
  const length = body.reduce((sum, part) => sum + part.length, 4);
  const head = Buffer.alloc(5);
  head.write(type, 0, 1, "latin1");
  head.writeInt32BE(length, 1);
  return Buffer.concat([head, ...body]);
}

const int32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeInt32BE(value);
  return out;
};

function report(type: "E" | "N", severity: string, { sqlstate, message, hint }: Told): Buffer {
  const fields = [`S${severity}`, `V${severity}`, `C${sqlstate}`, `M${message}`, ...(hint ? [`H${hint}`] : [])];
  // A text of the client's cannot end a field early and add one of its own.
  return encodeMessage(type, `${fields.map((field) => field.replaceAll("\0", "")).join("\0")}\0\0`);
}

interface Told {
  readonly sqlstate: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

export const encodeFatal = (error: Told): Buffer => report("E", "FATAL", error);
export const encodeNotice = (notice: Told): Buffer => report("N", "NOTICE", notice);

/** The SQLSTATE in the body of an `ErrorResponse`. */
export function sqlstateOf(body: Buffer): string | undefined {
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const end = body.indexOf(0, at);
    if (end < 0) return undefined;
    if (body[at] === 0x43) return body.toString("latin1", at + 1, end);
    at = end + 1;
  }
  return undefined;
}

/** `NegotiateProtocolVersion`: like PostgreSQL it names the whole version, not the minor alone. */
export function encodeNegotiation(minor: number, unknown_options: readonly string[]): Buffer {
  const names = unknown_options.map((name) => `${name}\0`);
  return encodeMessage("v", int32((MAJOR << 16) | minor), int32(unknown_options.length), ...names);
}

/** Codes of `Authentication…` messages, type `R`. */
export const AUTHENTICATION = { ok: 0, sasl: 10, sasl_continue: 11, sasl_final: 12 } as const;

export function encodeAuthentication(code: number, ...data: (Buffer | string)[]): Buffer {
  return encodeMessage("R", int32(code), ...data);
}

export function encodeSaslMechanisms(mechanisms: readonly string[]): Buffer {
  return encodeAuthentication(AUTHENTICATION.sasl, `${mechanisms.map((name) => `${name}\0`).join("")}\0`);
}

/** Parses the body of an `Authentication…` message. */
export function parseAuthentication(body: Buffer): { readonly code: number; readonly data: Buffer } {
  if (body.length < 4) throw new WireError(SQLSTATE.protocol_violation, "invalid authentication message");
  return { code: body.readInt32BE(0), data: body.subarray(4) };
}

export function encodeSaslInitialResponse(mechanism: string, data: string): Buffer {
  return encodeMessage("p", `${mechanism}\0`, int32(Buffer.byteLength(data)), data);
}

/** Parses the body of a `SASLInitialResponse`. */
export function parseSaslInitialResponse(body: Buffer): { readonly mechanism: string; readonly data: string } {
  const end = body.indexOf(0);
  if (end < 0 || body.length < end + 5 || body.readInt32BE(end + 1) !== body.length - end - 5) {
    throw new WireError(SQLSTATE.protocol_violation, "malformed SASL message");
  }
  return { mechanism: body.toString("latin1", 0, end), data: body.toString("utf8", end + 5) };
}

export const encodeSaslResponse = (data: string): Buffer => encodeMessage("p", data);

export function encodeStartup(parameters: ReadonlyMap<string, string>): Buffer {
  const pairs = [...parameters].map(([name, value]) => `${name}\0${value}\0`);
  const body = Buffer.concat([int32(MAJOR << 16), Buffer.from(`${pairs.join("")}\0`)]);
  return Buffer.concat([int32(body.length + 4), body]);
}

export const encodeBackendKey = ({ pid, secret }: CancelKey): Buffer => encodeMessage("K", int32(pid), secret);

export function parseBackendKey(body: Buffer): CancelKey {
  if (body.length < 8) throw new WireError(SQLSTATE.protocol_violation, "invalid cancel key");
  return { pid: body.readInt32BE(0), secret: body.subarray(4) };
}

export function encodeCancelRequest({ pid, secret }: CancelKey): Buffer {
  return Buffer.concat([int32(12 + secret.length), int32(CANCEL_REQUEST), int32(pid), secret]);
}
