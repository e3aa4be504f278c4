import { formatBytes } from "../projects/states.tsx";
import { formatDuration, unitFor } from "./durations.ts";
import { Figure } from "./Figure.tsx";
import { type ChosenRange, nameStep, nameTick } from "./usage-range.ts";
import { total, type UsageStep, type Used } from "./usage-series.ts";

interface UsageFiguresProps {
  readonly chosen: ChosenRange;
  /** Undefined while loading. */
  readonly steps: readonly UsageStep[] | undefined;
}

/** The three charts, each with the one number that sums it up. */
export function UsageFigures({ chosen, steps }: UsageFiguresProps) {
  const sums = steps && total(steps);
  const naming = {
    nameStep: (at_ms: number) => nameStep(at_ms, chosen.granularity),
    nameTick: (at_ms: number) => nameTick(at_ms, chosen),
  };
  const points = (read: (used: Used) => number | null) =>
    steps?.map(({ at_ms, used }) => ({ at_ms, value: used ? read(used) : null }));
  // Ticks are round numbers of what is drawn: so hours have to be drawn as hours.
  const unit = unitFor(Math.max(0, ...(steps ?? []).map(({ used }) => used?.active_seconds ?? 0)));
  return (
    <div className="flex flex-col gap-4">
      <Figure
        {...naming}
        title="Compute time"
        sum={sums && `${formatDuration(sums.active_seconds)} in all`}
        kind="bars"
        points={points(({ active_seconds }) => active_seconds / unit.seconds)}
        formatValue={(value) => `${value.toLocaleString("en", { maximumFractionDigits: 1 })} ${unit.name}`}
      />
      <Figure
        {...naming}
        title="Storage"
        sum={sums && (sums.storage_bytes === 0 ? "not measured yet" : `${formatBytes(sums.storage_bytes)} at the end`)}
        kind="area"
        points={points(({ storage_bytes }) => storage_bytes || null)}
        formatValue={formatBytes}
      />
      <Figure
        {...naming}
        title="Written data"
        sum={sums && `${formatBytes(sums.written_bytes)} in all`}
        kind="bars"
        points={points(({ written_bytes }) => written_bytes)}
        formatValue={formatBytes}
      />
    </div>
  );
}
