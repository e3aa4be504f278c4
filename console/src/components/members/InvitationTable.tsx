import {
  getOrganizationInvitations,
  type Invitation,
  revokeOrganizationInvitation,
} from "@latchkey/contract/organizations.ts";
import { type ReactNode, useState } from "react";
import { api } from "../../api/client.ts";
import { isGone } from "../../api/errors.ts";
import { refresh } from "../../api/queries.ts";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { MenuItem } from "../../ui/Menu.tsx";
import { Empty } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { Confirm } from "../Confirm.tsx";

const COLUMNS: readonly Column<Invitation>[] = [
  {
    id: "email",
    header: "E-mail",
    value: ({ email }) => email,
    search: ({ email }) => email,
    cell: ({ email }) => <span>{email}</span>,
  },
  { id: "role", header: "Member role", width: "w-32", value: ({ role }) => role, cell: ({ role }) => role },
  {
    id: "invited",
    header: "Invited",
    width: "w-36",
    from: "lg",
    value: ({ invited_at }) => Date.parse(invited_at),
    cell: ({ invited_at }) => <Time at={invited_at} />,
  },
  {
    id: "expires",
    header: "Expires",
    width: "w-36",
    from: "sm",
    value: ({ expires_at }) => Date.parse(expires_at),
    cell: ({ expires_at }) => <Time at={expires_at} />,
  },
];

interface InvitationTableProps {
  readonly org_id: string;
  readonly invitations: readonly Invitation[] | undefined;
  readonly failed: ReactNode;
}

export function InvitationTable({ org_id, invitations, failed }: InvitationTableProps) {
  const [withdrawing, setWithdrawing] = useState<Invitation>();
  return (
    <>
      <DataTable
        label="Open invitations"
        columns={COLUMNS}
        rows={invitations}
        rowId={({ id }) => id}
        rowName={({ email }) => email}
        empty={<Empty>Nobody is invited right now.</Empty>}
        failed={failed}
        menu={(invitation) => (
          <MenuItem danger onClick={() => setWithdrawing(invitation)}>
            Withdraw…
          </MenuItem>
        )}
      />
      <Confirm
        about={withdrawing}
        title={({ email }) => `Withdraw the invitation of ${email}?`}
        verb="Withdraw invitation"
        onClose={() => setWithdrawing(undefined)}
        onConfirm={async ({ id, email }) => {
          try {
            await api.call(revokeOrganizationInvitation, { params: { org_id, invitation_id: id } });
          } catch (error) {
            // Accepted, expired or withdrawn meanwhile: it is not open any more either way.
            if (!isGone(error)) throw error;
          }
          await refresh(getOrganizationInvitations);
          announce(`The invitation of ${email} is withdrawn.`);
        }}
      >
        {() => <p>Its link stops working from this moment. You can invite the same person again.</p>}
      </Confirm>
    </>
  );
}
