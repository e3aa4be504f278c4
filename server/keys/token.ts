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
const WHOLE_TOKEN = new RegExp(`^${TOKEN_PATTERN.source}$`);

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

/**
 * The kind of a well-formed token, or why it is none. Cheap and without a database: it stands before
 * everything else, so that junk costs nothing. Checks go from the cheapest to the dearest.
 */
export function parseToken(text: string): { kind: TokenKind } | { malformed: "length" | "form" | "checksum" } {
  const kind = TOKEN_KINDS.find((candidate) => text.startsWith(`lk_${candidate}_`));
  if (!kind) return { malformed: "form" };
  if (text.length !== `lk_${kind}_`.length + RANDOM_LENGTH + CHECKSUM_LENGTH) return { malformed: "length" };
  if (!WHOLE_TOKEN.test(text)) return { malformed: "form" };
  if (checksum(text.slice(0, -CHECKSUM_LENGTH)) !== text.slice(-CHECKSUM_LENGTH)) return { malformed: "checksum" };
  return { kind };
}
