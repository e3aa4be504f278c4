import type { Instant } from "../clock.ts";
import { DIGEST_WORDS, digestInto, digestToBytes } from "./digest.ts";
import type { KeyMemory } from "./key-memory.ts";
import type { LookUps } from "./look-ups.ts";
import type { LiveKey, UseOrigin } from "./store.ts";
import { isTooLong, parseToken, tokenDigest } from "./token.ts";

/** A login through the browser, by one of its access tokens. */
export interface LiveGrant {
  readonly grant_id: number;
  readonly user_id: string;
}

export type Verification =
  | { readonly key: LiveKey }
  | { readonly grant: LiveGrant }
  /** The true reason, for the log alone: the answer is the same 401 whatever it is. */
  | { readonly refused: "malformed" | "checksum" | "kind" | "unknown_or_revoked" }
  /** It would take a query, and the caller said that there was to be none. */
  | { readonly refused: "not_looked_up" };

/** Whether a query may be sent: at once, or when it is the caller's turn. */
export type MayLookUp = () => true | Promise<boolean>;

export interface VerifierDeps {
  readonly memory: KeyMemory;
  readonly look_ups: Pick<LookUps<LiveKey>, "find">;
  /** Whether memory may be believed at this moment, or at one that the caller has just read. */
  readonly isLeaseHeld: (at?: Instant) => boolean;
  /** The login of an OAuth access token's digest, asked of the database at every call. */
  readonly findGrant: (digest: Buffer) => Promise<LiveGrant | undefined>;
}

const UNKNOWN: Verification = { refused: "unknown_or_revoked" };
const MALFORMED: Verification = { refused: "malformed" };
const CHECKSUM: Verification = { refused: "checksum" };
const KIND: Verification = { refused: "kind" };
const NOT_LOOKED_UP: Verification = { refused: "not_looked_up" };

/**
 * Verifies API keys. Under the node's lease from memory, at once; without it, or where memory does not know,
 * by a query that begins after the call. What cannot be a key costs neither. When the database cannot be
 * asked it rejects: it never guesses.
 */
export class KeyVerifier {
  readonly #deps: VerifierDeps;
  /** Where the digest at hand is put; a digest that must outlive the call is copied. */
  readonly #words = new Uint32Array(DIGEST_WORDS);

  constructor(deps: VerifierDeps) {
    this.#deps = deps;
  }

  /**
   * The key of a token, as far as memory knows it and may be believed. Its form is not looked at: what has the digest of
   * a live key is that key. Its use is noted.
   */
  recall(token: string, at: Instant, origin: UseOrigin): LiveKey | undefined {
    if (isTooLong(token) || !this.#deps.isLeaseHeld(at)) return undefined;
    digestInto(this.#words, token);
    return this.#deps.memory.use(this.#words, at.now_ms, origin);
  }

  /**
   * `mayLookUp` is asked only where a query would be needed although the lease is held; it may say yes or no
   * after a while.
   */
  verify(token: string, mayLookUp: MayLookUp = always): Verification | Promise<Verification> {
    const parsed = parseToken(token);
    if ("malformed" in parsed) return parsed.malformed === "checksum" ? CHECKSUM : MALFORMED;
    if (parsed.kind === "rt") return KIND;
    // Never from memory: it would have to forget at the token's hour, and a login that has ended is refused at once.
    if (parsed.kind === "at") return this.#lookUpIf(mayLookUp(), () => this.#findGrant(tokenDigest(token)));
    const words = this.#words;
    digestInto(words, token);
    const { memory, isLeaseHeld } = this.#deps;
    if (!isLeaseHeld()) {
      // Every good key needs its query, so nobody can be spared one.
      return this.#findKey(digestToBytes(words));
    }
    const key = memory.find(words);
    if (key !== undefined) return { key };
    if (memory.isRefused(words)) return UNKNOWN;
    const digest = digestToBytes(words);
    return this.#lookUpIf(mayLookUp(), () => this.#findKey(digest));
  }

  #lookUpIf(may: ReturnType<MayLookUp>, lookUp: () => Promise<Verification>): Promise<Verification> {
    return may === true ? lookUp() : may.then((may_now) => (may_now ? lookUp() : NOT_LOOKED_UP));
  }

  async #findKey(digest: Buffer): Promise<Verification> {
    const key = await this.#deps.look_ups.find(digest);
    return key ? { key } : UNKNOWN;
  }

  async #findGrant(digest: Buffer): Promise<Verification> {
    const grant = await this.#deps.findGrant(digest);
    return grant ? { grant } : UNKNOWN;
  }
}

function always(): true {
  return true;
}
