import { networkOf } from "../access/failure-limit.ts";
import type { Clock } from "../clock.ts";

interface Visitor {
  readonly network: string;
  readonly since_ms: number;
  readonly evict: () => void;
}

/**
 * Those who have connected and have not yet proved who they are. Anybody can be one, so there is room for so many at a
 * time and for so long. When it is full the network that holds most places loses its oldest one: a flood throws out
 * itself, and a client from elsewhere gets in. A place lasts milliseconds for whoever means it.
 */
export class Doorway {
  readonly #places: number;
  readonly #deadline_ms: number;
  readonly #clock: Pick<Clock, "monotonic_ms">;
  /** By network; each in order of arrival. */
  readonly #visitors = new Map<string, Set<Visitor>>();
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: { places: number; deadline_ms: number }, clock: Pick<Clock, "monotonic_ms">) {
    this.#places = limits.places;
    this.#deadline_ms = limits.deadline_ms;
    this.#clock = clock;
  }

  get count(): number {
    return this.#count;
  }

  /** Gives a place; `evict` is called when it is lost. Returns the way to leave it, which may be called twice. */
  enter(address: string, evict: (why: "crowded" | "deadline") => void): () => void {
    if (this.#count >= this.#places) this.#evictOne();
    const visitor: Visitor = {
      network: networkOf(address),
      since_ms: this.#clock.monotonic_ms(),
      evict: () => evict(this.#isLate(visitor) ? "deadline" : "crowded"),
    };
    const visitors = this.#visitors.get(visitor.network) ?? new Set();
    this.#visitors.set(visitor.network, visitors.add(visitor));
    this.#count++;
    this.#timer ??= setInterval(() => this.#evictLate(), Math.max(10, this.#deadline_ms / 10)).unref();
    return () => this.#leave(visitor);
  }

  #leave(visitor: Visitor): void {
    const visitors = this.#visitors.get(visitor.network);
    if (!visitors?.delete(visitor)) return;
    if (visitors.size === 0) this.#visitors.delete(visitor.network);
    this.#count--;
    if (this.#count > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #evictOne(): void {
    let most: Set<Visitor> | undefined;
    for (const visitors of this.#visitors.values()) if (visitors.size > (most?.size ?? 0)) most = visitors;
    for (const oldest of most ?? []) {
      this.#leave(oldest);
      oldest.evict();
      return;
    }
  }

  #evictLate(): void {
    for (const visitors of this.#visitors.values()) {
      for (const visitor of visitors) {
        if (!this.#isLate(visitor)) break;
        this.#leave(visitor);
        visitor.evict();
      }
    }
  }

  #isLate({ since_ms }: Visitor): boolean {
    return this.#clock.monotonic_ms() - since_ms >= this.#deadline_ms;
  }
}
