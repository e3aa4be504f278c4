import { useState } from "react";
import { lateComponent } from "../ui/late.tsx";
import type { ConfirmProps } from "./ConfirmDialog.tsx";

const ConfirmDialog = lateComponent<ConfirmProps<unknown>>(
  async () => (await import("./ConfirmDialog.tsx")).ConfirmDialog,
);

/** Asks before something is destroyed, does it, and says so when it could not be done. */
export function Confirm<Subject>(props: ConfirmProps<Subject>) {
  // Once asked it stays, so that the words can fade with the dialog.
  const [asked, setAsked] = useState(false);
  if (props.about !== undefined && !asked) setAsked(true);
  return asked ? <ConfirmDialog {...(props as unknown as ConfirmProps<unknown>)} /> : null;
}
