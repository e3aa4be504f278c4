import {
  type Database,
  deleteProjectBranchDatabase,
  listProjectBranchDatabases,
} from "@latchkey/contract/databases.ts";
import { listProjectBranchRoles } from "@latchkey/contract/roles.ts";
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
import { DatabaseDialog } from "./late-dialogs.ts";

const COLUMNS: readonly Column<Database>[] = [
  { id: "name", header: "Name", value: ({ name }) => name, search: ({ name }) => name, cell: ({ name }) => name },
  {
    id: "owner",
    header: "Owner",
    width: "w-44",
    from: "sm",
    value: ({ owner_name }) => owner_name,
    search: ({ owner_name }) => owner_name,
    cell: ({ owner_name }) => owner_name,
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

interface BranchDatabasesProps {
  readonly params: { readonly project_id: string; readonly branch_id: string };
  readonly busy_reason: string | undefined;
}

export function BranchDatabases({ params, busy_reason }: BranchDatabasesProps) {
  const databases = useQuery(query(listProjectBranchDatabases, { params }));
  const roles = useQuery(query(listProjectBranchRoles, { params })).data?.roles;
  const [creating, setCreating] = useState(false);
  const [changing, setChanging] = useState<Database>();
  const [deleting, setDeleting] = useState<Database>();
  const ownerless = roles?.length === 0 ? "A database needs an owner. Create a role first." : undefined;
  return (
    <Section
      title="Databases"
      actions={
        <Button onClick={() => setCreating(true)} disabled_reason={ownerless ?? busy_reason}>
          Create database
        </Button>
      }
    >
      <DataTable
        label="Databases"
        columns={COLUMNS}
        rows={databases.data?.databases}
        rowId={({ id }) => id}
        rowName={({ name }) => `database ${name}`}
        empty={<Empty>This branch has no database. Create one to connect to.</Empty>}
        failed={
          databases.error &&
          !databases.data && <Failure error={databases.error} onRetry={() => void databases.refetch()} />
        }
        narrow={({ owner_name }) => `owned by ${owner_name}`}
        menu={(database) => (
          <>
            <MenuItem onClick={() => setChanging(database)} disabled_reason={busy_reason}>
              Change name or owner…
            </MenuItem>
            <MenuSeparator />
            <MenuItem danger onClick={() => setDeleting(database)} disabled_reason={busy_reason}>
              Delete…
            </MenuItem>
          </>
        )}
      />
      {creating && roles && <DatabaseDialog params={params} roles={roles} onClose={() => setCreating(false)} />}
      {changing && roles && (
        <DatabaseDialog params={params} roles={roles} database={changing} onClose={() => setChanging(undefined)} />
      )}
      <Confirm
        about={deleting}
        title={({ name }) => `Delete the database ${name}?`}
        verb="Delete database"
        onClose={() => setDeleting(undefined)}
        onConfirm={async ({ name }) => {
          const { operations } = await api.call(deleteProjectBranchDatabase, {
            params: { ...params, database_name: name },
          });
          await follow(params.project_id, operations);
          announce(`The database ${name} is deleted.`);
        }}
      >
        {() => (
          <>
            <p>Everything in it is deleted, and connections to it end. Other branches keep theirs.</p>
            <p>This cannot be undone.</p>
          </>
        )}
      </Confirm>
    </Section>
  );
}
