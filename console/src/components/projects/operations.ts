import { getProjectBranch, listProjectBranches } from "@latchkey/contract/branches.ts";
import { listProjectBranchDatabases } from "@latchkey/contract/databases.ts";
import { listProjectBranchEndpoints, listProjectEndpoints } from "@latchkey/contract/endpoints.ts";
import { listProjectOperations, type Operation, type OperationStatus } from "@latchkey/contract/operations.ts";
import { listProjectBranchRoles } from "@latchkey/contract/roles.ts";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { queries, query, refresh } from "../../api/queries.ts";

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

/** Why a branch takes no change of its compute, roles and databases right now; undefined: it does. */
export function busyReason(operations: readonly Operation[] | undefined, branch_id: string): string | undefined {
  const busy = operations?.some((operation) => operation.branch_id === branch_id && isMoving(operation));
  return busy ? "The server is working on this branch. Wait until it has finished." : undefined;
}

/** How often the states of computes are asked for: one that sleeps or wakes by its clients leaves no operation. */
export const STATES_EVERY_MS = 10_000;

const QUICK_MS = 500;
const SLOW_MS = 5_000;
const IDLE_MS = 15_000;

const listOf = (project_id: string) => query(listProjectOperations, { params: { project_id }, query: { limit: 1000 } });

/** The newest operations of a project, followed closely while one of them moves. */
export function useOperations(project_id: string) {
  const moved_ms = useRef(0);
  const operations = useQuery({
    ...listOf(project_id),
    select: (answer) => answer.operations,
    // The longer nothing has ended or begun, the longer it may still take: a copy takes hours, all else a moment.
    refetchInterval: ({ state }) =>
      state.data?.operations.some(isMoving)
        ? Math.min(Math.max((Date.now() - moved_ms.current) / 10, QUICK_MS), SLOW_MS)
        : IDLE_MS,
  });
  const moving = (operations.data ?? [])
    .filter(isMoving)
    .map(({ id }) => id)
    .join(" ");
  const newest = operations.data?.[0]?.id;
  const before = useRef({ moving, newest });
  useEffect(() => {
    // What an operation changed is asked for again once it is done.
    const now = new Set(moving.split(" "));
    const done = before.current.moving.split(" ").some((id) => !now.has(id));
    // One that began and was done between two answers was never seen to move.
    const missed = before.current.newest !== undefined && before.current.newest !== newest;
    if (done || missed) void refreshProject();
    before.current = { moving, newest };
    moved_ms.current = Date.now();
  }, [moving, newest]);
  return operations;
}

/**
 * Called with the operations that a call has begun: they show at once, and are followed from then on. Without
 * it one that is done before the list is next asked for would never be seen to move.
 */
export async function follow(project_id: string, begun: readonly Operation[]): Promise<void> {
  const { queryKey } = listOf(project_id);
  // An answer from before the call must not take them away again.
  await queries.cancelQueries({ queryKey });
  queries.setQueryData(
    queryKey,
    (known) => known && { ...known, operations: [...begun.toReversed(), ...known.operations] },
  );
  await Promise.all([refreshProject(), refresh(listProjectOperations)]);
}

async function refreshProject(): Promise<void> {
  await refresh(
    listProjectBranches,
    getProjectBranch,
    listProjectEndpoints,
    listProjectBranchEndpoints,
    listProjectBranchRoles,
    listProjectBranchDatabases,
  );
}
