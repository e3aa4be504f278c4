import { CopyButton } from "../../ui/CopyButton.tsx";
import { classes } from "../../ui/classes.ts";
import { countChanges, type DiffLine, readDiff } from "./diff-lines.ts";

const LOOKS: Record<DiffLine["kind"], string> = {
  added: "bg-accent-soft",
  removed: "bg-danger-soft",
  place: "bg-sunken text-muted",
  same: "",
};

/** A unified diff as it is, each change told by its sign and, for the eye, by its ground. */
export function SchemaDiff({ diff, label }: { readonly diff: string; readonly label: string }) {
  const lines = readDiff(diff);
  const { added, removed } = countChanges(lines);
  return (
    <div className="flex flex-col gap-2">
      <div className="flex items-center justify-between gap-4">
        <p role="status" className="text-muted tabular-nums">
          {`${lineCount(added)} added, ${lineCount(removed)} removed`}
        </p>
        <CopyButton text={diff} what="difference" />
      </div>
      <SqlLines label={label} lines={lines} />
    </div>
  );
}

const lineCount = (count: number) => (count === 1 ? "1 line" : `${count.toLocaleString("en")} lines`);

/** A whole schema. */
export function SchemaText({ sql, label }: { readonly sql: string; readonly label: string }) {
  const lines = sql
    .trimEnd()
    .split("\n")
    .map((text, number) => ({ number, kind: "same" as const, text }));
  return (
    <div className="flex flex-col gap-2">
      <div className="flex justify-end">
        <CopyButton text={sql} what="schema" />
      </div>
      <SqlLines label={label} lines={lines} />
    </div>
  );
}

function SqlLines({ label, lines }: { readonly label: string; readonly lines: readonly DiffLine[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what is wider than the page has to be scrolled with keys
    <section aria-label={label} tabIndex={0} className="overflow-x-auto rounded-lg border border-line bg-surface py-2">
      <pre className="w-max min-w-full font-mono text-13">
        {lines.map(({ number, kind, text }) => (
          <div key={number} className={classes("px-4", LOOKS[kind])}>
            {text === "" ? "\n" : text}
          </div>
        ))}
      </pre>
    </section>
  );
}
