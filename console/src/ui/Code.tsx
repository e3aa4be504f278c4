import { CopyButton } from "./CopyButton.tsx";
import { classes } from "./classes.ts";

interface CodeProps {
  readonly text: string;
  /** What it is, for the copy button's name: "connection string". */
  readonly what: string;
  /** What to copy when it is not what is shown, as with a hidden password. */
  readonly copy?: string | (() => Promise<string>) | undefined;
  readonly wrap?: boolean;
}

/** Ids, tokens, SQL and connection strings: monospace, the copy button always at the right end. */
export function Code({ text, what, copy, wrap = true }: CodeProps) {
  return (
    <div className="flex min-w-0 items-start gap-2 rounded-md border border-line bg-sunken py-1 pr-1 pl-3">
      <code
        className={classes(
          "min-w-0 flex-1 self-center py-0.5 font-mono text-13",
          wrap ? "break-all whitespace-pre-wrap" : "truncate",
        )}
      >
        {text}
      </code>
      <CopyButton text={copy ?? text} what={what} />
    </div>
  );
}

/** An id in running text or a table cell. */
export function Mono({ children, className }: { readonly children: string; readonly className?: string }) {
  return <span className={classes("font-mono text-13", className)}>{children}</span>;
}
