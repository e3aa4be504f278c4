import { lateComponent } from "../../ui/late.tsx";

/** What opens on the pages of branches, fetched when it is first wanted. */
export const CreateBranchDialog = lateComponent(
  async () => (await import("./CreateBranchDialog.tsx")).CreateBranchDialog,
);
export const RenameBranchDialog = lateComponent(
  async () => (await import("./RenameBranchDialog.tsx")).RenameBranchDialog,
);
export const BranchExpiryDialog = lateComponent(
  async () => (await import("./BranchExpiryDialog.tsx")).BranchExpiryDialog,
);
export const ResetBranchDialog = lateComponent(async () => (await import("./ResetBranchDialog.tsx")).ResetBranchDialog);
