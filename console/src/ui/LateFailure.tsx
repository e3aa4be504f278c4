import { useLayoutEffect, useRef } from "react";
import { Button } from "./Button.tsx";
import { Notice } from "./Notice.tsx";

/** Why a part of the Console did not come: the server has a newer one, or it cannot be reached. */
export type LateFailure = "outdated" | "unreachable";

const WORDS = {
  outdated: {
    title: "This page is from an earlier version of the Console",
    detail:
      "The server was upgraded after the page had been opened, and has this part of it no longer. Reload the page.",
  },
  unreachable: {
    title: "This part of the Console did not come",
    detail: "Check that Latchkey is running and that this machine can reach it, then try again.",
  },
};

interface LateFailureProps {
  readonly failure: LateFailure;
  readonly onRetry: () => void;
}

/** Stands where a part of a page did not come. */
export function LateFailureNotice({ failure, onRetry }: LateFailureProps) {
  const { title, detail } = WORDS[failure];
  const way_on =
    failure === "unreachable" ? (
      <Button onClick={onRetry}>Try again</Button>
    ) : (
      <Button onClick={() => window.location.reload()}>Reload page</Button>
    );
  return (
    <Notice kind="danger" title={title} action={way_on}>
      {detail}
    </Notice>
  );
}

/** In place of what would have opened. It is the browser's own dialog, because the code of ours may be what did not come. */
export function LateFailureDialog({ onClose, ...props }: LateFailureProps & { readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    // Closed before it is taken away: that is when the browser gives the focus back.
    return () => shown?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      role="alertdialog"
      data-asks
      aria-label={WORDS[props.failure].title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      className="m-auto max-w-[480px] rounded-lg border border-line bg-raised p-5 text-text shadow-popup backdrop:bg-shade"
    >
      <LateFailureNotice {...props} />
      <Button className="mt-3" onClick={onClose}>
        Close
      </Button>
    </dialog>
  );
}
