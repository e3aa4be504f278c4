import { lateDialog } from "../../ui/late.tsx";

/** What opens from a branch's menu, fetched after the page. */
export const BranchTasks = lateDialog(
  async () => (await import("./BranchTasks.tsx")).BranchTasks,
  ({ asked }) => asked !== undefined,
);
