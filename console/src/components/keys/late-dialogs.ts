import { lateDialog } from "../../ui/late.tsx";

/** What opens on the pages of keys, fetched when it is first wanted. */
export const NewPersonalKeyDialog = lateDialog(
  async () => (await import("./NewPersonalKeyDialog.tsx")).NewPersonalKeyDialog,
);
export const NewOrganizationKeyDialog = lateDialog(
  async () => (await import("./NewOrganizationKeyDialog.tsx")).NewOrganizationKeyDialog,
);
