import { listOAuthGrants, type OAuthGrant, revokeOAuthGrant } from "@latchkey/contract/oauth.ts";
import { type ReactNode, useState } from "react";
import { api } from "../../api/client.ts";
import { isGone } from "../../api/errors.ts";
import { refresh } from "../../api/queries.ts";
import { type Column, DataTable, type TableView } from "../../ui/DataTable.tsx";
import { MenuItem } from "../../ui/Menu.tsx";
import { Time } from "../../ui/Time.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { Confirm } from "../Confirm.tsx";

const nameOf = ({ client, device_name, created_from_addr }: OAuthGrant) =>
  `${client.name} on ${device_name || created_from_addr}`;

const COLUMNS: readonly Column<OAuthGrant>[] = [
  { id: "client", header: "Command line", value: nameOf, search: nameOf, cell: nameOf },
  {
    id: "address",
    header: "Used from",
    from: "lg",
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
    from: "lg",
    width: "w-40",
    value: (grant) => Date.parse(grant.created_at),
    cell: (grant) => <Time at={grant.created_at} />,
  },
];

interface CommandLineTableProps {
  /** Undefined while loading. */
  readonly grants: readonly OAuthGrant[] | undefined;
  readonly empty?: ReactNode;
  readonly failed?: ReactNode;
  /** Where search and sorting are kept, if not in the table. */
  readonly view?: TableView;
  readonly onView?: (view: TableView) => void;
}

/** Logins of command lines, each of which can be ended. */
export function CommandLineTable({ grants, empty, failed, ...views }: CommandLineTableProps) {
  const [ending, setEnding] = useState<OAuthGrant>();
  return (
    <>
      <DataTable
        label="Command lines"
        columns={COLUMNS}
        rows={grants}
        rowId={(grant) => String(grant.id)}
        rowName={nameOf}
        empty={empty}
        failed={failed}
        {...views}
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
            if (!isGone(error)) throw error;
          }
          await refresh(listOAuthGrants);
          announce("The command line is signed out.");
        }}
      >
        {(grant) => <p>{nameOf(grant)} is refused from this moment, and has to sign in again.</p>}
      </Confirm>
    </>
  );
}
