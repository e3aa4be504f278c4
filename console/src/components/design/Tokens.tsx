import { Section } from "../../ui/Page.tsx";

const SWATCHES = [
  ["canvas", "bg-canvas"],
  ["sunken", "bg-sunken"],
  ["hover", "bg-hover"],
  ["pressed", "bg-pressed"],
  ["line", "bg-line"],
  ["line strong", "bg-line-strong"],
  ["faint", "bg-faint"],
  ["muted", "bg-muted"],
  ["text", "bg-text"],
  ["accent", "bg-accent"],
  ["accent soft", "bg-accent-soft"],
  ["danger", "bg-danger"],
  ["danger soft", "bg-danger-soft"],
  ["attention", "bg-attention"],
  ["attention soft", "bg-attention-soft"],
] as const;

export function Tokens() {
  return (
    <Section title="Tokens" description="Each colour is one token with a value for light and one for dark.">
      <ul className="grid grid-cols-[repeat(auto-fill,minmax(7rem,1fr))] gap-3">
        {SWATCHES.map(([name, color]) => (
          <li key={name} className="flex flex-col gap-1">
            <span className={`h-10 rounded-md border border-line ${color}`} />
            <span className="text-13">{name}</span>
          </li>
        ))}
      </ul>
      <div className="flex flex-col gap-1">
        <p className="text-20 font-semibold">20 for the page’s title</p>
        <p className="text-16 font-semibold">16 for a section or a dialog</p>
        <p>14 for text</p>
        <p className="text-13 text-muted">13 for hints and table heads</p>
        <p className="font-mono text-13">lk_user_0123456789 for ids, tokens and SQL</p>
      </div>
    </Section>
  );
}
