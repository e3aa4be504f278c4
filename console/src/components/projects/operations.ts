import { listProjectBranches } from "@latchkey/contract/branches.ts";
import { listProjectBranchDatabases } from "@latchkey/contract/databases.ts";
import { listProjectBranchEndpoints, listProjectEndpoints } from "@latchkey/contract/endpoints.ts";
import { listProjectOperations, type Operation, type OperationStatus } from "@latchkey/contract/operations.ts";
import { listProjectBranchRoles } from "@latchkey/contract/roles.ts";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { query, refresh } from "../../api/queries.ts";

const ACTIONS: Record<Operation["action"], string> = {
  create_timeline: "Create branch storage",
  start_compute: "Start compute",
  suspend_compute: "Suspend compute",
  apply_config: "Apply configuration",
  delete_timeline: "Delete branch storage",
};

/** What an operation does, in words. */
export function describeAction(action: Operation["action"]): string {
  return ACTIONS[action] ?? action;
}

const MOVING: ReadonlySet<OperationStatus> = new Set(["scheduling", "running", "cancelling"]);

export function isMoving({ status }: Operation): boolean {
  return MOVING.has(status);
}

export function hasFailed({ status }: Operation): boolean {
  return status === "failed" || status === "error" || status === "cancelled";
}

const QUICK_MS = 500;
const IDLE_MS = 15_000;

/** The newest operations of a project, followed closely while one of them moves. */
export function useOperations(project_id: string) {
  const operations = useQuery({
    ...query(listProjectOperations, { params: { project_id }, query: { limit: 1000 } }),
    select: (answer) => answer.operations,
    refetchInterval: ({ state }) => (state.data?.operations.some(isMoving) ? QUICK_MS : IDLE_MS),
  });
  const moving = operations.data?.some(isMoving) ?? false;
  const was_moving = useRef(moving);
  useEffect(() => {
    // What the operations changed is asked for again once they are done.
    if (was_moving.current && !moving) {
      void refresh(
        listProjectBranches,
        listProjectEndpoints,
        listProjectBranchEndpoints,
        listProjectBranchRoles,
        listProjectBranchDatabases,
      );
    }
    was_moving.current = moving;
  }, [moving]);
  return operations;
}
