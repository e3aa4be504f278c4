import type pg from "pg";
import type { Metrics } from "../log.ts";
import { findLiveKey, type LiveKey } from "./store.ts";
import { parseToken, tokenDigest } from "./token.ts";

export type Verification =
  | { readonly key: LiveKey }
  /** The true reason, for the log alone: the answer is the same 401 whatever it is. */
  | { readonly refused: "malformed" | "checksum" | "kind" | "unknown_or_revoked" };

/**
 * Verifies API keys against the database at every call, so a revoked key is refused by the first request
 * that begins after the revocation has committed. What cannot be a key costs no query.
 */
export class KeyVerifier {
  readonly #pool: pg.Pool;
  readonly #metrics: Metrics;

  constructor(pool: pg.Pool, metrics: Metrics) {
    this.#pool = pool;
    this.#metrics = metrics;
  }

  async verify(token: string): Promise<Verification> {
    const parsed = parseToken(token);
    if ("malformed" in parsed) return { refused: parsed.malformed === "checksum" ? "checksum" : "malformed" };
    if (parsed.kind === "at" || parsed.kind === "rt") return { refused: "kind" };
    this.#metrics.key_lookups.inc();
    const key = await findLiveKey(this.#pool, tokenDigest(token));
    return key ? { key } : { refused: "unknown_or_revoked" };
  }
}
