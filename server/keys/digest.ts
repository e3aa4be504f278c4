import { hash } from "node:crypto";

/** A SHA-256 digest as eight 32-bit words, the form in which memory compares it. */
export const DIGEST_WORDS = 8;

/**
 * Writes the digest of a token into words that the caller keeps for that. By way of a latin1 string, which
 * costs a third of what a buffer from the crypto library costs.
 */
export function digestInto(words: Uint32Array, token: string): void {
  const text = hash("sha256", token, "binary");
  for (let i = 0; i < DIGEST_WORDS; i++) {
    const at = i * 4;
    words[i] =
      text.charCodeAt(at) |
      (text.charCodeAt(at + 1) << 8) |
      (text.charCodeAt(at + 2) << 16) |
      (text.charCodeAt(at + 3) << 24);
  }
}

/** The bytes of a digest, as the database keeps it. */
export function digestToBytes(words: Uint32Array): Buffer {
  const bytes = Buffer.allocUnsafe(DIGEST_WORDS * 4);
  for (let i = 0; i < DIGEST_WORDS; i++) bytes.writeUInt32LE(words[i] ?? 0, i * 4);
  return bytes;
}

export function digestFromBytes(bytes: Buffer): Uint32Array {
  const words = new Uint32Array(DIGEST_WORDS);
  for (let i = 0; i < DIGEST_WORDS; i++) words[i] = bytes.readUInt32LE(i * 4);
  return words;
}
