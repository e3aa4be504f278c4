/** Runs work on one thing in turn: what is given under the same key waits for what was given before. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    // The outcome of what went before belongs to whoever asked for it.
    const result = before.then(work, work);
    const settled = result.then(
      () => {},
      () => {},
    );
    this.#last.set(key, settled);
    void settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    });
    return result;
  }

  /** Resolves when all work given so far has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}
