import { Menu as BaseMenu } from "@base-ui/react/menu";
import { Check } from "lucide-react";
import type { ReactElement, ReactNode } from "react";
import { classes } from "./classes.ts";

interface MenuProps {
  /** The button that opens it. */
  readonly trigger: ReactElement;
  readonly align?: "start" | "end";
  readonly children: ReactNode;
  readonly className?: string;
}

export function Menu({ trigger, align = "start", children, className }: MenuProps) {
  return (
    <BaseMenu.Root modal={false}>
      <BaseMenu.Trigger render={trigger} />
      <BaseMenu.Portal>
        <BaseMenu.Positioner sideOffset={4} align={align} className="z-30 outline-none">
          <BaseMenu.Popup
            className={classes(
              "max-h-[min(28rem,var(--available-height))] min-w-44 overflow-y-auto rounded-lg border border-line bg-raised p-1 shadow-popup outline-none",
              className,
            )}
          >
            {children}
          </BaseMenu.Popup>
        </BaseMenu.Positioner>
      </BaseMenu.Portal>
    </BaseMenu.Root>
  );
}

const ITEM =
  "flex h-8 items-center gap-2 rounded-md px-2.5 text-14 select-none outline-none data-highlighted:bg-hover max-sm:h-10 [&_svg]:size-4 [&_svg]:shrink-0 ";

interface MenuItemProps {
  readonly onClick: () => void;
  readonly danger?: boolean;
  readonly disabled_reason?: string | undefined;
  readonly children: ReactNode;
}

export function MenuItem({ onClick, danger = false, disabled_reason, children }: MenuItemProps) {
  const disabled = disabled_reason !== undefined;
  return (
    <BaseMenu.Item
      onClick={onClick}
      disabled={disabled}
      className={classes(ITEM, danger && "text-danger", disabled && "h-auto flex-wrap py-1.5 text-muted")}
    >
      {children}
      {/* A menu item takes focus when it is disabled too, so its reason is read out with it. */}
      {disabled && <span className="w-full text-13 text-muted">{disabled_reason}</span>}
    </BaseMenu.Item>
  );
}

interface MenuLinkProps {
  /** A router's link without its content. */
  readonly link: ReactElement;
  readonly current?: boolean;
  readonly children: ReactNode;
}

export function MenuLink({ link, current, children }: MenuLinkProps) {
  return (
    <BaseMenu.LinkItem render={link} closeOnClick className={ITEM} aria-current={current ? "true" : undefined}>
      {children}
      {current && <Check aria-hidden className="ml-auto" />}
    </BaseMenu.LinkItem>
  );
}

interface MenuChoiceProps<Value extends string> {
  readonly label: string;
  readonly value: Value;
  readonly options: readonly { readonly value: Value; readonly label: string }[];
  readonly onChange: (value: Value) => void;
}

/** One of a few, chosen inside a menu. */
export function MenuChoice<Value extends string>({ label, value, options, onChange }: MenuChoiceProps<Value>) {
  return (
    <BaseMenu.RadioGroup value={value} onValueChange={(next) => onChange(next as Value)}>
      <BaseMenu.GroupLabel className="px-2.5 pt-2 pb-1 text-13 text-muted">{label}</BaseMenu.GroupLabel>
      {options.map((option) => (
        <BaseMenu.RadioItem key={option.value} value={option.value} className={ITEM}>
          {option.label}
          <BaseMenu.RadioItemIndicator className="ml-auto">
            <Check aria-hidden />
          </BaseMenu.RadioItemIndicator>
        </BaseMenu.RadioItem>
      ))}
    </BaseMenu.RadioGroup>
  );
}

export function MenuGroup({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <BaseMenu.Group>
      <BaseMenu.GroupLabel className="px-2.5 pt-2 pb-1 text-13 text-muted">{label}</BaseMenu.GroupLabel>
      {children}
    </BaseMenu.Group>
  );
}

export function MenuSeparator() {
  return <BaseMenu.Separator className="my-1 h-px bg-line" />;
}
