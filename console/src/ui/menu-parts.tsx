import { Menu as BaseMenu } from "@base-ui/react/menu";
import { Check } from "lucide-react";
import { type ReactElement, type ReactNode, useLayoutEffect, useRef } from "react";
import { classes } from "./classes.ts";
import type { MenuChoiceProps, MenuItemProps, MenuLinkProps, MenuProps } from "./Menu.tsx";

/** The working parts of `Menu.tsx`, which come late. */

const ITEM =
  "flex min-h-8 items-center gap-2 rounded-md px-2.5 text-14 select-none outline-none data-highlighted:bg-hover max-sm:min-h-10 [&_svg]:size-4 [&_svg]:shrink-0 ";

interface OpenMenuProps extends MenuProps {
  /** It was pressed before this came. */
  readonly pressed: boolean;
  /** Its trigger had the focus before this came. */
  readonly focused: boolean;
}

export function OpenMenu({ trigger, align = "start", children, className, pressed, focused }: OpenMenuProps) {
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    if (focused) button.current?.focus();
  }, [focused]);
  return (
    <BaseMenu.Root modal={false} defaultOpen={pressed}>
      <BaseMenu.Trigger ref={button} render={trigger} />
      <Popup align={align} className={className}>
        {children}
      </Popup>
    </BaseMenu.Root>
  );
}

interface PopupProps {
  readonly align: "start" | "end";
  readonly className?: string | undefined;
  readonly children: ReactNode;
}

function Popup({ align, className, children }: PopupProps) {
  return (
    <BaseMenu.Portal>
      <BaseMenu.Positioner sideOffset={4} align={align} className="z-30 outline-none">
        <BaseMenu.Popup
          className={classes(
            "max-h-[min(28rem,var(--available-height))] max-w-(--available-width) min-w-44 overflow-y-auto rounded-lg border border-line bg-raised p-1 shadow-popup outline-none",
            className,
          )}
        >
          {children}
        </BaseMenu.Popup>
      </BaseMenu.Positioner>
    </BaseMenu.Portal>
  );
}

/** Makes what ties the triggers of a shared menu to its popup. */
export const createHandle = BaseMenu.createHandle;

interface SharedTriggerProps<Subject> {
  readonly handle: BaseMenu.Handle<Subject>;
  readonly subject: Subject;
  readonly trigger: ReactElement;
}

export function SharedTrigger<Subject>({ handle, subject, trigger }: SharedTriggerProps<Subject>) {
  return <BaseMenu.Trigger handle={handle} payload={subject} render={trigger} />;
}

interface SharedPopupProps<Subject> {
  readonly handle: BaseMenu.Handle<Subject>;
  readonly items: (subject: Subject) => ReactNode;
}

export function SharedPopup<Subject>({ handle, items }: SharedPopupProps<Subject>) {
  return (
    <BaseMenu.Root handle={handle} modal={false}>
      {({ payload }) => <Popup align="end">{payload !== undefined && items(payload)}</Popup>}
    </BaseMenu.Root>
  );
}

export function Item({ onClick, danger = false, disabled_reason, children }: MenuItemProps) {
  const disabled = disabled_reason !== undefined;
  return (
    <BaseMenu.Item
      onClick={onClick}
      disabled={disabled}
      className={classes(ITEM, danger && !disabled && "text-danger", disabled && "flex-wrap gap-y-0 py-1.5 text-muted")}
    >
      {children}
      {/* A menu item takes focus when it is disabled too, so its reason is read out with it. */}
      {disabled && <span className="w-full text-13 text-muted">{disabled_reason}</span>}
    </BaseMenu.Item>
  );
}

export function LinkItem({ link, current, children }: MenuLinkProps) {
  return (
    <BaseMenu.LinkItem render={link} closeOnClick className={ITEM} aria-current={current ? "true" : undefined}>
      {children}
      {current && <Check aria-hidden className="ml-auto" />}
    </BaseMenu.LinkItem>
  );
}

export function Choice<Value extends string>({ label, value, options, onChange }: MenuChoiceProps<Value>) {
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

export function Group({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <BaseMenu.Group>
      <BaseMenu.GroupLabel className="px-2.5 pt-2 pb-1 text-13 text-muted">{label}</BaseMenu.GroupLabel>
      {children}
    </BaseMenu.Group>
  );
}

export function Separator() {
  return <BaseMenu.Separator className="my-1 h-px bg-line" />;
}
