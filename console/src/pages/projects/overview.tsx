import { listProjectBranches } from "@latchkey/contract/branches.ts";
import { listProjectEndpoints } from "@latchkey/contract/endpoints.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { listQuery, query } from "../../api/queries.ts";
import { Failure } from "../../components/Failures.tsx";
import { useProject } from "../../components/present.ts";
import { ComputeTable } from "../../components/projects/ComputeTable.tsx";
import { ConnectionPanel } from "../../components/projects/ConnectionPanel.tsx";
import { STATES_EVERY_MS, useOperations } from "../../components/projects/operations.ts";
import { Progress } from "../../components/projects/Progress.tsx";
import { formatBytes } from "../../components/projects/states.tsx";
import { paths } from "../../paths.ts";
import { Mono } from "../../ui/Code.tsx";
import { CopyButton } from "../../ui/CopyButton.tsx";
import { Fact, Facts, Page, Section } from "../../ui/Page.tsx";
import { Time } from "../../ui/Time.tsx";

export function ProjectPage() {
  const { project_id } = useParams({ from: "/signed-in/projects/$project_id/" });
  const project = useProject(project_id).data;
  const operations = useOperations(project_id);
  const branches = useQuery(listQuery(listProjectBranches, { params: { project_id } }));
  const endpoints = useQuery({
    ...query(listProjectEndpoints, { params: { project_id } }),
    refetchInterval: STATES_EVERY_MS,
  });
  const main = branches.data?.find((branch) => branch.default);
  return (
    <Page title={project?.name ?? "Project"}>
      <Progress what="project" project_id={project_id} operations={operations.data} />
      <Section title="Connect">
        {branches.error && !branches.data ? (
          <Failure error={branches.error} onRetry={() => void branches.refetch()} />
        ) : main ? (
          <ConnectionPanel project_id={project_id} branch_id={main.id} />
        ) : (
          <div className="skeleton h-24" />
        )}
      </Section>
      <Section title="Computes">
        <ComputeTable
          endpoints={endpoints.data?.endpoints}
          branches={branches.data}
          failed={
            endpoints.error &&
            !endpoints.data && <Failure error={endpoints.error} onRetry={() => void endpoints.refetch()} />
          }
        />
      </Section>
      {project && (
        <Section title="About">
          <Facts>
            <Fact name="Project id">
              <span className="inline-flex items-center gap-1">
                <Mono>{project.id}</Mono>
                <CopyButton text={project.id} what="project id" />
              </span>
            </Fact>
            <Fact name="Postgres">{String(project.pg_version)}</Fact>
            {main && (
              <Fact name="Default branch">
                <Link to={paths.branch(project_id, main.id)} className="underline underline-offset-2 hover:text-accent">
                  {main.name}
                </Link>
                , {formatBytes(main.logical_size)}
              </Fact>
            )}
            <Fact name="Created">
              <Time at={project.created_at} />
            </Fact>
          </Facts>
        </Section>
      )}
    </Page>
  );
}
