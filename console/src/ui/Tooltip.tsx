import { cloneElement, type ReactElement, type ReactNode, useEffect, useId, useRef, useState } from "react";

interface TooltipProps {
  readonly text: string;
  /** The element it belongs to, which must take hover and focus. */
  readonly children: ReactElement;
}

/** A word on hover and focus. It repeats or shortens; what must be known is never here alone. */
export function Tooltip({ text, children }: TooltipProps) {
  return cloneElement(children as ReactElement<Record<string, unknown>>, { [MARK]: text });
}

const MARK = "data-tooltip";
const DELAY_MS = 350;
/** For the way from the target to the tooltip, over what lies between them. */
const GRACE_MS = 150;
const GAP_PX = 6;
const MARGIN_PX = 8;

interface Shown {
  readonly target: HTMLElement;
  readonly text: string;
}

/**
 * Shows the tooltips of the whole page, one at a time, from one place: a table has hundreds of elements that
 * may show one. It stays while the pointer is on it, and Escape hides it (WCAG 1.4.13).
 */
export function Tooltips({ children }: { readonly children: ReactNode }) {
  const [shown, setShown] = useState<Shown>();
  useEffect(() => watch(setShown), []);
  return (
    <>
      {children}
      {shown && <Bubble key={shown.text} {...shown} />}
    </>
  );
}

function Bubble({ target, text }: Shown) {
  const id = useId();
  const bubble = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = bubble.current;
    if (!box) return;
    // In the top layer: above the dialog that its target may be in.
    box.showPopover();
    place(box, target.getBoundingClientRect());
    // An icon button is named by the very word; only what adds something is a description.
    const described = target.getAttribute("aria-describedby");
    if (target.getAttribute("aria-label") !== text && described === null) target.setAttribute("aria-describedby", id);
    return () => {
      if (target.getAttribute("aria-describedby") === id) target.removeAttribute("aria-describedby");
    };
  }, [target, text, id]);
  return (
    <div
      ref={bubble}
      id={id}
      role="tooltip"
      popover="manual"
      className="fixed inset-auto m-0 max-w-72 rounded-md bg-text px-2 py-1 text-13 text-canvas shadow-popup"
    >
      {text}
    </div>
  );
}

/** Above its target where there is room, else below; never beyond the window. */
function place(box: HTMLElement, target: DOMRect): void {
  const { width, height } = box.getBoundingClientRect();
  const above = target.top - height - GAP_PX;
  const left = target.left + target.width / 2 - width / 2;
  const rightmost = document.documentElement.clientWidth - width - MARGIN_PX;
  box.style.top = `${above >= MARGIN_PX ? above : target.bottom + GAP_PX}px`;
  box.style.left = `${Math.max(MARGIN_PX, Math.min(left, rightmost))}px`;
}

function watch(show: (shown: Shown | undefined) => void): () => void {
  let timer: number | undefined;
  const hide = () => {
    window.clearTimeout(timer);
    show(undefined);
  };
  const later = (target: HTMLElement, delay_ms: number) => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => {
      const text = target.getAttribute(MARK);
      if (text && target.isConnected) show({ target, text });
    }, delay_ms);
  };
  const onOver = (event: PointerEvent) => {
    if (event.pointerType === "touch" || !(event.target instanceof Element)) return;
    if (event.target.closest("[role=tooltip]")) return window.clearTimeout(timer);
    const target = event.target.closest<HTMLElement>(`[${MARK}]`);
    if (target) return later(target, DELAY_MS);
    window.clearTimeout(timer);
    timer = window.setTimeout(hide, GRACE_MS);
  };
  const onFocus = (event: FocusEvent) => {
    const target = event.target instanceof HTMLElement ? event.target.closest<HTMLElement>(`[${MARK}]`) : null;
    // Only for a focus that came by key: a press has its own answer.
    if (target?.matches(":focus-visible")) later(target, 0);
    else hide();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") hide();
  };
  document.addEventListener("pointerover", onOver);
  document.addEventListener("focusin", onFocus);
  for (const name of ["focusout", "pointerdown", "scroll"] as const) document.addEventListener(name, hide, true);
  document.addEventListener("keydown", onKey, true);
  return () => {
    window.clearTimeout(timer);
    document.removeEventListener("pointerover", onOver);
    document.removeEventListener("focusin", onFocus);
    for (const name of ["focusout", "pointerdown", "scroll"] as const) document.removeEventListener(name, hide, true);
    document.removeEventListener("keydown", onKey, true);
  };
}
