import { type ComponentType, type ReactElement, useSyncExternalStore } from "react";

/**
 * Parts of the Console that a page can be shown without: what opens on a click. They are fetched when they
 * are first wanted, or when the browser has nothing better to do, so that the first list comes sooner.
 */
export class Late<Module> {
  readonly #fetch: () => Promise<Module>;
  readonly #listeners = new Set<() => void>();
  #loading: Promise<Module> | undefined;
  #module: Module | undefined;

  constructor(fetch: () => Promise<Module>) {
    this.#fetch = fetch;
    waiting.add(this as Late<unknown>);
  }

  /** What has come; undefined until then. */
  readonly current = (): Module | undefined => this.#module;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly load = async (): Promise<Module> => {
    this.#loading ??= this.#fetch();
    try {
      const module = await this.#loading;
      await released();
      this.#module = module;
    } catch (error) {
      // A lost connection now must not keep it from being fetched later.
      this.#loading = undefined;
      throw error;
    }
    for (const listener of this.#listeners) listener();
    return this.#module;
  };
}

let pressed = false;
const onPress = () => {
  pressed = true;
};
// The click comes after the release; it has to find the same element as the press.
const onRelease = () => setTimeout(() => (pressed = false));
window.addEventListener("pointerdown", onPress, true);
for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, onRelease, true);

/** Nothing is swapped under a finger: a press that begins on one element and ends on another is no click. */
async function released(): Promise<void> {
  while (pressed) await new Promise((resolve) => setTimeout(resolve, 10));
}

const waiting = new Set<Late<unknown>>();

export function useLate<Module>(late: Late<Module>): Module | undefined {
  return useSyncExternalStore(late.subscribe, late.current);
}

const PAUSE_MS = 200;
/** Between two answers there is a moment without a question. */
const CALM_LOOKS = 3;

/** Fetches everything that is late, once the page has come to rest and waits for no answer of the server any more. */
export function fetchWhenIdle(isWaiting: () => boolean): () => void {
  let timer: number | undefined;
  let calm = 0;
  const look = () => {
    calm = isWaiting() ? 0 : calm + 1;
    if (calm < CALM_LOOKS) timer = window.setTimeout(look, PAUSE_MS);
    else for (const late of waiting) void late.load().catch(() => undefined);
  };
  timer = window.setTimeout(look, PAUSE_MS);
  return () => window.clearTimeout(timer);
}

/** A component that comes late; it is rendered only when it is wanted, and shows nothing until it is there. */
export function lateComponent<Props extends object>(
  fetch: () => Promise<ComponentType<Props>>,
): (props: Props) => ReactElement | null {
  const late = new Late(async () => ({ Component: await fetch() }));
  // biome-ignore lint/correctness/noComponentHookFactories: called at the top of a module, once for each component
  return function LateComponent(props: Props) {
    const loaded = useLate(late);
    if (loaded) return <loaded.Component {...props} />;
    void late.load().catch(() => undefined);
    return null;
  };
}
