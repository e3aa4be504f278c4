import { lateDialog } from "../../ui/late.tsx";

/** What opens on the pages of branches, fetched when it is first wanted. */
export const CreateBranchDialog = lateDialog(async () => (await import("./CreateBranchDialog.tsx")).CreateBranchDialog);
export const RenameBranchDialog = lateDialog(async () => (await import("./RenameBranchDialog.tsx")).RenameBranchDialog);
export const BranchExpiryDialog = lateDialog(async () => (await import("./BranchExpiryDialog.tsx")).BranchExpiryDialog);
export const ResetBranchDialog = lateDialog(async () => (await import("./ResetBranchDialog.tsx")).ResetBranchDialog);
