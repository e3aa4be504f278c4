const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
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
  if (distance_s < RELATIVE_UNTIL_S) return RELATIVE.format(dayOf(at_ms) - dayOf(now_ms), "day");
  const same_year = new Date(at_ms).getFullYear() === new Date(now_ms).getFullYear();
  return (same_year ? DAY : DAY_OF_YEAR).format(at_ms);
}

/** The number of its day in the person's calendar, where a day may have 23 hours: "yesterday" is a date, not a length of time. */
function dayOf(ms: number): number {
  const at = new Date(ms);
  return Date.UTC(at.getFullYear(), at.getMonth(), at.getDate()) / (DAY_S * 1000);
}
