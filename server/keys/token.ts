import { hash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { Secret } from "./secret.ts";

/**
 * The token format: a prefix that tells the kind, 43 base62 characters (256 random bits) and 6 base62
 * characters of CRC-32 over all that precedes. The checksum lets a typing error, a scanner's guess or a
 * secret-scanning rule be judged without a database; it is no protection and needs to be none.
 */
export const TOKEN_KINDS = ["user", "org", "proj", "at", "rt"] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const HINT_LENGTH = 4;

/** Finds every token of every kind in a text: for redaction, scanners and tests. */
export const TOKEN_PATTERN = /lk_(?:user|org|proj|at|rt)_[0-9A-Za-z]{49}/;

function base62(value: bigint, length: number): string {
  let out = "";
  for (let rest = value; out.length < length; rest /= 62n) out = (ALPHABET[Number(rest % 62n)] ?? "") + out;
  return out;
}

function checksum(body: string): string {
  return base62(BigInt(crc32(body)), CHECKSUM_LENGTH);
}

export interface NewToken {
  readonly token: Secret;
  readonly digest: Buffer;
  /** The last four characters before the checksum: enough to tell two keys apart, useless to guess one. */
  readonly hint: string;
}

export function newToken(kind: TokenKind): NewToken {
  const random = base62(BigInt(`0x${randomBytes(32).toString("hex")}`), RANDOM_LENGTH);
  const body = `lk_${kind}_${random}`;
  const token = body + checksum(body);
  return { token: new Secret(token), digest: tokenDigest(token), hint: random.slice(-HINT_LENGTH) };
}

/**
 * What is stored instead of a token, and looked up by. One pass of SHA-256 is right for 256 random bits:
 * there is nothing to guess, so a slow hash would add latency and no safety.
 */
export function tokenDigest(token: string): Buffer {
  return hash("sha256", token, "buffer");
}

type Parsed = { readonly kind: TokenKind } | { readonly malformed: "length" | "form" | "checksum" };

// One object for each outcome, made once: this runs for every request.
const LENGTH: Parsed = { malformed: "length" };
const FORM: Parsed = { malformed: "form" };
const CHECKSUM: Parsed = { malformed: "checksum" };
const LONGEST = Math.max(...TOKEN_KINDS.map((kind) => `lk_${kind}_`.length)) + RANDOM_LENGTH + CHECKSUM_LENGTH;
const PREFIXES = TOKEN_KINDS.map((kind) => ({ prefix: `lk_${kind}_`, parsed: { kind } as Parsed }));

/** For each character code its value in base 62, or 255. */
const DIGITS = new Uint8Array(128).fill(255);
for (let i = 0; i < ALPHABET.length; i++) DIGITS[ALPHABET.charCodeAt(i)] = i;

/** CRC-32 as of zlib, a byte at a time: for so short a text the call into the library costs more. */
const CRC_TABLE = new Int32Array(256);
for (let i = 0; i < 256; i++) {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  CRC_TABLE[i] = crc;
}

/** Whether a text is longer than any token: it costs nothing to find out, and bounds what looking closer costs. */
export function isTooLong(text: string): boolean {
  return text.length > LONGEST;
}

/**
 * The kind of a well-formed token, or why it is none. Cheap and without a database: it stands before
 * everything else, so that junk costs nothing.
 */
export function parseToken(text: string): Parsed {
  for (const { prefix, parsed } of PREFIXES) if (text.startsWith(prefix)) return parseTail(text, prefix.length, parsed);
  return FORM;
}

function parseTail(text: string, start: number, parsed: Parsed): Parsed {
  const end = start + RANDOM_LENGTH;
  if (text.length !== end + CHECKSUM_LENGTH) return LENGTH;
  let crc = -1;
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    // A code beyond the table gives undefined, which is no number below 62 either.
    if (i >= start && !((DIGITS[code] as number) < 62)) return FORM;
    crc = (CRC_TABLE[(crc ^ code) & 0xff] as number) ^ (crc >>> 8);
  }
  let stated = 0;
  for (let i = end; i < text.length; i++) {
    const digit = DIGITS[text.charCodeAt(i)] as number;
    if (!(digit < 62)) return FORM;
    stated = stated * 62 + digit;
  }
  return stated === ~crc >>> 0 ? parsed : CHECKSUM;
}
