import type { UseOrigin } from "./store.ts";

/** Origins of uses by number, so that of each use a number is kept. It grows until its owner begins a new one. */
export class UseOrigins {
  readonly #origins: UseOrigin[] = [];
  readonly #numbers = new Map<UseOrigin, number>();
  #last: UseOrigin | undefined;
  #last_number = 0;

  get count(): number {
    return this.#origins.length;
  }

  get(number: number): UseOrigin {
    return this.#origins[number] as UseOrigin;
  }

  numberOf(origin: UseOrigin): number {
    // Mostly one client sends many requests.
    if (origin === this.#last) return this.#last_number;
    let number = this.#numbers.get(origin);
    if (number === undefined) {
      number = this.#origins.push(origin) - 1;
      this.#numbers.set(origin, number);
    }
    this.#last = origin;
    this.#last_number = number;
    return number;
  }
}
