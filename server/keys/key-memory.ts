import type { AccessChange, Memory } from "../nodes/change.ts";
import { DIGEST_WORDS, digestFromBytes } from "./digest.ts";
import { RefusedDigests } from "./refused-digests.ts";
import type { LiveKey } from "./store.ts";

/** What a key gives access to: shared by all keys that give the same. */
interface Reach {
  readonly kind: LiveKey["kind"];
  readonly user_id: string | null;
  readonly org_id: string | null;
  readonly project_id: string | null;
}

// One slot is twelve 32-bit words: the digest, the id, the number of the reach plus one (0: the slot is
// empty), and whether the key was used since the clock's hand last passed.
const SLOT_WORDS = 12;
const ID_LOW = DIGEST_WORDS;
const ID_HIGH = DIGEST_WORDS + 1;
const REACH = DIGEST_WORDS + 2;
const USED = DIGEST_WORDS + 3;
export const SLOT_BYTES = SLOT_WORDS * 4;

/** Fuller than this, chains of neighbours grow long. */
const FULL = 0.8;
/** What a reach takes, its strings and places in three tables included; measured in `key-memory.test.ts`. */
const REACH_BYTES = 400;
const SMALLEST_SLOTS = 16;

/**
 * Keys that were found alive, by digest. An open-addressing table in one typed array: a million keys cost 60
 * bytes each, the garbage collector has nothing to walk through, and a look-up touches one or two cache
 * lines. It grows with its keys up to its limit, so that few of them lie close together and stay in the
 * processor's caches. At its limit the key that was not used for longest goes (second chance).
 *
 * It also remembers digests that the database knows nothing of, or nothing good: see `RefusedDigests`.
 */
export class KeyMemory implements Memory {
  readonly #limit_bytes: number;
  readonly #most_slots: number;
  #slots = 0;
  #words = new Uint32Array(0);
  /** Of the slots that there are now. */
  #most_keys = 0;
  #count = 0;
  #hand = 0;
  readonly #refused = new RefusedDigests();

  #reaches: (Reach | undefined)[] = [];
  #uses: number[] = [];
  #free: number[] = [];
  readonly #reach_numbers = new Map<string, number>();

  /**
   * Goes up with everything that is dropped. A look-up that was sent at one fence may fill the memory only
   * at the same: else what it has read may be older than what was dropped since.
   */
  fence = 0;

  /** Zero bytes: nothing is remembered. */
  constructor(limit_bytes: number) {
    this.#limit_bytes = limit_bytes;
    this.#most_slots = limit_bytes === 0 ? 0 : Math.max(SMALLEST_SLOTS, Math.floor(limit_bytes / SLOT_BYTES));
    this.#allot(Math.min(SMALLEST_SLOTS, this.#most_slots));
  }

