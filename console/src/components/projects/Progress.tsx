import type { Operation } from "@latchkey/contract/operations.ts";
import { Link } from "@tanstack/react-router";
import { CircleCheck, CircleDashed, CircleX } from "lucide-react";
import { paths } from "../../paths.ts";
import { buttonClass } from "../../ui/Button.tsx";
import { Notice } from "../../ui/Notice.tsx";
import { describeAction, hasFailed, isMoving } from "./operations.ts";
import { describeProgress } from "./states.tsx";

interface ProgressProps {
  readonly project_id: string;
  /** What the operations are about. */
  readonly what: "project" | "branch";
  readonly operations: readonly Operation[] | undefined;
}

/** What is being done to a project or branch now, step by step; nothing when nothing is. */
export function Progress({ project_id, what, operations = [] }: ProgressProps) {
  const moving = operations.some(isMoving);
  const failed = operations.find((operation) => hasFailed(operation));
  if (moving) {
    // Oldest first, as they are worked through: those that began with the one that still moves.
    const first = operations.findLast(isMoving);
    const steps = operations.filter(
      (one) => first && Date.parse(one.created_at) >= Date.parse(first.created_at) - 1_000,
    );
    return (
      <section aria-label="Progress" className="flex flex-col gap-2 rounded-lg border border-line bg-surface px-4 py-3">
        <p role="status" className="font-medium">
          Working on the {what}
        </p>
        <ol className="flex flex-col gap-1.5">
          {steps.toReversed().map((operation) => (
            <Step key={operation.id} operation={operation} />
          ))}
        </ol>
      </section>
    );
  }
  if (failed && failed === operations[0]) {
    return (
      <Notice
        kind="danger"
        title={`${describeAction(failed.action)} failed`}
        action={
          <Link to={paths.operations(project_id)} className={buttonClass()}>
            See the operations
          </Link>
        }
      >
        {failed.error ?? "The server gave no reason."}
      </Notice>
    );
  }
  return null;
}

function Step({ operation }: { readonly operation: Operation }) {
  const done = operation.status === "finished" || operation.status === "skipped";
  const Icon = done ? CircleCheck : hasFailed(operation) ? CircleX : CircleDashed;
  return (
    <li className="flex items-center gap-2">
      <Icon
        aria-hidden
        className={`size-4 ${done ? "text-accent" : hasFailed(operation) ? "text-danger" : "text-muted"}`}
      />
      {describeAction(operation.action)}
      <span className="text-muted">{[operation.status, describeProgress(operation)].filter(Boolean).join(", ")}</span>
    </li>
  );
}
