/** After how long without use a compute is suspended, as the API has it: 0 is as usual, -1 never. */
const USUAL_SECONDS = 300;
const OFFERED = [60, 0, 900, 3600, 21_600, 86_400, 604_800, -1];

const UNITS = [
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
  [1, "second"],
] as const;

/** "after 5 minutes without use", "never by itself". */
export function describeTimeout(seconds: number): string {
  if (seconds < 0) return "never by itself";
  const span = seconds || USUAL_SECONDS;
  const [size, unit] = UNITS.find(([one]) => span % one === 0) ?? [1, "second"];
  const count = span / size;
  return `after ${count} ${unit}${count === 1 ? "" : "s"} without use`;
}

/** The value of the field for what the API says; the usual time is the same whether it is named or not. */
export function writeTimeout(seconds: number | undefined): string {
  return String(seconds === USUAL_SECONDS ? 0 : (seconds ?? 0));
}

/** What can be chosen, what is chosen now included. */
export function timeoutOptions(now: string): readonly { readonly value: string; readonly label: string }[] {
  const offered = OFFERED.map(String);
  return (offered.includes(now) ? offered : [now, ...offered]).map((value) => {
    const text = describeTimeout(Number(value));
    return { value, label: `${text.charAt(0).toUpperCase()}${text.slice(1)}${value === "0" ? " (usual)" : ""}` };
  });
}
