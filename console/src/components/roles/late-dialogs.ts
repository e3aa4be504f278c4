import { lateComponent } from "../../ui/late.tsx";

/** What opens beside the list of roles, fetched when it is first wanted. */
export const CreateRoleDialog = lateComponent(async () => (await import("./CreateRoleDialog.tsx")).CreateRoleDialog);
export const RolePasswordDialog = lateComponent(
  async () => (await import("./RolePasswordDialog.tsx")).RolePasswordDialog,
);
