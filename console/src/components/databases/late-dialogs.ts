import { lateComponent } from "../../ui/late.tsx";

/** What opens beside the list of databases, fetched when it is first wanted. */
export const DatabaseDialog = lateComponent(async () => (await import("./DatabaseDialog.tsx")).DatabaseDialog);
