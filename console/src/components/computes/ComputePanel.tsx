import {
  deleteProjectEndpoint,
  type Endpoint,
  restartProjectEndpoint,
  type SuspendReason,
  startProjectEndpoint,
  suspendProjectEndpoint,
} from "@latchkey/contract/endpoints.ts";
import { ChevronDown, Play, RotateCw, Square } from "lucide-react";
import { useState } from "react";
import { api } from "../../api/client.ts";
import { explain } from "../../api/errors.ts";
import { Button } from "../../ui/Button.tsx";
import { Mono } from "../../ui/Code.tsx";
import { CopyButton } from "../../ui/CopyButton.tsx";
import { Menu, MenuItem, MenuSeparator } from "../../ui/Menu.tsx";
import { Notice } from "../../ui/Notice.tsx";
import { Fact, Facts } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { Confirm } from "../Confirm.tsx";
import { follow } from "../projects/operations.ts";
import { EndpointState } from "../projects/states.tsx";
import { describeSize } from "./compute-size.ts";
import { DownNotice, LastFailure } from "./LastFailure.tsx";
import { ComputeSettingsDialog } from "./late-dialogs.ts";
import { describeTimeout } from "./suspend-timeout.ts";

interface ComputePanelProps {
  readonly endpoint: Endpoint;
  /** Why it takes no order right now; undefined: it does. */
  readonly busy_reason: string | undefined;
}

type Task = "suspend" | "restart" | "delete";

