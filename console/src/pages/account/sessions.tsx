import { deleteSession, listSessions, type Session, signOutEverywhere } from "@latchkey/contract/sessions.ts";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client.ts";
import { isGone } from "../../api/errors.ts";
import { query, refresh } from "../../api/queries.ts";
import { endSession } from "../../api/session.ts";
import { Confirm } from "../../components/Confirm.tsx";
import { Failure } from "../../components/Failures.tsx";
import { useTableView } from "../../components/table-view.ts";
import { describeUserAgent } from "../../components/user-agent.ts";
import { paths } from "../../paths.ts";
import { Button } from "../../ui/Button.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { MenuItem } from "../../ui/Menu.tsx";
import { Empty, Page } from "../../ui/Page.tsx";
import { Tag } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { Tooltip } from "../../ui/Tooltip.tsx";

const COLUMNS: readonly Column<Session>[] = [
  {
    id: "client",
    header: "Signed in with",
    value: (session) => describeUserAgent(session.user_agent),
    search: (session) => session.user_agent,
    cell: (session) => (
      <span className="inline-flex items-center gap-2">
        <Tooltip text={session.user_agent || "No name given"}>
          <span>{describeUserAgent(session.user_agent)}</span>
        </Tooltip>
        {session.current && <Tag>this one</Tag>}
      </span>
    ),
  },
  {
    id: "address",
    header: "Address",
    from: "sm",
    width: "w-44",
    value: (session) => session.address,
    search: (session) => session.address,
    cell: (session) => session.address,
  },
  {
    id: "created",
    header: "Signed in",
    from: "lg",
    width: "w-40",
    value: (session) => Date.parse(session.created_at),
    cell: (session) => <Time at={session.created_at} />,
  },
  {
    id: "expires",
    header: "Ends",
    from: "lg",
    width: "w-40",
    value: (session) => Date.parse(session.expires_at),
    cell: (session) => <Time at={session.expires_at} />,
  },
];

export function SessionsPage() {
  const sessions = useQuery(query(listSessions));
  const [view, setView] = useTableView();
  const [ending, setEnding] = useState<Session>();
  const [everywhere, setEverywhere] = useState<true>();
  return (
    <Page
      title="Sessions"
      description="Where you are signed in. A session that is signed out stops at once."
      actions={<Button onClick={() => setEverywhere(true)}>Sign out everywhere</Button>}
    >
      <DataTable
        label="Sessions"
        columns={COLUMNS}
        rows={sessions.data?.sessions}
        rowId={(session) => session.id}
        rowName={(session) => `${describeUserAgent(session.user_agent)}, ${session.address}`}
        empty={<Empty>You are signed in nowhere.</Empty>}
        failed={
          sessions.error && !sessions.data && <Failure error={sessions.error} onRetry={() => void sessions.refetch()} />
        }
        view={view}
        onView={setView}
        narrow={(session) => (
          <>
            {session.address} · <Time at={session.created_at} />
          </>
        )}
        menu={(session) => <MenuItem onClick={() => setEnding(session)}>Sign out…</MenuItem>}
      />
      <Confirm
        about={ending}
        title={(session) => (session.current ? "Sign out here?" : "Sign this session out?")}
        verb="Sign out"
        onClose={() => setEnding(undefined)}
        onConfirm={async (session) => {
          if (session.current) return await endSession();
          try {
            await api.call(deleteSession, { params: { session_id: session.id } });
          } catch (error) {
            // It has ended by itself meanwhile.
            if (!isGone(error)) throw error;
          }
          await refresh(listSessions);
          announce("The session is signed out.");
        }}
      >
        {(session) => (
          <p>
            {describeUserAgent(session.user_agent)} at {session.address} has to sign in again from this moment.
          </p>
        )}
      </Confirm>
      <Confirm
        about={everywhere}
        title={() => "Sign out everywhere?"}
        verb="Sign out everywhere"
        onClose={() => setEverywhere(undefined)}
        onConfirm={async () => {
          await api.call(signOutEverywhere);
          window.location.replace(paths.signIn());
        }}
      >
        {() => <p>All your sessions end, this one included. Your API keys go on working.</p>}
      </Confirm>
    </Page>
  );
}
