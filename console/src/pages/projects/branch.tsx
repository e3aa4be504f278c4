import { getProjectBranch } from "@latchkey/contract/branches.ts";
import { type Database, listProjectBranchDatabases } from "@latchkey/contract/databases.ts";
import { listProjectBranchEndpoints } from "@latchkey/contract/endpoints.ts";
import { listProjectBranchRoles, type Role } from "@latchkey/contract/roles.ts";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { query } from "../../api/queries.ts";
import { Failure } from "../../components/Failures.tsx";
import { ComputeTable } from "../../components/projects/ComputeTable.tsx";
import { ConnectionPanel } from "../../components/projects/ConnectionPanel.tsx";
import { BranchState, formatBytes } from "../../components/projects/states.tsx";
import { Mono } from "../../ui/Code.tsx";
import { CopyButton } from "../../ui/CopyButton.tsx";
import { type Column, DataTable } from "../../ui/DataTable.tsx";
import { Empty, Fact, Facts, Page, Section } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";

const ROLES: readonly Column<Role>[] = [
  { id: "name", header: "Name", value: ({ name }) => name, search: ({ name }) => name, cell: ({ name }) => name },
  {
    id: "created",
    header: "Created",
    width: "w-36",
    value: ({ created_at }) => Date.parse(created_at),
    cell: ({ created_at }) => <Time at={created_at} />,
  },
];

const DATABASES: readonly Column<Database>[] = [
  { id: "name", header: "Name", value: ({ name }) => name, search: ({ name }) => name, cell: ({ name }) => name },
  {
    id: "owner",
    header: "Owner",
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

export function BranchPage() {
  const params = useParams({ from: "/signed-in/projects/$project_id/branches/$branch_id" });
  const branch = useQuery(query(getProjectBranch, { params }));
  const endpoints = useQuery(query(listProjectBranchEndpoints, { params }));
  const roles = useQuery(query(listProjectBranchRoles, { params }));
  const databases = useQuery(query(listProjectBranchDatabases, { params }));
  if (branch.error && !branch.data) {
    return (
      <Page title="Branch">
        <Failure error={branch.error} onRetry={() => void branch.refetch()} />
      </Page>
    );
  }
  const found = branch.data?.branch;
  return (
    <Page title={found ? `Branch ${found.name}` : "Branch"}>
      {found ? (
        <Facts>
          <Fact name="State">
            <BranchState branch={found} />
          </Fact>
          <Fact name="Branch id">
            <span className="inline-flex items-center gap-1">
              <Mono>{found.id}</Mono>
              <CopyButton text={found.id} what="branch id" />
            </span>
          </Fact>
          <Fact name="Size">{formatBytes(found.logical_size)}</Fact>
          <Fact name="Created">
            <Time at={found.created_at} />
          </Fact>
        </Facts>
      ) : (
        <div className="skeleton h-24" />
      )}
      <Section title="Connect">
        <ConnectionPanel {...params} />
      </Section>
      <Section title="Computes">
        <ComputeTable
          endpoints={endpoints.data?.endpoints}
          failed={
            endpoints.error &&
            !endpoints.data && <Failure error={endpoints.error} onRetry={() => void endpoints.refetch()} />
          }
        />
      </Section>
      <Section title="Databases">
        <DataTable
          label="Databases"
          columns={DATABASES}
          rows={databases.data?.databases}
          rowId={({ id }) => id}
          empty={<Empty>This branch has no database.</Empty>}
          failed={
            databases.error &&
            !databases.data && <Failure error={databases.error} onRetry={() => void databases.refetch()} />
          }
        />
      </Section>
      <Section title="Roles">
        <DataTable
          label="Roles"
          columns={ROLES}
          rows={roles.data?.roles}
          rowId={({ name }) => name}
          empty={<Empty>This branch has no role.</Empty>}
          failed={roles.error && !roles.data && <Failure error={roles.error} onRetry={() => void roles.refetch()} />}
        />
      </Section>
    </Page>
  );
}
