/** One piece of work at a time for each key, in the order of asking; within this process. */
export class KeyedLock {
  readonly #last = new Map<string, Promise<void>>();

  /** Whether work on it is under way, or waits. */
  isHeld(key: string): boolean {
    return this.#last.has(key);
  }

  /** Resolves when all that is under way or waits by now is done, for who does not want a place among them. */
  async whenDone(key: string): Promise<void> {
    await this.#last.get(key);
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const { promise: done, resolve: release } = Promise.withResolvers<void>();
    this.#last.set(key, done);
    await before;
    try {
      return await work();
    } finally {
      if (this.#last.get(key) === done) this.#last.delete(key);
      release();
    }
  }
}
