import type { ConsumptionOfProject } from "@latchkey/contract/consumption.ts";

/** What was used in one step of a range. */
export interface Used {
  readonly active_seconds: number;
  readonly cpu_seconds: number;
  readonly written_bytes: number;
  /** 0: not looked at yet, for every branch has some size. */
  readonly storage_bytes: number;
}

export interface UsageStep {
  readonly at_ms: number;
  /** Undefined: nothing is known of it, as of the time before the first project. */
  readonly used: Used | undefined;
}

/** The projects' histories added up, step by step. */
export function addUp(projects: readonly ConsumptionOfProject[], starts: readonly number[]): UsageStep[] {
  const found = new Map<number, Used>();
  for (const { at_ms, used } of projects.flatMap(timeframesOf)) {
    found.set(at_ms, plus(found.get(at_ms) ?? NOTHING, used));
  }
  return starts.map((at_ms) => ({ at_ms, used: found.get(at_ms) }));
}

export interface ProjectUsage extends Used {
  readonly project_id: string;
}

/** What each project has used in the whole range; its storage is the latest that is known. */
export function addUpProjects(projects: readonly ConsumptionOfProject[]): ProjectUsage[] {
  return projects.map((project) => ({ project_id: project.project_id, ...total(timeframesOf(project)) }));
}

/** Of steps in the order of time. */
export function total(steps: readonly UsageStep[]): Used {
  const known = steps.flatMap(({ used }) => used ?? []);
  const stored = known.findLast(({ storage_bytes }) => storage_bytes > 0);
  return { ...known.reduce(plus, NOTHING), storage_bytes: stored?.storage_bytes ?? 0 };
}

/** Whether there is nothing to show: of a project that is new the first step is known, and all of it is 0. */
export function isNothing(steps: readonly UsageStep[]): boolean {
  return Object.values(total(steps)).every((value) => value === 0);
}

const NOTHING: Used = { active_seconds: 0, cpu_seconds: 0, written_bytes: 0, storage_bytes: 0 };

function timeframesOf({ periods }: ConsumptionOfProject): { at_ms: number; used: Used }[] {
  return periods.flatMap(({ consumption }) =>
    consumption.map((frame) => ({
      at_ms: Date.parse(frame.timeframe_start),
      used: {
        active_seconds: frame.active_time_seconds,
        cpu_seconds: frame.compute_time_seconds,
        written_bytes: frame.written_data_bytes,
        storage_bytes: frame.synthetic_storage_size_bytes,
      },
    })),
  );
}

function plus(one: Used, other: Used): Used {
  return {
    active_seconds: one.active_seconds + other.active_seconds,
    cpu_seconds: one.cpu_seconds + other.cpu_seconds,
    written_bytes: one.written_bytes + other.written_bytes,
    storage_bytes: one.storage_bytes + other.storage_bytes,
  };
}
