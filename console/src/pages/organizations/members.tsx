import {
  getOrganizationInvitations,
  getOrganizationMembers,
  removeOrganizationMember,
} from "@latchkey/contract/organizations.ts";
import { getCurrentUserOrganizations } from "@latchkey/contract/users.ts";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { UserPlus } from "lucide-react";
import { useRef, useState } from "react";
import { api } from "../../api/client.ts";
import { hasStatus, sentence } from "../../api/errors.ts";
import { listQuery, query, refresh } from "../../api/queries.ts";
import { Confirm } from "../../components/Confirm.tsx";
import { useCreateOnArrival } from "../../components/create-on-arrival.ts";
import { Failure } from "../../components/Failures.tsx";
import { InvitationTable } from "../../components/members/InvitationTable.tsx";
import { ChangeRoleDialog, InviteDialog } from "../../components/members/late-dialogs.ts";
import type { MemberWithUser } from "../../components/members/member-with-user.ts";
import { usePerson } from "../../components/present.ts";
import { useTableView } from "../../components/table-view.ts";
import { paths } from "../../paths.ts";
import { Button } from "../../ui/Button.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { MenuItem } from "../../ui/Menu.tsx";
import { Empty, Page, Section } from "../../ui/Page.tsx";
import { Tag } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";
import { announce } from "../../ui/Toasts.tsx";

export function MembersPage() {
  const { org_id } = useParams({ from: "/signed-in/organizations/$org_id/members" });
  const person = usePerson();
  const navigate = useNavigate();
  const members = useQuery(listQuery(getOrganizationMembers, { params: { org_id }, query: { limit: 1000 } }));
  const invitations = useQuery(query(getOrganizationInvitations, { params: { org_id } }));
  const [view, setView] = useTableView();
  const [inviting, setInviting] = useCreateOnArrival();
  const [changing, setChanging] = useState<MemberWithUser>();
  const [removing, setRemoving] = useState<MemberWithUser>();
  const invite_button = useRef<HTMLButtonElement>(null);

  // The API says who may manage people by letting them read the invitations, and gives the reason if not.
  const refusal = hasStatus(invitations.error, 403) ? sentence(invitations.error.message) : undefined;
  const isSelf = ({ member }: MemberWithUser) => member.user_id === person?.id;
  const columns: Column<MemberWithUser>[] = [
    {
      id: "name",
      header: "Name",
      value: ({ user }) => user.name,
      search: ({ user }) => user.name,
      cell: (row) => (
        <span className="flex items-center gap-2">
          <span className="truncate">{row.user.name}</span>
          {isSelf(row) && <Tag>you</Tag>}
        </span>
      ),
    },
    {
      id: "email",
      header: "E-mail",
      from: "sm",
      value: ({ user }) => user.email,
      search: ({ user }) => user.email,
      cell: ({ user }) => user.email,
    },
    {
      id: "role",
      header: "Member role",
      width: "w-32",
      value: ({ member }) => member.role,
      search: ({ member }) => member.role,
      cell: ({ member }) => member.role,
    },
    {
      id: "joined",
      header: "Joined",
      width: "w-36",
      from: "lg",
      value: ({ member }) => Date.parse(member.joined_at),
      cell: ({ member }) => <Time at={member.joined_at} />,
    },
  ];

  return (
    <Page
      title="Members"
      description="People of the organization. An admin manages people, keys and settings; a member works with projects."
      actions={
        <Button ref={invite_button} kind="primary" onClick={() => setInviting(true)} disabled_reason={refusal}>
          <UserPlus aria-hidden />
          Invite a person
        </Button>
      }
    >
      <DataTable
        label="Members"
        columns={columns}
        rows={members.data}
        rowId={({ member }) => member.id}
        rowName={({ user }) => user.name}
        empty={<Empty>Nobody is a member of this organization.</Empty>}
        failed={
          members.error && !members.data && <Failure error={members.error} onRetry={() => void members.refetch()} />
        }
        view={view}
        onView={setView}
        narrow={({ user }) => user.email}
        menu={(row) => (
          <>
            <MenuItem onClick={() => setChanging(row)} disabled_reason={refusal}>
              Change member role…
            </MenuItem>
            {isSelf(row) ? (
              <MenuItem danger onClick={() => setRemoving(row)}>
                Leave…
              </MenuItem>
            ) : (
              <MenuItem danger onClick={() => setRemoving(row)} disabled_reason={refusal}>
                Remove…
              </MenuItem>
            )}
          </>
        )}
      />
      {!refusal && (
        <Section title="Open invitations" description="A link works once, for the e-mail it was made for.">
          <InvitationTable
            org_id={org_id}
            invitations={invitations.data?.invitations}
            failed={
              invitations.error &&
              !invitations.data && <Failure error={invitations.error} onRetry={() => void invitations.refetch()} />
            }
          />
        </Section>
      )}
      {inviting && !refusal && (
        <InviteDialog org_id={org_id} onClose={() => setInviting(false)} return_focus={invite_button} />
      )}
      {changing && <ChangeRoleDialog org_id={org_id} changing={changing} onClose={() => setChanging(undefined)} />}
      <Confirm
        about={removing}
        title={(row) => (isSelf(row) ? "Leave this organization?" : `Remove ${row.user.name}?`)}
        verb={removing && isSelf(removing) ? "Leave organization" : "Remove member"}
        onClose={() => setRemoving(undefined)}
        onConfirm={async (row) => {
          await api.call(removeOrganizationMember, { params: { org_id, member_id: row.member.id } });
          if (isSelf(row)) {
            // First: the home page leads to the organization visited last, as long as that is in the list.
            await refresh(getCurrentUserOrganizations);
            await navigate({ to: paths.home(), replace: true });
            return;
          }
          await refresh(getOrganizationMembers);
          announce(`${row.user.name} is no longer a member.`);
        }}
      >
        {(row) => (
          <p>
            {isSelf(row)
              ? "Your personal keys and sessions lose this organization at once. Keys of the organization go on working."
              : "Their personal keys and sessions lose this organization at once. Keys of the organization that they made go on working."}
          </p>
        )}
      </Confirm>
    </Page>
  );
}
