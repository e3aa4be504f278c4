import { listOAuthGrants, type OAuthGrant, revokeOAuthGrant } from "@latchkey/contract/oauth.ts";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client.ts";
import { hasStatus } from "../../api/errors.ts";
import { query, refresh } from "../../api/queries.ts";
import { Confirm } from "../../components/Confirm.tsx";
import { Failure } from "../../components/Failures.tsx";
import { useTableView } from "../../components/table-view.ts";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { MenuItem } from "../../ui/Menu.tsx";
import { Empty, Page } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";
import { announce } from "../../ui/Toasts.tsx";

const nameOf = ({ client, device_name, created_from_addr }: OAuthGrant) =>
  `${client.name} on ${device_name || created_from_addr}`;

const COLUMNS: readonly Column<OAuthGrant>[] = [
  { id: "client", header: "Command line", value: nameOf, search: nameOf, cell: nameOf },
  {
    id: "address",
    header: "Used from",
    from: "md",
    width: "w-44",
    value: (grant) => grant.last_used_from_addr || grant.created_from_addr,
    search: (grant) => `${grant.last_used_from_addr} ${grant.last_used_user_agent}`,
    cell: (grant) => grant.last_used_from_addr || grant.created_from_addr,
  },
  {
    id: "used",
    header: "Last used",
    from: "sm",
    width: "w-40",
    value: (grant) => Date.parse(grant.last_used_at ?? grant.created_at),
    cell: (grant) => <Time at={grant.last_used_at ?? grant.created_at} />,
  },
  {
    id: "created",
    header: "Signed in",
    from: "sm",
    width: "w-40",
    value: (grant) => Date.parse(grant.created_at),
    cell: (grant) => <Time at={grant.created_at} />,
  },
];

/** Logins of command lines: credentials like keys, made by consent in the browser. */
export function CommandLinesPage() {
  const grants = useQuery(query(listOAuthGrants));
  const [view, setView] = useTableView();
  const [ending, setEnding] = useState<OAuthGrant>();
  return (
    <Page
      title="Command lines"
      description="Where you have signed in from a terminal. Each may do everything that you may, until you sign it out."
    >
      <DataTable
        label="Command lines"
        columns={COLUMNS}
        rows={grants.data?.oauth_grants}
        rowId={(grant) => String(grant.id)}
        rowName={nameOf}
        empty={
          <Empty>
            No command line is signed in. Run <code className="font-mono text-13">latchkey auth</code> or{" "}
            <code className="font-mono text-13">neon auth</code> in a terminal, and it is listed here.
          </Empty>
        }
        failed={grants.error && !grants.data && <Failure error={grants.error} onRetry={() => void grants.refetch()} />}
        view={view}
        onView={setView}
        narrow={(grant) => <Time at={grant.last_used_at ?? grant.created_at} />}
        menu={(grant) => <MenuItem onClick={() => setEnding(grant)}>Sign out…</MenuItem>}
      />
      <Confirm
        about={ending}
        title={() => "Sign this command line out?"}
        verb="Sign out"
        onClose={() => setEnding(undefined)}
        onConfirm={async (grant) => {
          try {
            await api.call(revokeOAuthGrant, { params: { grant_id: grant.id } });
          } catch (error) {
            // It has ended by itself meanwhile.
            if (!hasStatus(error, 404)) throw error;
          }
          await refresh(listOAuthGrants);
          announce("The command line is signed out.");
        }}
      >
        {(grant) => <p>{nameOf(grant)} is refused from this moment, and has to sign in again.</p>}
      </Confirm>
    </Page>
  );
}
