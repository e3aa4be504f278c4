import { useEffect, useState } from "react";
import { Tooltip } from "./Tooltip.tsx";

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const DAY_OF_YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;
/** Beyond this a date says more than a count of days. */
const RELATIVE_UNTIL_S = 30 * DAY_S;

/** "2 min ago", "yesterday", "in 6 days", "12 Mar", in the person's zone. */
export function relativeTime(at_ms: number, now_ms: number): string {
  const delta_s = Math.round((at_ms - now_ms) / 1000);
  const distance_s = Math.abs(delta_s);
  if (distance_s < 10) return "just now";
  if (distance_s < MINUTE_S) return RELATIVE.format(delta_s, "second");
  if (distance_s < HOUR_S) return RELATIVE.format(Math.trunc(delta_s / MINUTE_S), "minute");
  if (distance_s < DAY_S) return RELATIVE.format(Math.trunc(delta_s / HOUR_S), "hour");
  if (distance_s < RELATIVE_UNTIL_S) return RELATIVE.format(Math.trunc(delta_s / DAY_S), "day");
  const same_year = new Date(at_ms).getFullYear() === new Date(now_ms).getFullYear();
  return (same_year ? DAY : DAY_OF_YEAR).format(at_ms);
}

export function exactTime(at_ms: number): string {
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
