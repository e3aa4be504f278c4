import type { AccessChange, Memory } from "../nodes/change.ts";
import { DIGEST_WORDS, digestFromBytes } from "./digest.ts";
import { type Reach, Reaches } from "./reaches.ts";
import { RefusedDigests } from "./refused-digests.ts";
import type { KeyUses, LiveKey, UseOrigin } from "./store.ts";
import { UseOrigins } from "./use-origins.ts";

// One slot is thirteen 32-bit words: the digest; the id; the number of the reach plus one (0: the slot is empty);
// milliseconds of the last use that is not written yet, counted from one (0: there is none); and the number of that
// use's origin, above a bit that says whether the key was used since the clock's hand last passed. A use stands
// in the slot, since of a million keys each table that a request looks into is a miss of the processor's caches.
const SLOT_WORDS = 13;
const ID_LOW = DIGEST_WORDS;
const ID_HIGH = DIGEST_WORDS + 1;
const REACH = DIGEST_WORDS + 2;
const USE_MS = DIGEST_WORDS + 3;
const USE_ORIGIN = DIGEST_WORDS + 4;
/** A slot and its bit in the index of uses. */
export const SLOT_BYTES = SLOT_WORDS * 4 + 1 / 8;

/** Fuller than this, chains of neighbours grow long. */
const FULL = 0.8;
const SMALLEST_SLOTS = 16;
/** So many origins more than the uses have are kept before it is looked which of them are theirs. */
const SPARE_ORIGINS = 1_024;
/** By so much at least the table grows, since each time it is walked through; it shrinks by less, or it would grow again at once. */
const GROWS_BY = 1 / 8;
const SHRINKS_BY = 1 / 16;

/**
 * Keys that were found alive, by digest, each with its last use until that is written. An open-addressing table in one
 * typed array: the garbage collector has nothing to walk through, and a look-up touches one or two cache
 * lines. It grows with its keys up to its limit, so that few of them lie close together and stay in the
 * processor's caches. At its limit the key that was not used for longest goes (second chance).
 *
 * It also remembers digests that the database knows nothing of, or nothing good: see `RefusedDigests`.
 */
export class KeyMemory implements Memory {
  readonly #limit_bytes: number;
  readonly #passUseOn: (key_id: number, at_ms: number, origin: UseOrigin) => void;
  #slots = 0;
  #words = new Uint32Array(0);
  /** A bit for each slot whose use waits to be written. */
  #waiting = new Uint32Array(0);
  /** Of the slots that there are now. */
  #most_keys = 0;
  #count = 0;
  #hand = 0;
  readonly #refused = new RefusedDigests();
  #reaches = new Reaches();

  #uses_waiting = 0;
  /** Uses are taken from here on, so that each has its turn. */
  #taken_to = 0;
  /** The moment from which those of uses are counted. */
  #epoch_ms = 0;
  #origins = new UseOrigins();

  /**
   * Goes up with everything that is dropped. A look-up that was sent at one fence may fill the memory only
   * at the same: else what it has read may be older than what was dropped since.
   */
  fence = 0;

  /** Zero bytes: nothing is remembered. A use of a key that is forgotten before it was written is passed on. */
  constructor(limit_bytes: number, passUseOn: (key_id: number, at_ms: number, origin: UseOrigin) => void) {
    this.#limit_bytes = limit_bytes;
    this.#passUseOn = passUseOn;
    this.#clear();
  }

