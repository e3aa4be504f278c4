/**
 * Exhaustive exploration of a small state machine: every state that can be reached, breadth first, so that
 * the first violation found is one of the shortest.
 */
export interface Machine<State> {
  readonly initial: State;
  /** A text that two states share exactly when they are the same. */
  readonly key: (state: State) => string;
  /** Every step that can be taken from a state, with a name for the trace. */
  readonly steps: (state: State) => Iterable<readonly [name: string, next: State]>;
  /** What is wrong with a state, or undefined. */
  readonly violation: (state: State) => string | undefined;
  /** A state that each reachable one must be able to lead to: the guarantee must not be kept by standing still. */
  readonly goal: (state: State) => boolean;
}

export interface Exploration {
  readonly states: number;
  readonly steps: number;
  readonly violation: { readonly what: string; readonly trace: readonly string[] } | undefined;
  /** States from which the goal cannot be reached; counted only where no violation stopped the exploration. */
  readonly stuck: number;
}

export function explore<State>(machine: Machine<State>): Exploration {
  const numbers = new Map<string, number>();
  const states: State[] = [];
  const from: { parent: number; name: string }[] = [];
  const edges = new Edges();
  let steps = 0;

  const numberOf = (state: State, parent: number, name: string): number => {
    const text = machine.key(state);
    const known = numbers.get(text);
    if (known !== undefined) return known;
    const number = states.length;
    numbers.set(text, number);
    states.push(state);
    from.push({ parent, name });
    return number;
  };

  const traceTo = (number: number): string[] => {
    const names: string[] = [];
    for (let at = number; at > 0; ) {
      const step = from[at];
      if (!step) break;
      names.unshift(step.name);
      at = step.parent;
    }
    return names;
  };

  numberOf(machine.initial, 0, "");
  for (let number = 0; number < states.length; number++) {
    const state = states[number] as State;
    const what = machine.violation(state);
    if (what !== undefined) {
      return { states: states.length, steps, violation: { what, trace: traceTo(number) }, stuck: 0 };
    }
    for (const [name, next] of machine.steps(state)) {
      steps++;
      edges.add(number, numberOf(next, number, name));
    }
  }
  return { states: states.length, steps, violation: undefined, stuck: countStuck(machine, states, edges) };
}

/** Pairs of numbers, millions of them. */
class Edges {
  #pairs = new Int32Array(1 << 20);
  #length = 0;

  add(from: number, to: number): void {
    if (this.#length === this.#pairs.length) {
      const larger = new Int32Array(this.#length * 2);
      larger.set(this.#pairs);
      this.#pairs = larger;
    }
    this.#pairs[this.#length++] = from;
    this.#pairs[this.#length++] = to;
  }

  /** For each node the nodes that lead to it, as slices `[starts[to], starts[to + 1])` of `sources`. */
  backwards(nodes: number): { starts: Int32Array; sources: Int32Array } {
    const starts = new Int32Array(nodes + 2);
    for (let i = 1; i < this.#length; i += 2) bump(starts, (this.#pairs[i] ?? 0) + 2);
    for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] ?? 0) + (starts[i - 1] ?? 0);
    const sources = new Int32Array(this.#length / 2);
    for (let i = 0; i < this.#length; i += 2) {
      sources[bump(starts, (this.#pairs[i + 1] ?? 0) + 1)] = this.#pairs[i] ?? 0;
    }
    return { starts, sources };
  }
}

function bump(counts: Int32Array, at: number): number {
  const count = counts[at] ?? 0;
  counts[at] = count + 1;
  return count;
}

/** Walks backwards from the goals; what is not met cannot reach one. */
function countStuck<State>(machine: Machine<State>, states: readonly State[], edges: Edges): number {
  const { starts, sources } = edges.backwards(states.length);
  const leads = new Uint8Array(states.length);
  const open: number[] = [];
  states.forEach((state, number) => {
    if (!machine.goal(state)) return;
    leads[number] = 1;
    open.push(number);
  });
  for (let number = open.pop(); number !== undefined; number = open.pop()) {
    for (let i = starts[number] ?? 0; i < (starts[number + 1] ?? 0); i++) {
      const parent = sources[i] ?? 0;
      if (leads[parent]) continue;
      leads[parent] = 1;
      open.push(parent);
    }
  }
  return states.length - leads.reduce((sum, flag) => sum + flag, 0);
}
