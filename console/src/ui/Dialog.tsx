import { AlertDialog as BaseAlertDialog } from "@base-ui/react/alert-dialog";
import { Dialog as BaseDialog } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import { type ReactNode, type RefObject, useRef } from "react";
import { IconButton } from "./Button.tsx";
import { classes } from "./classes.ts";

interface DialogProps {
  readonly open: boolean;
  /** Asked by Escape, the close button and a press outside; the caller decides. */
  readonly onClose: () => void;
  readonly title: string;
  readonly description?: ReactNode;
  readonly children: ReactNode;
  /** Where focus goes on closing, when what opened the dialog is gone by then. */
  readonly return_focus?: RefObject<HTMLElement | null> | undefined;
}

const BACKDROP =
  "fixed inset-0 z-40 bg-shade transition-opacity duration-100 data-ending-style:opacity-0 data-starting-style:opacity-0";
const VIEWPORT = "fixed inset-0 z-40 flex items-start justify-center overflow-y-auto p-4 sm:pt-[12vh]";
const POPUP =
  "relative flex w-full max-w-[480px] flex-col gap-4 rounded-lg border border-line bg-raised p-5 shadow-popup outline-none " +
  "transition-opacity duration-100 data-ending-style:opacity-0 data-starting-style:opacity-0";

/** What a dialog is about comes before the button that closes it. */
const FIRST = "[data-first], input, select, textarea";

/** A dialog for a task. What is inside is unmounted when it closes. */
export function Dialog({ open, onClose, title, description, children, return_focus }: DialogProps) {
  const popup = useRef<HTMLDivElement>(null);
  return (
    <BaseDialog.Root open={open} onOpenChange={(next) => next || onClose()}>
      <BaseDialog.Portal>
        <BaseDialog.Backdrop className={BACKDROP} />
        <BaseDialog.Viewport className={VIEWPORT}>
          <BaseDialog.Popup
            ref={popup}
            data-asks
            className={POPUP}
            initialFocus={() => popup.current?.querySelector<HTMLElement>(FIRST) ?? true}
            {...(return_focus ? { finalFocus: return_focus } : {})}
          >
            <div className="flex items-start justify-between gap-4">
              <div className="flex min-w-0 flex-col gap-1">
                <BaseDialog.Title className="text-16 font-semibold break-words">{title}</BaseDialog.Title>
                {description && (
                  <BaseDialog.Description className="break-words text-muted">{description}</BaseDialog.Description>
                )}
              </div>
              <BaseDialog.Close render={<IconButton label="Close" className="-mt-1 -mr-2" />}>
                <X aria-hidden />
              </BaseDialog.Close>
            </div>
            {children}
          </BaseDialog.Popup>
        </BaseDialog.Viewport>
      </BaseDialog.Portal>
    </BaseDialog.Root>
  );
}

/** A question that has to be answered; a press outside does not close it. */
export function AlertDialog({ open, onClose, title, description, children, return_focus }: DialogProps) {
  return (
    <BaseAlertDialog.Root open={open} onOpenChange={(next) => next || onClose()}>
      <BaseAlertDialog.Portal>
        <BaseAlertDialog.Backdrop className={BACKDROP} />
        <BaseAlertDialog.Viewport className={VIEWPORT}>
          <BaseAlertDialog.Popup data-asks className={POPUP} {...(return_focus ? { finalFocus: return_focus } : {})}>
            <BaseAlertDialog.Title className="text-16 font-semibold break-words">{title}</BaseAlertDialog.Title>
            {description && (
              <BaseAlertDialog.Description render={<div />} className="flex flex-col gap-2 break-words text-muted">
                {description}
              </BaseAlertDialog.Description>
            )}
            {children}
          </BaseAlertDialog.Popup>
        </BaseAlertDialog.Viewport>
      </BaseAlertDialog.Portal>
    </BaseAlertDialog.Root>
  );
}

/** The row of buttons that ends a dialog or a form; the last one does what the title says. */
export function Actions({ children, className }: { readonly children: ReactNode; readonly className?: string }) {
  return <div className={classes("flex flex-wrap justify-end gap-2 pt-1", className)}>{children}</div>;
}
