import type { Endpoint } from "@latchkey/contract/endpoints.ts";
import { Notice } from "../../ui/Notice.tsx";
import { Time } from "../../ui/Time.tsx";

interface LastFailureProps {
  readonly failure: NonNullable<Endpoint["last_failure"]>;
}

/** A compute that is down, though it ought to run. */
export function DownNotice({ failure: { at, reason, failures_count, retry_at } }: LastFailureProps) {
  return (
    <Notice kind="danger" title="It is down">
      <Time at={at} />: {reason}. {failures_count > 1 && `It has failed ${failures_count} times in a row. `}
      {retry_at !== undefined && (
        <>
          The server tries again <Time at={retry_at} />.
        </>
      )}
    </Notice>
  );
}

/** What went wrong with a compute that runs, or rests, now. */
export function LastFailure({ failure: { at, reason, failures_count } }: LastFailureProps) {
  return (
    <>
      <Time at={at} />: {reason}
      {failures_count > 1 && `, ${failures_count} times in a row`}
    </>
  );
}
