import type { ProjectSettings } from "@latchkey/contract/projects.ts";

type Quota = NonNullable<ProjectSettings["quota"]>;

/** A limit as a person reads and writes it: in hours or gigabytes, and nothing where there is none. */
interface Limit {
  readonly name: keyof Quota;
  readonly label: string;
  /** Of what the API counts, in one of what the person writes. */
  readonly unit: number;
}

const HOUR_S = 3_600;
const GB = 1e9;

export const LIMITS: readonly Limit[] = [
  { name: "active_time_seconds", label: "Time that computes run, in hours", unit: HOUR_S },
  { name: "compute_time_seconds", label: "Processor time, in hours", unit: HOUR_S },
  { name: "written_data_bytes", label: "Written data, in GB", unit: GB },
  { name: "data_transfer_bytes", label: "Data sent to clients, in GB", unit: GB },
  { name: "logical_size_bytes", label: "Size of each branch, in GB", unit: GB },
];

export type LimitTexts = Record<keyof Quota, string>;

export function writeLimits(quota: Quota = {}): LimitTexts {
  const texts = LIMITS.map(({ name, unit }) => {
    const limit = quota[name] ?? 0;
    return [name, limit === 0 ? "" : String(Number((limit / unit).toPrecision(6)))];
  });
  return Object.fromEntries(texts) as LimitTexts;
}

/** The limits whose text is another one than before; those that are left alone stay to the byte. */
export function readLimits(texts: LimitTexts, before: LimitTexts): Quota {
  const changed = LIMITS.filter(({ name }) => texts[name].trim() !== before[name]);
  return Object.fromEntries(changed.map(({ name, unit }) => [name, Math.round(Number(texts[name]) * unit)]));
}

/** What is wrong with a text, in words; true: nothing. */
export function checkLimit({ unit }: Limit, text: string): string | true {
  if (text.trim() === "") return true;
  const value = Number(text);
  if (!/^\s*\d+(\.\d+)?\s*$/.test(text)) return "Write a number, such as 100 or 2.5, or nothing for no limit.";
  if (Math.round(value * unit) === 0) return "Leave it empty for no limit.";
  return Math.round(value * unit) <= Number.MAX_SAFE_INTEGER || "This is more than can be counted.";
}
