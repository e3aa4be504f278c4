import { cancelProjectOperation, listProjectOperations, type Operation } from "@latchkey/contract/operations.ts";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "../../api/client.ts";
import { explain } from "../../api/errors.ts";
import { refresh } from "../../api/queries.ts";
import { Failure } from "../../components/Failures.tsx";
import { describeAction, isMoving, useOperations } from "../../components/projects/operations.ts";
import { describeProgress, OperationState } from "../../components/projects/states.tsx";
import { useTableView } from "../../components/table-view.ts";
import { formatDuration } from "../../components/usage/durations.ts";
import { Button } from "../../ui/Button.tsx";
import { Mono } from "../../ui/Code.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { Empty, Page } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";
import { announce } from "../../ui/Toasts.tsx";

const COLUMNS: readonly Column<Operation>[] = [
  {
    id: "action",
    header: "Operation",
    value: ({ action }) => describeAction(action),
    search: ({ action }) => describeAction(action),
    cell: (operation) => (
      <>
        <span>{describeAction(operation.action)}</span>
        {operation.progress && <span className="text-13 font-normal text-muted">{describeProgress(operation)}</span>}
        {operation.error && <span className="text-13 font-normal text-danger">{operation.error}</span>}
        {operation.retry_at && isMoving(operation) && (
          <span className="text-13 font-normal text-muted">
            failed {operation.failures_count === 1 ? "once" : `${operation.failures_count} times`}, tried again{" "}
            <Time at={operation.retry_at} />
          </span>
        )}
      </>
    ),
  },
  {
    id: "status",
    header: "Status",
    width: "w-36",
    value: ({ status }) => status,
    search: ({ status }) => status,
    cell: (operation) => (
      <span className="flex flex-wrap items-center gap-2">
        <OperationState operation={operation} />
        {operation.progress && operation.status === "running" && <CancelCopy operation={operation} />}
      </span>
    ),
  },
  {
    id: "id",
    header: "Operation id",
    from: "xl",
    width: "w-80",
    search: ({ id, branch_id = "" }) => `${id} ${branch_id}`,
    cell: ({ id }) => <Mono>{id}</Mono>,
  },
  {
    id: "duration",
    header: "Took",
    from: "lg",
    width: "w-28",
    align: "right",
    value: ({ total_duration_ms }) => total_duration_ms,
    cell: ({ total_duration_ms }) => describeDuration(total_duration_ms),
  },
  {
    id: "created",
    header: "Started",
    from: "sm",
    width: "w-36",
    value: ({ created_at }) => Date.parse(created_at),
    cell: ({ created_at }) => <Time at={created_at} />,
  },
];

/** Of a copy, which may take hours; all else is done in a moment. */
function CancelCopy({ operation: { id: operation_id, project_id } }: { readonly operation: Operation }) {
  const [busy, setBusy] = useState(false);
  const cancel = async () => {
    setBusy(true);
    try {
      await api.call(cancelProjectOperation, { params: { project_id, operation_id } });
      await refresh(listProjectOperations);
    } catch (error) {
      announce(explain(error).title);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Button busy={busy} onClick={() => void cancel()}>
      Cancel copy
    </Button>
  );
}

/** Most take moments, whose tenths tell; a copy may take hours. */
function describeDuration(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : formatDuration(ms / 1000);
}

export function OperationsPage() {
  const { project_id } = useParams({ from: "/signed-in/projects/$project_id/operations" });
  const operations = useOperations(project_id);
  const [view, setView] = useTableView();
  return (
    <Page
      title="Operations"
      description="What the server has done to this project, newest first. The list keeps itself up to date."
    >
      <DataTable
        label="Operations"
        columns={COLUMNS}
        rows={operations.data}
        rowId={({ id }) => id}
        empty={<Empty>Nothing has been done to this project yet.</Empty>}
        failed={
          operations.error &&
          !operations.data && <Failure error={operations.error} onRetry={() => void operations.refetch()} />
        }
        view={view}
        onView={setView}
        narrow={({ created_at }) => <Time at={created_at} />}
      />
    </Page>
  );
}
