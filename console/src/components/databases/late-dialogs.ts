import { lateDialog } from "../../ui/late.tsx";

/** What opens beside the list of databases, fetched when it is first wanted. */
export const DatabaseDialog = lateDialog(async () => (await import("./DatabaseDialog.tsx")).DatabaseDialog);
