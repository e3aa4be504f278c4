import type { Granularity } from "@latchkey/contract/consumption.ts";

/** What time a usage page is about, and in what steps. Hours, days and months are the server's: UTC. */
interface UsageRange {
  readonly value: string;
  readonly label: string;
  /** How many steps it has in each granularity that makes sense for it and that the API keeps so long; first the usual one. */
  readonly steps: { readonly [G in Granularity]?: number };
}

export const RANGES: readonly UsageRange[] = [
  { value: "24h", label: "Last 24 hours", steps: { hourly: 24 } },
  { value: "7d", label: "Last 7 days", steps: { daily: 7, hourly: 168 } },
  { value: "30d", label: "Last 30 days", steps: { daily: 30 } },
  { value: "60d", label: "Last 60 days", steps: { daily: 60 } },
  { value: "12m", label: "Last 12 months", steps: { monthly: 12 } },
];
const USUAL = "30d";

export interface ChosenRange {
  readonly range: UsageRange;
  readonly granularity: Granularity;
  readonly count: number;
}

/** What an address asks for, as far as there is such a thing. */
export function chooseRange(value: string | undefined, by: string | undefined): ChosenRange {
  const range = RANGES.find((one) => one.value === value) ?? RANGES.find((one) => one.value === USUAL);
  if (!range) throw new Error(`no range ${USUAL}`);
  const steps = Object.entries(range.steps) as [Granularity, number][];
  const [granularity, count] = steps.find(([name]) => name === by) ?? steps[0] ?? ["daily", 0];
  return { range, granularity, count };
}

/** The start of each step, the present one last, and after it the end of that. */
export function stepsOf({ granularity, count }: ChosenRange, now_ms: number): { starts: number[]; end: number } {
  const now = new Date(now_ms);
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()];
  const [day, hour] = [now.getUTCDate(), now.getUTCHours()];
  const startOf = (offset: number) => {
    switch (granularity) {
      case "hourly":
        return Date.UTC(year, month, day, hour + offset);
      case "daily":
        return Date.UTC(year, month, day + offset);
      case "monthly":
        return Date.UTC(year, month + offset);
    }
  };
  return { starts: Array.from({ length: count }, (_, index) => startOf(index - count + 1)), end: startOf(1) };
}

const HOUR = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const HOUR_OF_DAY = new Intl.DateTimeFormat("en-GB", {
  ...{ weekday: "short", day: "numeric", month: "short" },
  ...{ hour: "2-digit", minute: "2-digit" },
});
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const DAY_OF_YEAR = new Intl.DateTimeFormat("en-GB", {
  ...{ weekday: "short", day: "numeric", month: "short" },
  ...{ year: "numeric", timeZone: "UTC" },
});
const MONTH = new Intl.DateTimeFormat("en-GB", { month: "short", timeZone: "UTC" });
const MONTH_OF_YEAR = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });

/** A step's name: hours are told in the person's zone, days and months are what they are in UTC. */
export function nameStep(at_ms: number, granularity: Granularity): string {
  return { hourly: HOUR_OF_DAY, daily: DAY_OF_YEAR, monthly: MONTH_OF_YEAR }[granularity].format(at_ms);
}

/** The same, as short as it is below a chart of so many steps. */
export function nameTick(at_ms: number, { granularity, count }: ChosenRange): string {
  // A clock's hour of seven days would be there seven times.
  if (granularity === "hourly") return (count > 24 ? DAY_IN_ZONE : HOUR).format(at_ms);
  return { daily: DAY, monthly: MONTH }[granularity].format(at_ms);
}
const DAY_IN_ZONE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
