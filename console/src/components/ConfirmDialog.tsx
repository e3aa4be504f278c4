import { type ReactNode, useRef, useState } from "react";
import { explain } from "../api/errors.ts";
import { Button, type ButtonKind } from "../ui/Button.tsx";
import { Actions, AlertDialog } from "../ui/Dialog.tsx";
import { Notice } from "../ui/Notice.tsx";

export interface ConfirmProps<Subject> {
  /** What the question is about; undefined: it is not asked. */
  readonly about: Subject | undefined;
  readonly title: (subject: Subject) => string;
  /** What happens, and what cannot be undone. */
  readonly children: (subject: Subject) => ReactNode;
  /** The button's words: the verb, never "OK". */
  readonly verb: string;
  /** Of the button: `danger` unless nothing is lost. */
  readonly kind?: ButtonKind | undefined;
  readonly onConfirm: (subject: Subject) => Promise<void>;
  readonly onClose: () => void;
}

/** Asks before something is destroyed, does it, and says so when it could not be done. */
export function ConfirmDialog<Subject>(props: ConfirmProps<Subject>) {
  const { about, title, children, verb, kind = "danger", onConfirm, onClose } = props;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  // The words stay while the dialog fades, when there is nothing left to ask about.
  const latest = useRef(about);
  if (about !== undefined) latest.current = about;
  const subject = latest.current;

  const close = () => {
    setError(undefined);
    onClose();
  };
  // The answer belongs to this question: the next one must not show it, nor be closed by it.
  const dismiss = () => {
    if (!busy) close();
  };
  const confirm = async () => {
    if (about === undefined) return;
    setBusy(true);
    setError(undefined);
    try {
      await onConfirm(about);
      close();
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy(false);
    }
  };
  const failure = error === undefined ? undefined : explain(error);
  return (
    <AlertDialog
      open={about !== undefined}
      title={subject === undefined ? "" : title(subject)}
      description={subject === undefined ? undefined : children(subject)}
      onClose={dismiss}
    >
      {failure && (
        <Notice kind="danger" title={failure.title} request_id={failure.request_id}>
          {failure.detail}
        </Notice>
      )}
      <Actions>
        <Button busy={busy} onClick={dismiss}>
          Cancel
        </Button>
        <Button kind={kind} busy={busy} onClick={() => void confirm()}>
          {verb}
        </Button>
      </Actions>
    </AlertDialog>
  );
}
