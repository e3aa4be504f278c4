import { lateDialog } from "../../ui/late.tsx";

/** What opens on the page of members, fetched when it is first wanted. */
export const ChangeRoleDialog = lateDialog(async () => (await import("./ChangeRoleDialog.tsx")).ChangeRoleDialog);
export const InviteDialog = lateDialog(async () => (await import("./InviteDialog.tsx")).InviteDialog);