  #clear(): void {
    this.#count = 0;
    this.#uses_waiting = 0;
    this.#reaches = new Reaches();
    this.#allot(this.#limit_bytes === 0 ? 0 : SMALLEST_SLOTS);
  }

  #allot(slots: number): void {
    this.#slots = slots;
    this.#words = new Uint32Array(slots * SLOT_WORDS);
    this.#waiting = new Uint32Array(Math.ceil(slots / 32));
    this.#most_keys = Math.floor(slots * FULL);
    this.#hand = 0;
    this.#taken_to = 0;
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes of the table, and of what keys have to themselves; the limit is held against this. */
  get bytes(): number {
    return this.#slots * SLOT_BYTES + this.#reaches.bytes;
  }

  /** The key of a digest, if it is remembered. */
  find(digest: Uint32Array): LiveKey | undefined {
    const slot = this.#slotOf(digest);
    if (slot < 0) return undefined;
    const at = slot * SLOT_WORDS;
    const mark = this.#words[at + USE_ORIGIN] as number;
    // What is not written need not go back to the memory.
    if ((mark & 1) === 0) this.#words[at + USE_ORIGIN] = mark | 1;
    return this.#keyAt(at);
  }

  /** The same, and notes that it was used: the latest use waits here until it is taken. */
  use(digest: Uint32Array, at_ms: number, origin: UseOrigin): LiveKey | undefined {
    const slot = this.#slotOf(digest);
    if (slot < 0) return undefined;
    const words = this.#words;
    const at = slot * SLOT_WORDS;
    const key = this.#keyAt(at);
    if (this.#uses_waiting === 0) this.#epoch_ms = at_ms;
    const since_ms = Math.floor(at_ms - this.#epoch_ms) + 1;
    if (since_ms < 1 || since_ms >= 0x1_0000_0000) {
      // The clock was set back, or uses have waited for weeks.
      this.#passUseOn(key.id, at_ms, origin);
      return key;
    }
    if (words[at + USE_MS] === 0) {
      this.#setWaiting(slot);
      this.#uses_waiting++;
    }
    words[at + USE_MS] = since_ms;
    words[at + USE_ORIGIN] = (this.#origins.numberOf(origin) << 1) | 1;
    if (this.#origins.count > 2 * this.#uses_waiting + SPARE_ORIGINS) this.#renumberOrigins();
    return key;
  }

  #keyAt(at: number): LiveKey {
    const { kind, user_id, org_id, project_id } = this.#reaches.get((this.#words[at + REACH] as number) - 1);
    return { id: this.#idAt(at), kind, user_id, org_id, project_id };
  }

  #idAt(at: number): number {
    return (this.#words[at + ID_HIGH] as number) * 0x1_0000_0000 + (this.#words[at + ID_LOW] as number);
  }

  /** Keys whose last use is held here and not yet taken. */
  get uses_waiting(): number {
    return this.#uses_waiting;
  }

  /** Origins kept: those of the uses that wait, and for a while some that were replaced. */
  get origin_count(): number {
    return this.#origins.count;
  }

  /** Takes up to so many uses out, each key's latest. */
  takeUses(most: number): KeyUses {
    const [key_ids, at_ms, origins]: [number[], number[], UseOrigin[]] = [[], [], []];
    while (this.#uses_waiting > 0 && key_ids.length < most) {
      const slot = this.#nextWaiting(this.#taken_to);
      const at = slot * SLOT_WORDS;
      key_ids.push(this.#idAt(at));
      at_ms.push(this.#usedAt(at));
      origins.push(this.#originAt(at));
      this.#words[at + USE_MS] = 0;
      this.#clearWaiting(slot);
      this.#uses_waiting--;
      this.#taken_to = this.#after(slot);
    }
    if (this.#uses_waiting === 0) this.#origins = new UseOrigins();
    return { key_ids, at_ms, origins };
  }

  #usedAt(at: number): number {
    return this.#epoch_ms + (this.#words[at + USE_MS] as number) - 1;
  }

  #originAt(at: number): UseOrigin {
    return this.#origins.get((this.#words[at + USE_ORIGIN] as number) >>> 1);
  }

  /** Lets go of origins that are no use's any more. */
  #renumberOrigins(): void {
    const kept = new UseOrigins();
    for (let left = this.#uses_waiting, slot = -1; left > 0; left--) {
      slot = this.#nextWaiting(slot + 1);
      const at = slot * SLOT_WORDS;
      const mark = this.#words[at + USE_ORIGIN] as number;
      this.#words[at + USE_ORIGIN] = (kept.numberOf(this.#originAt(at)) << 1) | (mark & 1);
    }
    this.#origins = kept;
  }

  /** The next slot whose use waits, from one on and going round; there must be one. */
  #nextWaiting(from: number): number {
    const index = this.#waiting;
    let word = (from >>> 5) % index.length;
    let bits = (index[word] as number) & (-1 << (from & 31));
    while (bits === 0) {
      word = word + 1 === index.length ? 0 : word + 1;
      bits = index[word] as number;
    }
    return word * 32 + 31 - Math.clz32(bits & -bits);
  }

  #setWaiting(slot: number): void {
    this.#waiting[slot >>> 5] = (this.#waiting[slot >>> 5] as number) | (1 << (slot & 31));
  }

  #clearWaiting(slot: number): void {
    this.#waiting[slot >>> 5] = (this.#waiting[slot >>> 5] as number) & ~(1 << (slot & 31));
  }

  /** Whether a digest is remembered as one that opens nothing. */
  isRefused(digest: Uint32Array): boolean {
    return this.#refused.has(digest);
  }

  /** Remembers what a look-up that was sent at this fence has found. */
  fill(digest: Uint32Array, key: LiveKey | undefined, fence: number): void {
    if (this.#slots === 0 || fence !== this.fence) return;
    if (key === undefined) {
      this.#refused.add(digest);
      return;
    }
    if (this.#slotOf(digest) >= 0) return;
    const reach = this.#reaches.hold(key);
    this.#makeRoom();
    const words = this.#words;
    const at = this.#emptySlotFor(digest[0] as number) * SLOT_WORDS;
    words.set(digest, at);
    words[at + ID_LOW] = key.id % 0x1_0000_0000;
    words[at + ID_HIGH] = Math.floor(key.id / 0x1_0000_0000);
    words[at + REACH] = reach + 1;
    words[at + USE_MS] = 0;
    words[at + USE_ORIGIN] = 0;
    this.#count++;
  }

  /** For one key more, whose reach is held already. */
  #makeRoom(): void {
    if (this.#count >= this.#most_keys) {
      const most = Math.floor((this.#limit_bytes - this.#reaches.bytes) / SLOT_BYTES);
      const slots = Math.min(this.#slots * 2, most);
      if (slots >= this.#slots * (1 + GROWS_BY)) this.#resize(slots);
      else this.#evictOne();
    }
    while (this.bytes > this.#limit_bytes && this.#count > 0) {
      this.#evictOne();
      // Of keys that share a reach none gives room by going: the table itself must give way.
      if (this.bytes > this.#limit_bytes && this.#slots > SMALLEST_SLOTS) {
        const slots = Math.max(SMALLEST_SLOTS, Math.floor(this.#slots * (1 - SHRINKS_BY)));
        while (this.#count >= Math.floor(slots * FULL)) this.#evictOne();
        this.#resize(slots);
      }
    }
  }

  drop(change: AccessChange): void {
    this.fence++;
    const { kind, subject } = change;
    switch (kind) {
      case "everything":
        this.dropEverything();
        break;
      case "key":
        this.#dropKey(digestFromBytes(Buffer.from(subject, "hex")));
        break;
      case "project":
        this.#dropReaches((reach) => reach.project_id === subject);
        break;
      case "organization":
        this.#dropReaches((reach) => reach.org_id === subject);
        break;
      case "user":
        this.#dropReaches((reach) => reach.user_id === subject);
    }
  }

  dropEverything(): void {
    this.fence++;
    const { key_ids, at_ms, origins } = this.takeUses(this.#uses_waiting);
    for (const [i, key_id] of key_ids.entries()) this.#passUseOn(key_id, at_ms[i] as number, origins[i] as UseOrigin);
    this.#clear();
    this.#refused.clear();
  }

  #dropKey(digest: Uint32Array): void {
    this.#refused.delete(digest);
    const slot = this.#slotOf(digest);
    if (slot >= 0) this.#empty(slot);
  }

  /** Walks through the whole table, some milliseconds for a million keys: for what happens seldom. */
  #dropReaches(matches: (reach: Reach) => boolean): void {
    // Of a refusal it is not known whose key it was, nor whether what has changed makes it good.
    this.#refused.clear();
    const doomed = this.#reaches.numbersOf(matches);
    if (doomed.size === 0) return;
    for (let slot = 0; slot < this.#slots; ) {
      // What is emptied may be filled by a neighbour, which is then looked at in its turn.
      if (doomed.has((this.#words[slot * SLOT_WORDS + REACH] as number) - 1)) this.#empty(slot);
      else slot++;
    }
  }

  /**
   * Keys lie in the order of their digests, nearly, so they go over from end to end and nothing is looked for: for a
   * million keys the longest pause is 70 ms, once.
   */
  #resize(slots: number): void {
    const old = this.#words;
    const [hand, taken_to] = [this.#hand / this.#slots, this.#taken_to / this.#slots];
    this.#allot(slots);
    // Those that were looked at just now are not the next ones again.
    this.#hand = Math.floor(hand * slots);
    this.#taken_to = Math.floor(taken_to * slots);
    for (let from = 0; from < old.length; from += SLOT_WORDS) {
      if (old[from + REACH] === 0) continue;
      const slot = this.#emptySlotFor(old[from] as number);
      const to = slot * SLOT_WORDS;
      for (let word = 0; word < SLOT_WORDS; word++) this.#words[to + word] = old[from + word] as number;
      if (old[from + USE_MS] !== 0) this.#setWaiting(slot);
    }
  }

  #emptySlotFor(word: number): number {
    let slot = this.#homeOf(word);
    while (this.#words[slot * SLOT_WORDS + REACH] !== 0) slot = this.#after(slot);
    return slot;
  }

  #homeOf(word: number): number {
    return Math.floor((word * this.#slots) / 0x1_0000_0000);
  }

  #after(slot: number): number {
    return slot + 1 === this.#slots ? 0 : slot + 1;
  }

  #slotOf(digest: Uint32Array): number {
    if (this.#count === 0) return -1;
    const words = this.#words;
    const [first] = digest as unknown as [number];
    for (let slot = this.#homeOf(first); ; slot = this.#after(slot)) {
      const at = slot * SLOT_WORDS;
      if (words[at + REACH] === 0) return -1;
      if (words[at] === first && isSame(words, at, digest)) return slot;
    }
  }

  /** Takes a key out and closes the gap, so that no chain is broken and no tombstone is left. */
  #empty(slot: number): void {
    const words = this.#words;
    this.#forget(slot);
    let gap = slot;
    for (let next = this.#after(gap); ; next = this.#after(next)) {
      const at = next * SLOT_WORDS;
      if (words[at + REACH] === 0) break;
      const home = this.#homeOf(words[at] as number);
      // It may move into the gap unless its home lies after the gap, going round.
      const stays = gap <= next ? gap < home && home <= next : gap < home || home <= next;
      if (stays) continue;
      words.copyWithin(gap * SLOT_WORDS, at, at + SLOT_WORDS);
      if (words[at + USE_MS] !== 0) {
        this.#setWaiting(gap);
        this.#clearWaiting(next);
      }
      gap = next;
    }
    words.fill(0, gap * SLOT_WORDS, (gap + 1) * SLOT_WORDS);
  }

  /** Gives back what the key of a slot holds; its use is passed on. */
  #forget(slot: number): void {
    const at = slot * SLOT_WORDS;
    this.#count--;
    this.#reaches.release((this.#words[at + REACH] as number) - 1);
    if (this.#words[at + USE_MS] === 0) return;
    this.#clearWaiting(slot);
    this.#uses_waiting--;
    this.#passUseOn(this.#idAt(at), this.#usedAt(at), this.#originAt(at));
  }

  #evictOne(): void {
    for (;;) {
      const at = this.#hand * SLOT_WORDS;
      if (this.#words[at + REACH] !== 0) {
        const mark = this.#words[at + USE_ORIGIN] as number;
        if ((mark & 1) === 0) {
          // The hand stays: what moves into the gap is looked at next.
          this.#empty(this.#hand);
          return;
        }
        this.#words[at + USE_ORIGIN] = mark & ~1;
      }
      this.#hand = this.#after(this.#hand);
    }
  }

  /** For tests: whether every key can be found from its home, and every use in the index of those that wait. */
  get is_consistent(): boolean {
    let found = 0;
    let uses = 0;
    for (let slot = 0; slot < this.#slots; slot++) {
      const at = slot * SLOT_WORDS;
      const is_indexed = (((this.#waiting[slot >>> 5] as number) >>> (slot & 31)) & 1) === 1;
      if (is_indexed !== (this.#words[at + USE_MS] !== 0)) return false;
      if (is_indexed) uses++;
      if (this.#words[at + REACH] === 0) continue;
      found++;
      if (this.#slotOf(this.#words.subarray(at, at + DIGEST_WORDS)) !== slot) return false;
    }
    return found === this.#count && uses === this.#uses_waiting;
  }
}

function isSame(words: Uint32Array, at: number, digest: Uint32Array): boolean {
  for (let i = 1; i < DIGEST_WORDS; i++) if (words[at + i] !== digest[i]) return false;
  return true;
}