  #allot(slots: number): void {
    this.#slots = slots;
    this.#words = new Uint32Array(slots * SLOT_WORDS);
    this.#most_keys = Math.floor(slots * FULL);
    this.#hand = 0;
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes in use, counted and estimated; the limit is held against this. */
  get bytes(): number {
    return (this.#count / FULL) * SLOT_BYTES + this.#reach_numbers.size * REACH_BYTES;
  }

  /** The key of a digest, if it is remembered. */
  find(digest: Uint32Array): LiveKey | undefined {
    const slot = this.#slotOf(digest);
    if (slot < 0) return undefined;
    const words = this.#words;
    const at = slot * SLOT_WORDS;
    // What is not written need not go back to the memory.
    if (words[at + USED] === 0) words[at + USED] = 1;
    const reach = this.#reaches[(words[at + REACH] as number) - 1] as Reach;
    return {
      id: (words[at + ID_HIGH] as number) * 0x1_0000_0000 + (words[at + ID_LOW] as number),
      kind: reach.kind,
      user_id: reach.user_id,
      org_id: reach.org_id,
      project_id: reach.project_id,
    };
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
    const reach = this.#numberOf(key);
    if (this.#count >= this.#most_keys && this.#slots < this.#most_slots) this.#grow();
    while (this.#count >= this.#most_keys || (this.bytes + SLOT_BYTES / FULL > this.#limit_bytes && this.#count > 0))
      this.#evictOne();
    const at = this.#emptySlotFor(digest[0] as number) * SLOT_WORDS;
    this.#words.set(digest, at);
    this.#words[at + ID_LOW] = key.id % 0x1_0000_0000;
    this.#words[at + ID_HIGH] = Math.floor(key.id / 0x1_0000_0000);
    this.#words[at + REACH] = reach + 1;
    this.#words[at + USED] = 0;
    this.#count++;
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
    this.#allot(Math.min(SMALLEST_SLOTS, this.#most_slots));
    this.#count = 0;
    this.#reaches = [];
    this.#uses = [];
    this.#free = [];
    this.#reach_numbers.clear();
    this.#refused.clear();
  }

  #dropKey(digest: Uint32Array): void {
    this.#refused.delete(digest);
    const slot = this.#slotOf(digest);
    if (slot >= 0) this.#empty(slot);
  }

  /** Walks through the whole table, some milliseconds for a million keys: for what happens seldom. */
  #dropReaches(matches: (reach: Reach) => boolean): void {
    // Of a refusal it is not known whose key it was; a recovered project must not find its keys refused.
    this.#refused.clear();
    const doomed = new Set<number>();
    this.#reaches.forEach((reach, number) => {
      if (reach && matches(reach)) doomed.add(number + 1);
    });
    if (doomed.size === 0) return;
    for (let slot = 0; slot < this.#slots; ) {
      // What is emptied may be filled by a neighbour, which is then looked at in its turn.
      if (doomed.has(this.#words[slot * SLOT_WORDS + REACH] as number)) this.#empty(slot);
      else slot++;
    }
  }

  /**
   * Keys lie in the order of their digests, nearly, so they go over from end to end and nothing is looked for: for a
   * million keys the longest pause is 70 ms, once.
   */
  #grow(): void {
    const old = this.#words;
    this.#allot(Math.min(this.#slots * 2, this.#most_slots));
    for (let from = 0; from < old.length; from += SLOT_WORDS) {
      if (old[from + REACH] === 0) continue;
      const to = this.#emptySlotFor(old[from] as number) * SLOT_WORDS;
      for (let word = 0; word < SLOT_WORDS; word++) this.#words[to + word] = old[from + word] as number;
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
    this.#release((words[slot * SLOT_WORDS + REACH] as number) - 1);
    this.#count--;
    let gap = slot;
    for (let next = this.#after(gap); ; next = this.#after(next)) {
      const at = next * SLOT_WORDS;
      if (words[at + REACH] === 0) break;
      const home = this.#homeOf(words[at] as number);
      // It may move into the gap unless its home lies after the gap, going round.
      const stays = gap <= next ? gap < home && home <= next : gap < home || home <= next;
      if (stays) continue;
      words.copyWithin(gap * SLOT_WORDS, at, at + SLOT_WORDS);
      gap = next;
    }
    words.fill(0, gap * SLOT_WORDS, (gap + 1) * SLOT_WORDS);
  }

  #evictOne(): void {
    for (;;) {
      const at = this.#hand * SLOT_WORDS;
      if (this.#words[at + REACH] !== 0) {
        if (this.#words[at + USED] === 0) {
          // The hand stays: what moves into the gap is looked at next.
          this.#empty(this.#hand);
          return;
        }
        this.#words[at + USED] = 0;
      }
      this.#hand = this.#after(this.#hand);
    }
  }

  #numberOf({ kind, user_id, org_id, project_id }: LiveKey): number {
    const name = `${kind}/${user_id ?? ""}/${org_id ?? ""}/${project_id ?? ""}`;
    let number = this.#reach_numbers.get(name);
    if (number === undefined) {
      number = this.#free.pop() ?? this.#reaches.length;
      this.#reaches[number] = { kind, user_id, org_id, project_id };
      this.#uses[number] = 0;
      this.#reach_numbers.set(name, number);
    }
    this.#uses[number] = (this.#uses[number] ?? 0) + 1;
    return number;
  }

  #release(number: number): void {
    const left = (this.#uses[number] ?? 0) - 1;
    this.#uses[number] = left;
    const reach = this.#reaches[number];
    if (left > 0 || !reach) return;
    this.#reach_numbers.delete(`${reach.kind}/${reach.user_id ?? ""}/${reach.org_id ?? ""}/${reach.project_id ?? ""}`);
    this.#reaches[number] = undefined;
    this.#free.push(number);
  }

  /** For tests: whether every key can be found from its home. */
  get is_consistent(): boolean {
    let found = 0;
    for (let slot = 0; slot < this.#slots; slot++) {
      const at = slot * SLOT_WORDS;
      if (this.#words[at + REACH] === 0) continue;
      found++;
      if (this.#slotOf(this.#words.subarray(at, at + DIGEST_WORDS)) !== slot) return false;
    }
    return found === this.#count;
  }
}

function isSame(words: Uint32Array, at: number, digest: Uint32Array): boolean {
  for (let i = 1; i < DIGEST_WORDS; i++) if (words[at + i] !== digest[i]) return false;
  return true;
}
