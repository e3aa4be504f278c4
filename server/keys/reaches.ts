import type { LiveKey } from "./store.ts";

/** What a key gives access to: shared by all keys that give the same. */
export interface Reach {
  readonly kind: LiveKey["kind"];
  readonly user_id: string | null;
  readonly org_id: string | null;
  readonly project_id: string | null;
}

/** What a reach takes, its strings and its places in three tables included; as heap of Node 24, measured. */
const REACH_BYTES = 400;

/** Reaches by number, each as long as a key has it: a key then needs a number in place of strings. */
export class Reaches {
  readonly #reaches: (Reach | undefined)[] = [];
  readonly #holders: number[] = [];
  readonly #free: number[] = [];
  readonly #numbers = new Map<string, number>();

  get bytes(): number {
    return this.#numbers.size * REACH_BYTES;
  }

  get(number: number): Reach {
    return this.#reaches[number] as Reach;
  }

  /** The number of a key's reach, for one holder more. */
  hold(reach: Reach): number {
    const name = nameOf(reach);
    let number = this.#numbers.get(name);
    if (number === undefined) {
      const { kind, user_id, org_id, project_id } = reach;
      number = this.#free.pop() ?? this.#reaches.length;
      this.#reaches[number] = { kind, user_id, org_id, project_id };
      this.#holders[number] = 0;
      this.#numbers.set(name, number);
    }
    this.#holders[number] = (this.#holders[number] as number) + 1;
    return number;
  }

  release(number: number): void {
    const left = (this.#holders[number] as number) - 1;
    this.#holders[number] = left;
    if (left > 0) return;
    this.#numbers.delete(nameOf(this.get(number)));
    this.#reaches[number] = undefined;
    this.#free.push(number);
  }

  numbersOf(matches: (reach: Reach) => boolean): Set<number> {
    const found = new Set<number>();
    this.#reaches.forEach((reach, number) => {
      if (reach && matches(reach)) found.add(number);
    });
    return found;
  }
}

function nameOf({ kind, user_id, org_id, project_id }: Reach): string {
  return `${kind}/${user_id ?? ""}/${org_id ?? ""}/${project_id ?? ""}`;
}
