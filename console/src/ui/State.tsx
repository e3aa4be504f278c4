import { classes } from "./classes.ts";

interface StateProps {
  /** `on` is at work, `moving` is changing, `off` is at rest, `attention` wants somebody. */
  readonly kind: "on" | "moving" | "off" | "attention";
  readonly children: string;
}

const DOTS = {
  on: "bg-accent",
  moving: "border-2 border-accent bg-transparent",
  off: "border-2 border-line-strong bg-transparent",
  attention: "bg-attention",
};

/** A state in a word; the dot only helps the eye. */
export function State({ kind, children }: StateProps) {
  return (
    <span className="inline-flex items-center gap-2 whitespace-nowrap">
      <span aria-hidden className={classes("size-2 shrink-0 rounded-full", DOTS[kind])} />
      {children}
    </span>
  );
}

/** A small word beside a name: "default", "you". */
export function Tag({ children }: { readonly children: string }) {
  return (
    <span className="inline-flex h-5 items-center rounded border border-line px-1.5 text-13 font-normal whitespace-nowrap text-muted">
      {children}
    </span>
  );
}
