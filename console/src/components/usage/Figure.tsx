import { LateFailureNotice } from "../../ui/LateFailure.tsx";
import { useLate, useWanted } from "../../ui/late.tsx";
import { chart } from "./late-chart.ts";
import type { UsageChartProps } from "./UsageChart.tsx";

interface FigureProps extends Omit<UsageChartProps, "label" | "points"> {
  readonly title: string;
  /** The one number that sums it up; undefined while loading. */
  readonly sum: string | undefined;
  /** Undefined while loading. */
  readonly points: UsageChartProps["points"] | undefined;
}

/** A chart with its title and its sum. */
export function Figure({ title, sum, points, ...shown }: FigureProps) {
  const loaded = useLate(chart);
  const { failure, retry } = useWanted(chart);
  return (
    <figure className="flex flex-col gap-2 overflow-hidden rounded-lg border border-line bg-surface px-4 pt-3 pb-2">
      <figcaption className="flex flex-wrap items-baseline justify-between gap-x-4">
        <h2 className="text-16 font-semibold">{title}</h2>
        {sum === undefined ? (
          <span className="skeleton h-4 w-24" />
        ) : (
          <span className="text-muted tabular-nums">{sum}</span>
        )}
      </figcaption>
      <div className="h-44">
        {loaded && points ? (
          <loaded.UsageChart {...shown} label={title} points={points} />
        ) : failure ? (
          <LateFailureNotice failure={failure} onRetry={retry} />
        ) : (
          <div className="skeleton h-full" />
        )}
      </div>
    </figure>
  );
}
