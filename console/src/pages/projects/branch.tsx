import { type Branch, getProjectBranch, listProjectBranches } from "@latchkey/contract/branches.ts";
import { listProjectEndpoints } from "@latchkey/contract/endpoints.ts";
import type { Operation } from "@latchkey/contract/operations.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { ChevronDown } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import { isFinal } from "../../api/errors.ts";
import { listQuery, query } from "../../api/queries.ts";
import { BranchMenuItems } from "../../components/branches/BranchMenuItems.tsx";
import type { AskedTask } from "../../components/branches/BranchTasks.tsx";
import { arrange } from "../../components/branches/branch-tree.ts";
import { BranchTasks } from "../../components/branches/late-tasks.ts";
import { BranchCompute } from "../../components/computes/BranchCompute.tsx";
import { ComputeLog } from "../../components/computes/ComputeLog.tsx";
import { BranchDatabases } from "../../components/databases/BranchDatabases.tsx";
import { Failure } from "../../components/Failures.tsx";
import { ConnectionPanel } from "../../components/projects/ConnectionPanel.tsx";
import { busyReason, useOperations } from "../../components/projects/operations.ts";
import { Progress } from "../../components/projects/Progress.tsx";
import { BranchState, formatBytes } from "../../components/projects/states.tsx";
import { BranchRoles } from "../../components/roles/BranchRoles.tsx";
import { paths } from "../../paths.ts";
import { Button, buttonClass } from "../../ui/Button.tsx";
import { Mono } from "../../ui/Code.tsx";
import { CopyButton } from "../../ui/CopyButton.tsx";
import { Menu } from "../../ui/Menu.tsx";
import { Fact, Facts, Page, Section } from "../../ui/Page.tsx";
import { Tag } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";

export function BranchPage() {
  const params = useParams({ from: "/signed-in/projects/$project_id/branches/$branch_id" });
  const { project_id, branch_id } = params;
  const navigate = useNavigate();
  const branch = useQuery(query(getProjectBranch, { params }));
  const branches = useQuery(listQuery(listProjectBranches, { params: { project_id } }));
  const endpoints = useQuery(query(listProjectEndpoints, { params: { project_id } }));
  const operations = useOperations(project_id).data;
  const [asked, setAsked] = useState<AskedTask>();
  const actions_button = useRef<HTMLButtonElement>(null);
  const node = useMemo(
    () => arrange(branches.data ?? [], endpoints.data?.endpoints).find((one) => one.branch.id === branch_id),
    [branches.data, endpoints.data, branch_id],
  );
  if (branch.error && (!branch.data || isFinal(branch.error))) {
    return (
      <Page title="Branch">
        <Failure error={branch.error} onRetry={() => void branch.refetch()} />
        <p>
          <Link to={paths.branches(project_id)} className={buttonClass()}>
            See the branches
          </Link>
        </p>
      </Page>
    );
  }
  const found = branch.data?.branch;
  const busy_reason = busyReason(operations, branch_id);
  return (
    <Page
      title={found ? `Branch ${found.name}` : "Branch"}
      actions={
        node && (
          <>
            <Link to={paths.schema(project_id, branch_id)} className={buttonClass()}>
              Compare schema
            </Link>
            <Menu
              align="end"
              trigger={
                <Button ref={actions_button}>
                  Branch actions
                  <ChevronDown aria-hidden />
                </Button>
              }
            >
              <BranchMenuItems node={node} onAsk={(task, about) => setAsked({ task, node: about })} />
            </Menu>
          </>
        )
      }
    >
      <Progress
        what="branch"
        project_id={project_id}
        operations={operations?.filter((operation) => operation.branch_id === branch_id)}
      />
      {/* One answer for a branch that is not there, instead of one from every section. */}
      {found ? (
        <>
          <BranchFacts branch={found} parent={node?.parent} operations={operations} />
          <Section title="Connect">
            <ConnectionPanel {...params} />
          </Section>
          <Section title="Compute">
            <BranchCompute params={params} busy_reason={busy_reason} />
          </Section>
          <ComputeLog params={params} />
          <BranchDatabases params={params} busy_reason={busy_reason} />
          <BranchRoles params={params} busy_reason={busy_reason} />
        </>
      ) : (
        <div className="skeleton h-24" />
      )}
      <BranchTasks
        project_id={project_id}
        asked={asked}
        branches={branches.data ?? []}
        onClose={() => setAsked(undefined)}
        onDeleted={() => navigate({ to: paths.branches(project_id), replace: true })}
        return_focus={actions_button}
      />
    </Page>
  );
}

interface BranchFactsProps {
  readonly branch: Branch;
  readonly parent: Branch | undefined;
  readonly operations: readonly Operation[] | undefined;
}

function BranchFacts({ branch, parent, operations }: BranchFactsProps) {
  return (
    <Facts>
      <Fact name="State">
        <span className="flex flex-wrap items-center gap-2">
          <BranchState branch={branch} operations={operations} />
          {branch.default && <Tag>default</Tag>}
          {branch.protected && <Tag>protected</Tag>}
        </span>
      </Fact>
      <Fact name="Branch id">
        <span className="inline-flex items-center gap-1">
          <Mono className="break-all">{branch.id}</Mono>
          <CopyButton text={branch.id} what="branch id" />
        </span>
      </Fact>
      {parent && (
        <Fact name="Parent">
          <Link
            to={paths.branch(branch.project_id, parent.id)}
            className="underline underline-offset-2 hover:text-accent"
          >
            {parent.name}
          </Link>
          {branch.parent_timestamp !== undefined && (
            <span className="text-muted">
              , as it was <Time at={branch.parent_timestamp} />
            </span>
          )}
        </Fact>
      )}
      <Fact name="Size">{formatBytes(branch.logical_size)}</Fact>
      <Fact name="Created">
        <Time at={branch.created_at} />
        {branch.created_by && <span className="text-muted"> by {branch.created_by.name}</span>}
      </Fact>
      {branch.last_reset_at !== undefined && (
        <Fact name="Last reset">
          <Time at={branch.last_reset_at} />
        </Fact>
      )}
      {branch.expires_at !== undefined && (
        <Fact name="Expires">
          <Time at={branch.expires_at} />
        </Fact>
      )}
    </Facts>
  );
}
