import type { Menu as BaseMenu } from "@base-ui/react/menu";
import {
  cloneElement,
  type ReactElement,
  type ReactNode,
  type RefObject,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { Late, useLate, Wanted } from "./late.tsx";

/**
 * Menus. Until their working parts have come, a menu is its trigger alone; pointing at it, focusing it or
 * pressing it fetches them, and a press that came too early opens the menu when it can.
 */
export const menuParts = new Late(() => import("./menu-parts.tsx"));

type TriggerProps = Record<string, unknown>;

export interface MenuProps {
  /** The button that opens it. */
  readonly trigger: ReactElement<TriggerProps>;
  readonly align?: "start" | "end";
  readonly children: ReactNode;
  readonly className?: string;
}

export function Menu(props: MenuProps) {
  const parts = useLate(menuParts);
  const [pressed, setPressed] = useState(false);
  const focused = useRef(false);
  if (parts) return <parts.OpenMenu {...props} pressed={pressed} focused={focused.current} />;
  const trigger = cloneElement(
    props.trigger,
    untilItWorks(focused, () => setPressed(true)),
  );
  return withFailure(trigger, pressed, () => setPressed(false));
}

/** What a trigger does while the working parts are on their way. */
function untilItWorks(focused: RefObject<boolean>, onClick: () => void): TriggerProps {
  const fetch = () => void menuParts.load().catch(() => undefined);
  return {
    "aria-haspopup": "menu",
    "aria-expanded": false,
    onPointerEnter: fetch,
    onFocus: () => {
      focused.current = true;
      fetch();
    },
    onBlur: () => {
      focused.current = false;
    },
    onClick,
  };
}

function withFailure(trigger: ReactElement, pressed: boolean, onClose: () => void): ReactElement {
  return (
    <>
      {trigger}
      {pressed && <Wanted late={menuParts} onClose={onClose} />}
    </>
  );
}

/** One menu that many triggers open, each for its own subject: the rows of a table. Undefined inside: not here yet. */
export interface SharedMenu<Subject> {
  readonly handle: BaseMenu.Handle<Subject> | undefined;
}

export function useSharedMenu<Subject>(): SharedMenu<Subject> {
  const parts = useLate(menuParts);
  return useMemo(() => ({ handle: parts?.createHandle<Subject>() }), [parts]);
}

export interface SharedMenuTriggerProps<Subject> {
  readonly menu: SharedMenu<Subject>;
  readonly subject: Subject;
  readonly trigger: ReactElement<TriggerProps>;
}

export function SharedMenuTrigger<Subject>({ menu, subject, trigger }: SharedMenuTriggerProps<Subject>) {
  const parts = useLate(menuParts);
  const id = useId();
  const focused = useRef(false);
  const [pressed, setPressed] = useState(false);
  const working = parts !== undefined && menu.handle !== undefined;
  useLayoutEffect(() => {
    if (!working) return;
    // The working trigger takes the place of this one, and goes on where it was: no key may fall in between.
    if (focused.current) document.getElementById(id)?.focus();
    if (pressed) whenDrawn(() => document.getElementById(id)?.click());
  }, [working, id, pressed]);
  const button = cloneElement(trigger, { id });
  if (parts && menu.handle) return <parts.SharedTrigger handle={menu.handle} subject={subject} trigger={button} />;
  const waiting = cloneElement(
    button,
    untilItWorks(focused, () => setPressed(true)),
  );
  return withFailure(waiting, pressed, () => setPressed(false));
}

function whenDrawn(run: () => void): void {
  requestAnimationFrame(() => requestAnimationFrame(run));
}

export interface SharedMenuPopupProps<Subject> {
  readonly menu: SharedMenu<Subject>;
  readonly items: (subject: Subject) => ReactNode;
}

export function SharedMenuPopup<Subject>({ menu, items }: SharedMenuPopupProps<Subject>) {
  const parts = useLate(menuParts);
  return parts && menu.handle && <parts.SharedPopup handle={menu.handle} items={items} />;
}

export interface MenuItemProps {
  readonly onClick: () => void;
  readonly danger?: boolean;
  readonly disabled_reason?: string | undefined;
  readonly children: ReactNode;
}

export function MenuItem(props: MenuItemProps) {
  const parts = useLate(menuParts);
  return parts && <parts.Item {...props} />;
}

export interface MenuLinkProps {
  /** A router's link without its content. */
  readonly link: ReactElement;
  readonly current?: boolean;
  readonly children: ReactNode;
}

export function MenuLink(props: MenuLinkProps) {
  const parts = useLate(menuParts);
  return parts && <parts.LinkItem {...props} />;
}

export interface MenuChoiceProps<Value extends string> {
  readonly label: string;
  readonly value: Value;
  readonly options: readonly { readonly value: Value; readonly label: string }[];
  readonly onChange: (value: Value) => void;
}

/** One of a few, chosen inside a menu. */
export function MenuChoice<Value extends string>(props: MenuChoiceProps<Value>) {
  const parts = useLate(menuParts);
  return parts && <parts.Choice {...props} />;
}

export function MenuGroup(props: { readonly label: string; readonly children: ReactNode }) {
  const parts = useLate(menuParts);
  return parts && <parts.Group {...props} />;
}

export function MenuSeparator() {
  const parts = useLate(menuParts);
  return parts && <parts.Separator />;
}
