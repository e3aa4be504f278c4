import { CircleAlert, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { CopyButton } from "./CopyButton.tsx";
import { classes } from "./classes.ts";

interface NoticeProps {
  readonly kind: "attention" | "danger" | "plain";
  readonly title?: string;
  readonly children?: ReactNode;
  /** Shown with a copy button, to be quoted in a report. */
  readonly request_id?: string;
  readonly action?: ReactNode;
}

const LOOKS = {
  attention: "border-attention-line bg-attention-soft",
  danger: "border-danger bg-danger-soft",
  plain: "border-line bg-sunken",
};

/** A sentence that belongs to what stands around it. Of the kind `danger` it is read out at once. */
export function Notice({ kind, title, children, request_id, action }: NoticeProps) {
  const Icon = kind === "danger" ? CircleAlert : TriangleAlert;
  return (
    <div
      role={kind === "danger" ? "alert" : undefined}
      className={classes("flex gap-2.5 rounded-md border px-3 py-2.5 text-14", LOOKS[kind])}
    >
      {kind !== "plain" && (
        <Icon
          aria-hidden
          className={classes("mt-0.5 size-4 shrink-0", kind === "danger" ? "text-danger" : "text-attention")}
        />
      )}
      <div className="flex min-w-0 flex-1 flex-col gap-1">
        {title && <p className="font-medium">{title}</p>}
        {children && <div className="text-text">{children}</div>}
        {request_id && (
          <p className="flex items-center gap-1 text-13 text-muted">
            <span className="min-w-0 break-all">
              Request id <span className="font-mono">{request_id}</span>
            </span>
            <CopyButton text={request_id} what="request id" />
          </p>
        )}
        {action && <div className="pt-1">{action}</div>}
      </div>
    </div>
  );
}
