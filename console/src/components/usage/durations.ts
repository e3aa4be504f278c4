interface Unit {
  readonly name: string;
  readonly seconds: number;
}

const HOURS: Unit = { name: "h", seconds: 3600 };
const MINUTES: Unit = { name: "min", seconds: 60 };
const SECONDS: Unit = { name: "s", seconds: 1 };

/** The unit in which a length of time is told, so that the number is neither tiny nor long. */
export function unitFor(seconds: number): Unit {
  return [HOURS, MINUTES].find((unit) => seconds >= 2 * unit.seconds) ?? SECONDS;
}

/** "42 s", "34 min", "12.5 h", "1,340 h". */
export function formatDuration(seconds: number): string {
  const unit = unitFor(seconds);
  const value = seconds / unit.seconds;
  const digits = unit === HOURS && value < 100 ? 1 : 0;
  return `${value.toLocaleString("en", { maximumFractionDigits: digits })} ${unit.name}`;
}
