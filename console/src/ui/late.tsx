import { type ComponentType, type ReactElement, useEffect, useState, useSyncExternalStore } from "react";
import { type LateFailure, LateFailureDialog } from "./LateFailure.tsx";

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

/** Whether the server has another Console by now than the one that this page is from. */
async function isOutdated(): Promise<boolean> {
  const entry = document.querySelector("script[type=module][src]")?.getAttribute("src");
  try {
    const answer = await fetch("/", { headers: { accept: "text/html" }, cache: "no-store" });
    return answer.ok && !(await answer.text()).includes(`"${entry}"`);
  } catch {
    return false;
  }
}

/** Fetches what somebody waits for now. Only then is it said when it does not come: before, there is time yet. */
export function useWanted(late: Late<unknown>): { failure: LateFailure | undefined; retry: () => void } {
  const [failure, setFailure] = useState<LateFailure>();
  const [attempt, setAttempt] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt fetches anew
  useEffect(() => {
    let over = false;
    late.load().catch(async () => {
      const found = (await isOutdated()) ? "outdated" : "unreachable";
      if (!over) setFailure(found);
    });
    return () => {
      over = true;
      setFailure(undefined);
    };
  }, [late, attempt]);
  return { failure, retry: () => setAttempt((last) => last + 1) };
}

interface WantedProps {
  readonly late: Late<unknown>;
  /** It is not wanted any more. */
  readonly onClose: () => void;
}

/** Stands where something late was asked for: shows nothing, unless it does not come. */
export function Wanted({ late, onClose }: WantedProps) {
  const { failure, retry } = useWanted(late);
  return failure && <LateFailureDialog failure={failure} onRetry={retry} onClose={onClose} />;
}

/** A dialog that comes late. One that is always rendered, so that it can fade, says itself whether it is open. */
export function lateDialog<Props extends { readonly onClose: () => void }>(
  fetch: () => Promise<ComponentType<Props>>,
  isOpen: (props: Props) => boolean = () => true,
): (props: Props) => ReactElement | null {
  const late = new Late(async () => ({ Component: await fetch() }));
  // biome-ignore lint/correctness/noComponentHookFactories: called at the top of a module, once for each component
  return function LateDialog(props: Props) {
    const loaded = useLate(late);
    if (loaded) return <loaded.Component {...props} />;
    return isOpen(props) ? <Wanted late={late} onClose={props.onClose} /> : null;
  };
}
