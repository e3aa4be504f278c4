import { type RefObject, useEffect, useRef, useState, useSyncExternalStore } from "react";

/** Fewer rows than this are all in the page, where the browser's own search and every reader find them. */
const ALL_BELOW = 200;
const ROW_PX = 40;
const NARROW_ROW_PX = 56;
/** Rows kept ready above and below the window, in steps of which the range moves. */
const SPARE = 12;
const NARROW = window.matchMedia("(width < 40rem)");

interface VisibleRows {
  readonly body: RefObject<HTMLTableSectionElement | null>;
  readonly first: number;
  readonly last: number;
  /** Height of the rows that are left out above and below. */
  readonly before_px: number;
  readonly after_px: number;
}

/**
 * Which rows of a long table are near the window. Rows of such a table are all of one height, so that it can
 * be told from the scroll position alone; the page itself scrolls, and its bar and keys work as ever.
 */
export function useVisibleRows(count: number): VisibleRows {
  const body = useRef<HTMLTableSectionElement>(null);
  const row_px = useSyncExternalStore(onWidth, () => NARROW.matches) ? NARROW_ROW_PX : ROW_PX;
  const [range, setRange] = useState({ first: 0, last: 0 });
  const all = count < ALL_BELOW;

  useEffect(() => {
    if (all) return;
    const update = () => {
      const hidden_px = -(body.current?.getBoundingClientRect().top ?? 0);
      const first = Math.max(0, (Math.floor(hidden_px / row_px / SPARE) - 1) * SPARE);
      const rows = Math.ceil(window.innerHeight / row_px / SPARE + 3) * SPARE;
      const last = Math.min(count, first + rows);
      setRange((now) => (now.first === first && now.last === last ? now : { first, last }));
    };
    update();
    window.addEventListener("scroll", update, { passive: true });
    window.addEventListener("resize", update);
    return () => {
      window.removeEventListener("scroll", update);
      window.removeEventListener("resize", update);
    };
  }, [all, count, row_px]);

  if (all) return { body, first: 0, last: count, before_px: 0, after_px: 0 };
  // A search may have left fewer rows than the range that was set before it.
  const last = Math.min(range.last === 0 ? SPARE * 3 : range.last, count);
  const first = Math.min(range.first, last);
  return { body, first, last, before_px: first * row_px, after_px: (count - last) * row_px };
}

function onWidth(listener: () => void): () => void {
  NARROW.addEventListener("change", listener);
  return () => NARROW.removeEventListener("change", listener);
}
