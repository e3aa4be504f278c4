import { lateComponent } from "../../ui/late.tsx";

/** What opens from a branch's menu, fetched after the page. */
export const BranchTasks = lateComponent(async () => (await import("./BranchTasks.tsx")).BranchTasks);
