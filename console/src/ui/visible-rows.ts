import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useLayoutEffect, useRef, useState, useSyncExternalStore } from "react";

/** Fewer rows than this are all in the page, where the browser's own search and every reader find them. */
const ALL_BELOW = 200;
const ROW_PX = 40;
const NARROW_ROW_PX = 56;
const NARROW = window.matchMedia("(width < 40rem)");

interface VisibleRows {
  readonly body: RefObject<HTMLTableSectionElement | null>;
  readonly first: number;
  readonly last: number;
  /** Height of the rows that are left out above and below. */
  readonly before_px: number;
  readonly after_px: number;
}

/** Which rows of a long table are near the window. The page itself scrolls, so its bar and keys work as ever. */
export function useVisibleRows(count: number): VisibleRows {
  const body = useRef<HTMLTableSectionElement>(null);
  const [scrollMargin, setScrollMargin] = useState(0);
  const narrow = useSyncExternalStore(subscribe, () => NARROW.matches);
  const row_px = narrow ? NARROW_ROW_PX : ROW_PX;
  const enabled = count >= ALL_BELOW;

  useLayoutEffect(() => {
    if (enabled && body.current) setScrollMargin(body.current.getBoundingClientRect().top + window.scrollY);
  }, [enabled]);

  const virtualizer = useWindowVirtualizer({
    count,
    enabled,
    estimateSize: () => row_px,
    overscan: 12,
    scrollMargin,
  });
  if (!enabled) return { body, first: 0, last: count, before_px: 0, after_px: 0 };
  const items = virtualizer.getVirtualItems();
  const first = items.at(0)?.index ?? 0;
  const last = (items.at(-1)?.index ?? -1) + 1;
  return { body, first, last, before_px: first * row_px, after_px: (count - last) * row_px };
}

function subscribe(listener: () => void): () => void {
  NARROW.addEventListener("change", listener);
  return () => NARROW.removeEventListener("change", listener);
}
