import { useEffect, useState } from "react";
import { relativeTime } from "./relative-time.ts";
import { Tooltip } from "./Tooltip.tsx";

const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });

function exactTime(at_ms: number): string {
  return EXACT.format(at_ms);
}

/** A relative time that keeps itself right, with the exact one on hover and focus. */
export function Time({ at }: { readonly at: string }) {
  const now_ms = useMinute();
  const at_ms = Date.parse(at);
  return (
    <Tooltip text={exactTime(at_ms)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the exact time has to be reachable without a mouse */}
      <time dateTime={at} tabIndex={0} className="rounded-sm whitespace-nowrap">
        {relativeTime(at_ms, now_ms)}
      </time>
    </Tooltip>
  );
}

let now_ms = Date.now();
const listeners = new Set<(now_ms: number) => void>();
let ticking: number | undefined;

/** One clock for the whole page, however many times it shows; it stops when none does. */
function useMinute(): number {
  const [seen_ms, setSeen] = useState(() => {
    // A time that is shown first long after the last tick must not be told by that tick.
    if (listeners.size === 0) now_ms = Date.now();
    return now_ms;
  });
  useEffect(() => {
    listeners.add(setSeen);
    ticking ??= window.setInterval(() => {
      now_ms = Date.now();
      for (const listener of listeners) listener(now_ms);
    }, 30_000);
    return () => {
      listeners.delete(setSeen);
      if (listeners.size > 0) return;
      window.clearInterval(ticking);
      ticking = undefined;
    };
  }, []);
  // A row that was made after the last tick lies in its future otherwise.
  return Math.max(seen_ms, now_ms);
}
