import { Section } from "../../ui/Page.tsx";
import { Figure } from "../usage/Figure.tsx";

const DAY_MS = 86_400_000;
const FIRST_MS = Date.UTC(2026, 0, 1);
/** With a gap: what is not known is not drawn as nothing. */
const POINTS = Array.from({ length: 30 }, (_, day) => ({
  at_ms: FIRST_MS + day * DAY_MS,
  value: day > 8 && day < 12 ? null : 4 + ((day * 37) % 11),
}));

const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });
const NAMING = {
  nameStep: (at_ms: number) => DAY.format(at_ms),
  nameTick: (at_ms: number) => DAY.format(at_ms),
  formatValue: (value: number) => `${value} h`,
};

export function Charts() {
  return (
    <Section title="Charts" description="One series over time. The arrow keys go from step to step.">
      <div className="grid gap-4 lg:grid-cols-2">
        <Figure {...NAMING} title="Bars" kind="bars" sum="253 h in all" points={POINTS} />
        <Figure {...NAMING} title="Area" kind="area" sum="4 h at the end" points={POINTS} />
      </div>
    </Section>
  );
}
