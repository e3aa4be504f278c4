/**
 * Lets the start of a compute go before the copy of its branch's data. As long as no server works on them they are copied
 * as they are, and no server may start meanwhile; but a client that waits for a start is not to wait for a copy of hours.
 */
export class RightOfWay {
  readonly #copies = new Map<string, Set<AbortController>>();

  /** To be called right before the start takes its turn: copies that have theirs, or wait before it, are ended. */
  claim(branch_id: string): void {
    for (const copy of this.#copies.get(branch_id) ?? []) copy.abort(new GaveWay());
  }

  /** Runs a copy, with a signal to end by. It takes its turn in here, so that none is overlooked. */
  async yielding<T>(branch_id: string, copy: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const { signal } = controller;
    const copies = this.#copies.get(branch_id) ?? new Set();
    this.#copies.set(branch_id, copies.add(controller));
    try {
      return await copy(signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      copies.delete(controller);
      if (copies.size === 0) this.#copies.delete(branch_id);
    }
  }
}

/** A copy was ended because the compute of its source is to start; it is begun anew beside that. */
export class GaveWay extends Error {
  override readonly name = "GaveWay";
}
