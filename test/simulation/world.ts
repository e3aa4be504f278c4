import { Random } from "./random.ts";

interface Event {
  readonly at_ms: number;
  readonly number: number;
  readonly run: () => void;
}

/**
 * Time and chance of one simulated run. Nothing waits: the next event is run when all that the last one has set
 * going has come to rest, and time jumps to it. What happens depends on the seed alone.
 */
export class World {
  readonly random: Random;
  /** True time, which nobody in the simulation can read. */
  now_ms = 0;
  /** Nothing goes wrong any more. */
  is_quiet = false;
  /** What went wrong that must not. */
  readonly violations: string[] = [];
  readonly #heap: Event[] = [];
  readonly #tell: ((line: string) => void) | undefined;
  #events = 0;

  constructor(seed: number, tell?: (line: string) => void) {
    this.random = new Random(seed);
    this.#tell = tell;
  }

  get events(): number {
    return this.#events;
  }

  trace(line: () => string): void {
    this.#tell?.(`${this.now_ms.toFixed(1).padStart(9)} ms  ${line()}`);
  }

  violation(what: string): void {
    this.violations.push(`at ${this.now_ms.toFixed(1)} ms: ${what}`);
    this.trace(() => `VIOLATION: ${what}`);
  }

  after(ms: number, run: () => void): void {
    const heap = this.#heap;
    const event = { at_ms: this.now_ms + Math.max(0, ms), number: this.#events++, run };
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Runs what is due until then, or until it is done or something has gone wrong. */
  run(until_ms: number, isDone = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = () => {
        const next = this.#heap[0];
        if (this.violations.length > 0 || isDone()) return resolve();
        if (!next || next.at_ms > until_ms) {
          this.now_ms = until_ms;
          return resolve();
        }
        this.#take();
        this.now_ms = next.at_ms;
        try {
          next.run();
        } catch (error) {
          reject(error as Error);
          return;
        }
        // Promises come to rest before an immediate is run, however many they are; and look-ups wait for one of their own.
        setImmediate(() => setImmediate(step));
      };
      step();
    });
  }

  #take(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at_ms < b.at_ms || (a.at_ms === b.at_ms && a.number < b.number);
}
