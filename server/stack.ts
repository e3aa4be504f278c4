import { describeError } from "./log.ts";

/** What has been started, in order; stopped in the opposite order. */
export class Stack {
  readonly #steps: { name: string; stop: () => Promise<unknown> }[] = [];

  add(name: string, stop: () => Promise<unknown>): void {
    this.#steps.push({ name, stop });
  }

  /** Every step is tried, whatever the others do; returns what went wrong. */
  async stop(): Promise<string[]> {
    const problems: string[] = [];
    for (const { name, stop } of this.#steps.splice(0).reverse()) {
      await stop().catch((error) => problems.push(`${name}: ${describeError(error)}`));
    }
    return problems;
  }
}
