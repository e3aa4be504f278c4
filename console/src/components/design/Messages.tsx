import { Button } from "../../ui/Button.tsx";
import { LateFailureNotice } from "../../ui/LateFailure.tsx";
import { Notice } from "../../ui/Notice.tsx";
import { Empty, Fact, Facts, Section } from "../../ui/Page.tsx";
import { State, Tag } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";

const NOW_MS = Date.now();
const TIMES = [30_000, 7_200_000, 90_000_000, 40 * 86_400_000].map((ago_ms) => new Date(NOW_MS - ago_ms).toISOString());

export function Messages() {
  return (
    <>
      <Section title="Notices">
        <Notice kind="plain">A plain remark.</Notice>
        <Notice kind="attention" title="Only admins may do this">
          Ask an admin of the organization.
        </Notice>
        <Notice
          kind="danger"
          title="The server failed"
          request_id="5c1f9f0e-7e0f-4a51-9f7c-0d7c0b7f2f4e"
          action={<Button>Try again</Button>}
        >
          Try again. If it goes on, report it with the request id below.
        </Notice>
        <LateFailureNotice failure="unreachable" onRetry={() => undefined} />
        <LateFailureNotice failure="outdated" onRetry={() => undefined} />
        <Empty action={<Button kind="primary">Create project</Button>}>
          An empty list teaches in one sentence, and offers the one action.
        </Empty>
      </Section>
      <Section title="States, tags and times">
        <div className="flex flex-wrap items-center gap-4">
          <State kind="on">active</State>
          <State kind="moving">starting</State>
          <State kind="off">idle</State>
          <State kind="attention">failed</State>
          <Tag>default</Tag>
          {TIMES.map((at) => (
            <Time key={at} at={at} />
          ))}
        </div>
        <Facts>
          <Fact name="Name">storefront</Fact>
          <Fact name="Postgres">18</Fact>
        </Facts>
      </Section>
    </>
  );
}
