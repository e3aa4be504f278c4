import { lateComponent } from "../../ui/late.tsx";

/** What opens on the page of members, fetched when it is first wanted. */
export const ChangeRoleDialog = lateComponent(async () => (await import("./ChangeRoleDialog.tsx")).ChangeRoleDialog);
export const InviteDialog = lateComponent(async () => (await import("./InviteDialog.tsx")).InviteDialog);
