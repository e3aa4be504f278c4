import { lateDialog } from "../../ui/late.tsx";

/** What opens on the pages of computes, fetched when it is first wanted. */
export const ComputeSettingsDialog = lateDialog(
  async () => (await import("./ComputeSettingsDialog.tsx")).ComputeSettingsDialog,
);
