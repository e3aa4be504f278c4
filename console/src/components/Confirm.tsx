import { lateDialog } from "../ui/late.tsx";
import type { ConfirmProps } from "./ConfirmDialog.tsx";

const ConfirmDialog = lateDialog<ConfirmProps<unknown>>(
  async () => (await import("./ConfirmDialog.tsx")).ConfirmDialog,
  ({ about }) => about !== undefined,
);

/** Asks before something is destroyed, does it, and says so when it could not be done. */
export function Confirm<Subject>(props: ConfirmProps<Subject>) {
  return <ConfirmDialog {...(props as unknown as ConfirmProps<unknown>)} />;
}
