import type { CreatedKey } from "@latchkey/contract/api-keys.ts";
import { useBlocker } from "@tanstack/react-router";
import { type ReactNode, type RefObject, useEffect, useState } from "react";
import { flushSync } from "react-dom";
import { Button } from "../../ui/Button.tsx";
import { Actions, AlertDialog, Dialog } from "../../ui/Dialog.tsx";
import { ShownOnce } from "./ShownOnce.tsx";

interface NewKeyDialogProps {
  readonly onClose: () => void;
  /** The form; it hands over the key that it got. */
  readonly form: (onCreated: (key: CreatedKey) => void) => ReactNode;
  readonly return_focus: RefObject<HTMLElement | null>;
}

/**
 * Creates a key and shows its token, once. The token is in the state of this component and nowhere else: the
 * call's answer goes through no cache, and the state goes with the component. It is open as long as it is
 * mounted, so that each key has a component of its own, and nothing of one is found in the next.
 */
export function NewKeyDialog({ onClose, form, return_focus }: NewKeyDialogProps) {
  const [created, setCreated] = useState<CreatedKey>();
  const [stored, setStored] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const at_risk = created !== undefined && !stored;
  const blocker = useBlocker({
    shouldBlockFn: () => at_risk,
    enableBeforeUnload: () => at_risk,
    withResolver: true,
  });
  useForgottenOnLeaving(() => setCreated(undefined));

  const close = () => {
    if (at_risk) setLeaving(true);
    else onClose();
  };
  const asked = leaving || blocker.status === "blocked";
  return (
    <>
      {created === undefined ? (
        <Dialog open title="Create API key" onClose={close} return_focus={return_focus}>
          {form(setCreated)}
        </Dialog>
      ) : (
        <Dialog
          open
          title="Copy your key now"
          description="This is the only time it is shown. Latchkey keeps a fingerprint, not the key."
          onClose={close}
          return_focus={return_focus}
        >
          <ShownOnce created={created} stored={stored} onStored={setStored} onDone={onClose} />
        </Dialog>
      )}
      <AlertDialog
        open={asked}
        title="Leave without storing the key?"
        description={
          <p>
            You have not said that you stored <strong className="font-medium text-text">{created?.name}</strong>. Its
            token cannot be shown again; you would have to revoke the key and create another.
          </p>
        }
        onClose={() => {
          setLeaving(false);
          blocker.reset?.();
        }}
      >
        <Actions>
          <Button
            onClick={() => {
              setLeaving(false);
              blocker.reset?.();
            }}
          >
            Back to the key
          </Button>
          <Button
            kind="danger"
            onClick={() => {
              const proceed = blocker.proceed;
              onClose();
              proceed?.();
            }}
          >
            Leave without it
          </Button>
        </Actions>
      </AlertDialog>
    </>
  );
}

/**
 * Browsers freeze a page that is left and may show it again from memory, as it was (the back-forward cache).
 * The token has to be out of the page before that.
 */
function useForgottenOnLeaving(forget: () => void): void {
  useEffect(() => {
    const onLeave = () => flushSync(forget);
    window.addEventListener("pagehide", onLeave);
    return () => window.removeEventListener("pagehide", onLeave);
  });
}
