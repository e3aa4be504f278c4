import { lateComponent } from "../../ui/late.tsx";

/** What opens on the pages of keys, fetched when it is first wanted. */
export const NewPersonalKeyDialog = lateComponent(
  async () => (await import("./NewPersonalKeyDialog.tsx")).NewPersonalKeyDialog,
);
export const NewOrganizationKeyDialog = lateComponent(
  async () => (await import("./NewOrganizationKeyDialog.tsx")).NewOrganizationKeyDialog,
);
