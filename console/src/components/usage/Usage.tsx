import { type Granularity, getConsumptionHistoryPerProject } from "@latchkey/contract/consumption.ts";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { listQuery } from "../../api/queries.ts";
import { Empty } from "../../ui/Page.tsx";
import { Select } from "../../ui/Select.tsx";
import { Failure } from "../Failures.tsx";
import { UsageFigures } from "./UsageFigures.tsx";
import { UsageTable } from "./UsageTable.tsx";
import { chooseRange, RANGES, stepsOf } from "./usage-range.ts";
import { addUp, addUpProjects, isNothing, type ProjectUsage } from "./usage-series.ts";

/** The meters count that often. */
const EVERY_MS = 30_000;

const STEPS: Record<Granularity, string> = { hourly: "Hour", daily: "Day", monthly: "Month" };

interface UsageProps {
  /** Undefined while it is not known yet. */
  readonly org_id: string | undefined;
  /** Of one project alone. */
  readonly project_id?: string;
  /** Offered where there is no project at all. */
  readonly without_projects?: ReactNode;
  /** What the page has besides, made of each project's share. */
  readonly children?: (projects: readonly ProjectUsage[]) => ReactNode;
}

/** Charts of what was used over time, the same as a table, and the choice of time. The address keeps that choice. */
export function Usage({ org_id, project_id, without_projects, children }: UsageProps) {
  const { range, by } = useSearch({ strict: false });
  const navigate = useNavigate();
  const chosen = chooseRange(range, by);
  const { granularity } = chosen;
  const { starts, end } = stepsOf(chosen, Date.now());
  const [from, to] = [new Date(starts[0] ?? end).toISOString(), new Date(end).toISOString()];
  const only = project_id === undefined ? {} : { project_ids: project_id };
  const history = useQuery({
    ...listQuery(getConsumptionHistoryPerProject, {
      query: { org_id: org_id ?? "", from, to, granularity, limit: 100, ...only },
    }),
    enabled: org_id !== undefined,
    refetchInterval: EVERY_MS,
  });
  const steps = useMemo(
    () => history.data && addUp(history.data, stepsOf(chooseRange(range, by), Date.parse(to) - 1).starts),
    [history.data, range, by, to],
  );
  const choose = (search: { range?: string; by?: string }) =>
    void navigate({ to: ".", search: { ...(range ? { range } : {}), ...search }, replace: true, resetScroll: false });
  return (
    <>
      <div className="flex flex-wrap gap-x-6 gap-y-3">
        <Select
          label="Period"
          value={chosen.range.value}
          options={RANGES}
          onChange={(value) => choose({ range: value })}
        />
        <Select
          label="Shown by"
          value={granularity}
          options={(Object.keys(chosen.range.steps) as Granularity[]).map((value) => ({ value, label: STEPS[value] }))}
          onChange={(value) => choose({ by: value })}
        />
      </div>
      {history.error && !history.data ? (
        <Failure error={history.error} onRetry={() => void history.refetch()} />
      ) : steps && isNothing(steps) ? (
        <Empty action={history.data?.length === 0 && without_projects}>
          Nothing was measured in this time. What a compute uses shows here within half a minute, the size of a branch
          within five minutes.
        </Empty>
      ) : (
        <>
          <UsageFigures chosen={chosen} steps={steps} />
          {history.data && children?.(addUpProjects(history.data))}
          <UsageTable granularity={granularity} steps={steps} />
        </>
      )}
    </>
  );
}
