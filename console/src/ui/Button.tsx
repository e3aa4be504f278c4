import { type ComponentProps, type MouseEvent, type ReactNode, useId } from "react";
import { classes } from "./classes.ts";
import { Tooltip } from "./Tooltip.tsx";

export type ButtonKind = "primary" | "secondary" | "quiet" | "danger";

const SHAPE =
  "inline-flex h-8 items-center justify-center gap-1.5 rounded-md px-3 text-14 font-medium whitespace-nowrap select-none transition-colors " +
  "max-sm:h-9 [&_svg]:size-4 [&_svg]:shrink-0";

const KINDS: Record<ButtonKind, string> = {
  primary: "bg-accent text-on-accent hover:not-aria-disabled:bg-accent-hover",
  secondary: "border border-line-strong bg-surface text-text hover:not-aria-disabled:bg-hover",
  quiet: "text-text hover:not-aria-disabled:bg-hover",
  danger: "bg-danger text-on-danger hover:not-aria-disabled:bg-danger-hover",
};
const DISABLED = "aria-disabled:bg-pressed aria-disabled:text-faint aria-disabled:border-transparent";

/** The look of a button, for links that are one. */
export function buttonClass(kind: ButtonKind = "secondary"): string {
  return classes(SHAPE, KINDS[kind], DISABLED);
}

export interface ButtonProps extends Omit<ComponentProps<"button">, "disabled"> {
  readonly kind?: ButtonKind | undefined;
  /** Why it cannot be pressed: shown on hover and focus, and told to screen readers. Undefined: it can. */
  readonly disabled_reason?: string | undefined;
  /** Work is under way: it keeps its place and its focus, and does nothing. */
  readonly busy?: boolean | undefined;
  readonly children: ReactNode;
}

export function Button({
  kind = "secondary",
  disabled_reason,
  busy = false,
  className,
  type = "button",
  onClick,
  ...props
}: ButtonProps) {
  const reason_id = useId();
  const disabled = disabled_reason !== undefined || busy;
  const press = (event: MouseEvent<HTMLButtonElement>) => {
    // A form's button would send the form; `disabled` itself would take the focus away.
    if (disabled) event.preventDefault();
    else onClick?.(event);
  };
  const button = (
    <button
      {...props}
      type={type}
      onClick={press}
      className={classes(buttonClass(kind), className)}
      aria-disabled={disabled || undefined}
      aria-busy={busy || undefined}
      aria-describedby={disabled_reason === undefined ? props["aria-describedby"] : reason_id}
    />
  );
  if (disabled_reason === undefined) return button;
  return (
    <>
      <Tooltip text={disabled_reason}>{button}</Tooltip>
      <span id={reason_id} className="sr-only">
        {disabled_reason}
      </span>
    </>
  );
}

/** The look of a button that is an icon. */
export const ICON_BUTTON =
  "inline-flex size-7 shrink-0 items-center justify-center rounded-md text-muted transition-colors max-sm:size-9 " +
  "hover:bg-hover hover:text-text data-popup-open:bg-pressed [&_svg]:size-4";

interface IconButtonProps extends Omit<ComponentProps<"button">, "children"> {
  /** The name that a screen reader says and the tooltip shows. */
  readonly label: string;
  /** The icon; left out where a primitive of Base UI puts it in. */
  readonly children?: ReactNode;
}

/** Only for icons that everybody reads alike: copy, close, more. */
export function IconButton({ label, className, type = "button", ...props }: IconButtonProps) {
  return (
    <Tooltip text={label}>
      <button {...props} type={type} aria-label={label} className={classes(ICON_BUTTON, className)} />
    </Tooltip>
  );
}
