import {
  Area,
  AreaChart,
  Bar,
  BarChart,
  CartesianGrid,
  ResponsiveContainer,
  Tooltip,
  type TooltipContentProps,
  XAxis,
  YAxis,
} from "recharts";

export interface UsageChartProps {
  /** What it shows, for assistive technology. */
  readonly label: string;
  /** Bars for what is added up over time, an area for what there is at a time. */
  readonly kind: "bars" | "area";
  /** A value of null is not known: a gap. */
  readonly points: readonly { readonly at_ms: number; readonly value: number | null }[];
  readonly nameStep: (at_ms: number) => string;
  readonly nameTick: (at_ms: number) => string;
  readonly formatValue: (value: number) => string;
}

const TICK = { fontSize: 12, fill: "var(--n11)" };

/**
 * One series over time. The arrow keys go from step to step once it has the focus. It is the one file that knows the
 * chart library, and is fetched after the page that shows it.
 */
export function UsageChart({ label, kind, points, nameStep, nameTick, formatValue }: UsageChartProps) {
  const shared = { data: [...points], title: label, margin: { top: 8, right: 4, bottom: 0, left: 0 } };
  const parts = [
    <CartesianGrid key="grid" vertical={false} stroke="var(--n5)" />,
    <XAxis
      key="x"
      dataKey="at_ms"
      tickFormatter={nameTick}
      tick={TICK}
      tickLine={false}
      axisLine={{ stroke: "var(--n8)" }}
      minTickGap={24}
    />,
    <YAxis
      key="y"
      tickFormatter={formatValue}
      tick={TICK}
      tickLine={false}
      axisLine={false}
      tickCount={4}
      width="auto"
      domain={[0, "auto"]}
    />,
    <Tooltip
      key="tooltip"
      isAnimationActive={false}
      cursor={kind === "bars" ? { fill: "var(--n4)" } : { stroke: "var(--n8)" }}
      content={(props: TooltipContentProps) => <Step {...props} nameStep={nameStep} formatValue={formatValue} />}
    />,
  ];
  return (
    <ResponsiveContainer width="100%" height="100%">
      {kind === "bars" ? (
        <BarChart {...shared}>
          {parts}
          <Bar dataKey="value" fill="var(--series)" isAnimationActive={false} maxBarSize={36} radius={[2, 2, 0, 0]} />
        </BarChart>
      ) : (
        <AreaChart {...shared}>
          {parts}
          <Area
            dataKey="value"
            type="stepAfter"
            stroke="var(--series)"
            strokeWidth={2}
            fill="var(--series-soft)"
            fillOpacity={1}
            isAnimationActive={false}
          />
        </AreaChart>
      )}
    </ResponsiveContainer>
  );
}

type StepProps = TooltipContentProps & Pick<UsageChartProps, "nameStep" | "formatValue">;

/** The step under the pointer or chosen by key; read out as it changes. */
function Step({ active, label, payload, nameStep, formatValue }: StepProps) {
  const value = payload?.[0]?.value;
  if (!active || label === undefined) return null;
  return (
    <div role="status" className="rounded-md border border-line bg-raised px-2.5 py-1.5 text-13 shadow-popup">
      <p className="text-muted">{nameStep(Number(label))}</p>
      <p className="font-medium tabular-nums">{typeof value === "number" ? formatValue(value) : "not known"}</p>
    </div>
  );
}
