import { listProjectEndpointLogs } from "@latchkey/contract/endpoint-logs.ts";
import { listProjectBranchEndpoints } from "@latchkey/contract/endpoints.ts";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { query } from "../../api/queries.ts";
import { Button } from "../../ui/Button.tsx";
import { Empty, Section } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";
import { Failure } from "../Failures.tsx";

const RECORDS = 200;
const EVERY_MS = 3_000;
const RECORDS_CLASS = "max-h-96 overflow-auto rounded-lg border border-line bg-sunken";
const SEVERE: ReadonlySet<string> = new Set(["ERROR", "FATAL", "PANIC"]);

interface ComputeLogProps {
  readonly params: { readonly project_id: string; readonly branch_id: string };
}

/** What the compute of a branch has logged lately. Asked for only when somebody wants to see it: it takes the node some work. */
export function ComputeLog({ params }: ComputeLogProps) {
  const endpoints = useQuery(query(listProjectBranchEndpoints, { params }));
  const [shown, setShown] = useState(false);
  const endpoint_id = endpoints.data?.endpoints[0]?.id;
  if (endpoint_id === undefined) return null;
  return (
    <Section
      title="Log"
      description="What PostgreSQL has said lately, newest last: errors too, without statements and without values of rows."
      actions={<Button onClick={() => setShown(!shown)}>{shown ? "Hide log" : "Show log"}</Button>}
    >
      {shown && <LogRecords project_id={params.project_id} endpoint_id={endpoint_id} />}
    </Section>
  );
}

function LogRecords(params: { readonly project_id: string; readonly endpoint_id: string }) {
  const log = useQuery({
    ...query(listProjectEndpointLogs, { params, query: { limit: RECORDS } }),
    refetchInterval: EVERY_MS,
  });
  if (log.error && !log.data) return <Failure error={log.error} onRetry={() => void log.refetch()} />;
  if (!log.data) return <div className="skeleton h-40" />;
  if (log.data.logs.length === 0) return <Empty>It has not said anything yet.</Empty>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what is longer than the section has to be scrolled with keys
    <section aria-label="Log records" tabIndex={0} className={RECORDS_CLASS}>
      <ol className="flex flex-col gap-1 p-3 font-mono text-13">
        {log.data.logs.map(({ timestamp, severity_text, message }, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: records have no id, and two may be the same
          <li key={`${timestamp} ${at}`} className="flex gap-3">
            <span className="shrink-0 text-muted">
              <Time at={timestamp} />
            </span>
            <span className={`shrink-0 ${SEVERE.has(severity_text) ? "text-danger" : "text-muted"}`}>
              {severity_text}
            </span>
            <span className="break-all whitespace-pre-wrap">{message}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
