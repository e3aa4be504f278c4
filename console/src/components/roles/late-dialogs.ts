import { lateDialog } from "../../ui/late.tsx";

/** What opens beside the list of roles, fetched when it is first wanted. */
export const CreateRoleDialog = lateDialog(async () => (await import("./CreateRoleDialog.tsx")).CreateRoleDialog);
export const RolePasswordDialog = lateDialog(async () => (await import("./RolePasswordDialog.tsx")).RolePasswordDialog);
