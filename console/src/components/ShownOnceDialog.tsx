import { useBlocker } from "@tanstack/react-router";
import { type ReactNode, type RefObject, useEffect, useState } from "react";
import { Button } from "../ui/Button.tsx";
import { Check } from "../ui/Check.tsx";
import { Actions, AlertDialog, Dialog } from "../ui/Dialog.tsx";
import { sendingContext } from "../ui/Form.tsx";
import { useForgottenOnLeaving } from "../ui/forgotten-on-leaving.ts";

interface Words {
  readonly title: string;
  readonly description: ReactNode;
}

interface ShownOnceDialogProps {
  /** What makes the secret. It is shown in the same dialog, which keeps the focus inside all the time. */
  readonly form: { readonly title: string; readonly content: ReactNode };
  /** There is a secret. */
  readonly made: boolean;
  /** In the state of whoever made it, and nowhere else; undefined before, and once it is forgotten. */
  readonly secret: string | undefined;
  readonly onForget: () => void;
  readonly shown: { readonly title: string; readonly description: string };
  readonly children: (secret: string) => ReactNode;
  /** Ticked before Done can be pressed; left out where the secret can be had again. */
  readonly stored?: { readonly label: string; readonly missing: string };
  /** The question on leaving: its words, and those of its two answers. */
  readonly leaving: Words & { readonly stay: string; readonly leave: string };
  /** What there is to know when the page is shown again after it was left, without the secret. */
  readonly forgotten: Words;
  readonly onClose: () => void;
  readonly return_focus: RefObject<HTMLElement | null>;
}

/**
 * Shows a secret that cannot be shown again. Leaving asks, whichever way; and the secret is out of the page before
 * that is kept for the back button.
 */
export function ShownOnceDialog(props: ShownOnceDialogProps) {
  const { form, made, secret, onForget, children, leaving, forgotten, onClose, return_focus } = props;
  const [stored, setStored] = useState(false);
  const [asking, setAsking] = useState(false);
  const [sending, setSending] = useState(false);
  // Whoever left now would leave a live secret behind that nobody has seen.
  const making = sending && !made;
  const at_risk = secret !== undefined && !stored;
  const blocker = useBlocker({
    shouldBlockFn: () => making || at_risk,
    enableBeforeUnload: () => making || at_risk,
    withResolver: true,
  });
  useEffect(() => {
    if (making) blocker.reset?.();
  }, [making, blocker.reset]);
  useForgottenOnLeaving(() => {
    setAsking(false);
    if (made) onForget();
  });

  const stay = () => {
    setAsking(false);
    blocker.reset?.();
  };
  return (
    <>
      <Dialog
        open
        {...(made ? (secret === undefined ? { title: forgotten.title } : props.shown) : { title: form.title })}
        onClose={() => {
          if (making) return;
          if (at_risk) setAsking(true);
          else onClose();
        }}
        return_focus={return_focus}
      >
        {!made && <sendingContext.Provider value={setSending}>{form.content}</sendingContext.Provider>}
        {made && secret === undefined && (
          <>
            <p className="text-muted">{forgotten.description}</p>
            <Actions>
              <Button kind="primary" onClick={onClose}>
                Close
              </Button>
            </Actions>
          </>
        )}
        {secret !== undefined && (
          <>
            {children(secret)}
            {props.stored && <Check label={props.stored.label} checked={stored} onChange={setStored} />}
            <Actions>
              <Button
                kind="primary"
                onClick={onClose}
                disabled_reason={props.stored && !stored ? props.stored.missing : undefined}
              >
                Done
              </Button>
            </Actions>
          </>
        )}
      </Dialog>
      <AlertDialog
        open={asking || (at_risk && blocker.status === "blocked")}
        title={leaving.title}
        description={<p>{leaving.description}</p>}
        onClose={stay}
      >
        <Actions>
          <Button onClick={stay}>{leaving.stay}</Button>
          <Button
            kind="danger"
            onClick={() => {
              const proceed = blocker.proceed;
              onClose();
              proceed?.();
            }}
          >
            {leaving.leave}
          </Button>
        </Actions>
      </AlertDialog>
    </>
  );
}
