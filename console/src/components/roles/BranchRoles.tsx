import {
  deleteProjectBranchRole,
  listProjectBranchRoles,
  type Role,
  resetProjectBranchRolePassword,
} from "@latchkey/contract/roles.ts";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client.ts";
import { query } from "../../api/queries.ts";
import { Button } from "../../ui/Button.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { MenuItem, MenuSeparator } from "../../ui/Menu.tsx";
import { Empty, Section } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";
import { announce } from "../../ui/Toasts.tsx";
import { Confirm } from "../Confirm.tsx";
import { Failure } from "../Failures.tsx";
import { follow } from "../projects/operations.ts";
import { CreateRoleDialog, RolePasswordDialog } from "./late-dialogs.ts";

const COLUMNS: readonly Column<Role>[] = [
  { id: "name", header: "Name", value: ({ name }) => name, search: ({ name }) => name, cell: ({ name }) => name },
  {
    id: "login",
    header: "Login",
    width: "w-36",
    from: "sm",
    value: ({ authentication_method }) => authentication_method,
    cell: (role) => (logsIn(role) ? "with password" : <span className="text-muted">does not log in</span>),
  },
  {
    id: "created",
    header: "Created",
    width: "w-36",
    from: "sm",
    value: ({ created_at }) => Date.parse(created_at),
    cell: ({ created_at }) => <Time at={created_at} />,
  },
];

const logsIn = ({ authentication_method }: Role) => authentication_method === "password";

interface BranchRolesProps {
  readonly params: { readonly project_id: string; readonly branch_id: string };
  readonly busy_reason: string | undefined;
}

/** A password that is to be looked at, and why. */
interface Shown {
  readonly role_name: string;
  readonly title: string;
  readonly description: string;
}

export function BranchRoles({ params, busy_reason }: BranchRolesProps) {
  const roles = useQuery(query(listProjectBranchRoles, { params }));
  const [creating, setCreating] = useState(false);
  const [resetting, setResetting] = useState<Role>();
  const [deleting, setDeleting] = useState<Role>();
  const [shown, setShown] = useState<Shown>();
  const none = (role: Role) => (logsIn(role) ? undefined : "It does not log in, and has no password.");
  return (
    <Section
      title="Roles"
      description="Who connects to Postgres. Roles that were made with SQL work too, and are not in this list."
      actions={
        <Button onClick={() => setCreating(true)} disabled_reason={busy_reason}>
          Create role
        </Button>
      }
    >
      <DataTable
        label="Roles"
        columns={COLUMNS}
        rows={roles.data?.roles}
        rowId={({ name }) => name}
        rowName={({ name }) => `role ${name}`}
        empty={<Empty>This branch has no role: nobody can connect to it.</Empty>}
        failed={roles.error && !roles.data && <Failure error={roles.error} onRetry={() => void roles.refetch()} />}
        narrow={(role) => (logsIn(role) ? "logs in with a password" : "does not log in")}
        menu={(role) => (
          <>
            <MenuItem
              onClick={() =>
                setShown({
                  role_name: role.name,
                  title: `Password of ${role.name}`,
                  description: "It is a secret: keep it out of source code and chats.",
                })
              }
              disabled_reason={none(role)}
            >
              Show password…
            </MenuItem>
            <MenuItem onClick={() => setResetting(role)} disabled_reason={none(role) ?? busy_reason}>
              Reset password…
            </MenuItem>
            <MenuSeparator />
            <MenuItem danger onClick={() => setDeleting(role)} disabled_reason={busy_reason}>
              Delete…
            </MenuItem>
          </>
        )}
      />
      {creating && (
        <CreateRoleDialog
          params={params}
          onClose={() => setCreating(false)}
          onCreated={(role_name) =>
            setShown({
              role_name,
              title: `${role_name} is created`,
              description: "This is its password. It works once the server has set the role up, which takes a moment.",
            })
          }
        />
      )}
      {shown && (
        <RolePasswordDialog
          key={shown.role_name}
          params={{ ...params, role_name: shown.role_name }}
          title={shown.title}
          description={shown.description}
          onClose={() => setShown(undefined)}
        />
      )}
      <Confirm
        about={resetting}
        title={({ name }) => `Reset the password of ${name}?`}
        verb="Reset password"
        onClose={() => setResetting(undefined)}
        onConfirm={async ({ name }) => {
          const { operations } = await api.call(resetProjectBranchRolePassword, {
            params: { ...params, role_name: name },
          });
          await follow(params.project_id, operations);
          setShown({
            role_name: name,
            title: `${name} has a new password`,
            description: "It works in a moment, and from then on the old one does not.",
          });
        }}
      >
        {() => (
          <p>
            Whoever connects with the present password is refused within seconds, until they are given the new one.
            Connections that are open go on.
          </p>
        )}
      </Confirm>
      <Confirm
        about={deleting}
        title={({ name }) => `Delete the role ${name}?`}
        verb="Delete role"
        onClose={() => setDeleting(undefined)}
        onConfirm={async ({ name }) => {
          const { operations } = await api.call(deleteProjectBranchRole, { params: { ...params, role_name: name } });
          await follow(params.project_id, operations);
          announce(`The role ${name} is deleted.`);
        }}
      >
        {() => (
          <>
            <p>
              Nobody can connect as it any more. Tables and the like that it owns go to the owner of their database.
            </p>
            <p>This cannot be undone.</p>
          </>
        )}
      </Confirm>
    </Section>
  );
}