/** A branch's compute: what it does, and what can be done with it. */
export function ComputePanel({ endpoint, busy_reason }: ComputePanelProps) {
  const {
    id: endpoint_id,
    project_id,
    current_state,
    disabled,
    suspend_reason,
    unreachable_since,
    last_failure,
  } = endpoint;
  const params = { project_id, endpoint_id };
  const [asked, setAsked] = useState<Task>();
  const [setting, setSetting] = useState(false);
  const [starting, setStarting] = useState(false);
  const [error, setError] = useState<unknown>();
  const about = (task: Task) => (asked === task ? endpoint : undefined);
  const start = async () => {
    setStarting(true);
    setError(undefined);
    try {
      const { operations } = await api.call(startProjectEndpoint, { params });
      await follow(project_id, operations);
    } catch (cause) {
      setError(cause);
    } finally {
      setStarting(false);
    }
  };
  const failure = error === undefined ? undefined : explain(error);
  const busy = unreachable_since === undefined ? busy_reason : "The node that has its data cannot be reached.";
  const disabled_reason = disabled
    ? "It is disabled. Enable it in its settings first."
    : suspend_reason === "quota"
      ? "The project has used up a quota of this month, or the branch is as large as it may be. Raise the limit in the project's settings first."
      : busy;
  const running = current_state === "active";
  const settings = Object.entries(endpoint.settings.pg_settings);
  return (
    <div className="flex flex-col gap-4 rounded-lg border border-line bg-surface p-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <span className="font-medium">
            <EndpointState endpoint={endpoint} />
          </span>
          <Since endpoint={endpoint} />
        </p>
        <div className="flex flex-wrap gap-2">
          {running ? (
            <>
              <Button onClick={() => setAsked("restart")} disabled_reason={disabled_reason}>
                <RotateCw aria-hidden />
                Restart
              </Button>
              <Button onClick={() => setAsked("suspend")} disabled_reason={busy}>
                <Square aria-hidden />
                Suspend
              </Button>
            </>
          ) : (
            <Button onClick={() => void start()} busy={starting} disabled_reason={disabled_reason}>
              <Play aria-hidden />
              Start
            </Button>
          )}
          <Menu
            align="end"
            trigger={
              <Button aria-label="More for this compute">
                More
                <ChevronDown aria-hidden />
              </Button>
            }
          >
            <MenuItem onClick={() => setSetting(true)}>Settings…</MenuItem>
            <MenuSeparator />
            <MenuItem danger onClick={() => setAsked("delete")} disabled_reason={busy}>
              Delete…
            </MenuItem>
          </Menu>
        </div>
      </div>
      {unreachable_since !== undefined && (
        <Notice kind="attention" title="Its node cannot be reached">
          The server that has this branch's data was last heard from <Time at={unreachable_since} />. No other one can
          run the compute: start that server again, or bring back its machine.
        </Notice>
      )}
      {last_failure && isDown(endpoint) && <DownNotice failure={last_failure} />}
      {failure && (
        <Notice kind="danger" title={failure.title} request_id={failure.request_id}>
          {failure.detail}
        </Notice>
      )}
      <Facts>
        {endpoint.name !== undefined && <Fact name="Name">{endpoint.name}</Fact>}
        <Fact name="Compute id">
          <span className="inline-flex items-center gap-1">
            <Mono className="break-all">{endpoint_id}</Mono>
            <CopyButton text={endpoint_id} what="compute id" />
          </span>
        </Fact>
        <Fact name="Host">
          <span className="inline-flex items-center gap-1">
            <Mono className="break-all">{endpoint.host}</Mono>
            <CopyButton text={endpoint.host} what="host" />
          </span>
        </Fact>
        {last_failure && !isDown(endpoint) && (
          <Fact name="Last failure">
            <LastFailure failure={last_failure} />
          </Fact>
        )}
        <Fact name="Size">{describeSize(endpoint)}</Fact>
        <Fact name="Suspends">{describeTimeout(endpoint.suspend_timeout_seconds)}</Fact>
        {settings.length > 0 && (
          <Fact name="Settings">
            {settings.map(([name, value]) => (
              <div key={name}>
                <Mono>{`${name} = ${value}`}</Mono>
              </div>
            ))}
          </Fact>
        )}
      </Facts>
      {setting && <ComputeSettingsDialog endpoint={endpoint} onClose={() => setSetting(false)} />}
      <Confirm
        about={about("suspend")}
        title={() => "Suspend this compute?"}
        verb="Suspend compute"
        onClose={() => setAsked(undefined)}
        onConfirm={async () => {
          const { operations } = await api.call(suspendProjectEndpoint, { params });
          await follow(project_id, operations);
        }}
      >
        {() => <p>Connections to it end. The data stays, and it starts again when a client connects.</p>}
      </Confirm>
      <Confirm
        about={about("restart")}
        title={() => "Restart this compute?"}
        verb="Restart compute"
        onClose={() => setAsked(undefined)}
        onConfirm={async () => {
          const { operations } = await api.call(restartProjectEndpoint, { params });
          await follow(project_id, operations);
        }}
      >
        {() => <p>Connections to it end; clients can connect again a few seconds later.</p>}
      </Confirm>
      <Confirm
        about={about("delete")}
        title={() => "Delete this compute?"}
        verb="Delete compute"
        onClose={() => setAsked(undefined)}
        onConfirm={async () => {
          const { operations } = await api.call(deleteProjectEndpoint, { params });
          await follow(project_id, operations);
          announce("The compute is deleted.");
        }}
      >
        {() => (
          <p>
            Connections to it end, and connection strings with the host {endpoint.host} stop working. The branch keeps
            its data, and can be given another compute, at another address.
          </p>
        )}
      </Confirm>
    </div>
  );
}

const REASONS: Record<SuspendReason, string> = {
  request: " on request, wakes when a client connects",
  idle: " because nobody used it, wakes when a client connects",
  quota:
    " because a quota is used up, of this month or of the branch's size; starts when that is raised or the month ends",
  disabled: "; nothing starts it until it is enabled",
};

/** Whether it ought to run and does not, for a failure of its own. */
function isDown({ last_failure, unreachable_since }: Endpoint): boolean {
  return last_failure?.retry_at !== undefined && unreachable_since === undefined;
}

/** Since when it does what it does, and why. */
function Since({ endpoint }: Pick<ComputePanelProps, "endpoint">) {
  const { current_state, started_at, suspended_at, suspend_reason, unreachable_since } = endpoint;
  if (unreachable_since !== undefined || isDown(endpoint)) return null;
  if (current_state === "active" && started_at !== undefined) {
    return (
      <span className="text-muted">
        started <Time at={started_at} />
      </span>
    );
  }
  if (current_state === "idle" && suspended_at !== undefined) {
    return (
      <span className="text-muted">
        suspended <Time at={suspended_at} />
        {suspend_reason ? REASONS[suspend_reason] : ", wakes when a client connects"}
      </span>
    );
  }
  return null;
}
