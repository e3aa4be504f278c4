/** Runs one piece of work at a time for each key: who asks meanwhile gets the outcome of the one that runs. */
export class SingleFlight<T> {
  readonly #work: (key: string) => Promise<T>;
  readonly #running = new Map<string, Promise<T>>();

  constructor(work: (key: string) => Promise<T>) {
    this.#work = work;
  }

  run(key: string): Promise<T> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const begun = this.#work(key).finally(() => this.#running.delete(key));
    this.#running.set(key, begun);
    return begun;
  }
}
