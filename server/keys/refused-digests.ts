import { DIGEST_WORDS } from "./digest.ts";

const WAYS = 4;
const SETS = 2_048;

/**
 * Digests of which the database has said that they open nothing, so that a client that goes on with a
 * dead key costs no query each time. Bounded: 8,192 of them in 256 KB; whoever sends more replaces others.
 *
 * It can never keep a good key out. A token is drawn at random when its row is made and leaves the server
 * after the commit, so nobody can have presented it before; and whatever makes a refused token good again
 * is a change like any other, which every node applies before it is answered.
 */
export class RefusedDigests {
  readonly #words = new Uint32Array(SETS * WAYS * DIGEST_WORDS);
  #turn = 0;

  has(digest: Uint32Array): boolean {
    return this.#find(digest) >= 0;
  }

  add(digest: Uint32Array): void {
    if (this.has(digest)) return;
    this.#turn = (this.#turn + 1) % WAYS;
    this.#words.set(digest, this.#setOf(digest) + this.#turn * DIGEST_WORDS);
  }

  delete(digest: Uint32Array): void {
    const at = this.#find(digest);
    if (at >= 0) this.#words.fill(0, at, at + DIGEST_WORDS);
  }

  clear(): void {
    this.#words.fill(0);
  }

  #setOf(digest: Uint32Array): number {
    return ((digest[0] as number) % SETS) * WAYS * DIGEST_WORDS;
  }

  #find(digest: Uint32Array): number {
    const set = this.#setOf(digest);
    for (let at = set; at < set + WAYS * DIGEST_WORDS; at += DIGEST_WORDS) {
      let i = 0;
      while (i < DIGEST_WORDS && this.#words[at + i] === digest[i]) i++;
      if (i === DIGEST_WORDS) return at;
    }
    return -1;
  }
}
