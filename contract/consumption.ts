import Type, { type Static } from "typebox";
import { OneOf, Pagination, pageQuery, ResourceId, Timestamp } from "./common.ts";
import { contract } from "./route.ts";

const tag = "Consumption";

export const Granularity = OneOf("hourly", "daily", "monthly");
export type Granularity = Static<typeof Granularity>;

const COMMA_SEPARATED = "Separated by commas, or the parameter again and again.";

/** Neon's two ways to give several values. */
function List(item: string, description: string) {
  const text = Type.String({ maxLength: 6_200, pattern: `^(${item}(,${item}){0,99})?$` });
  return Type.Union([text, Type.Array(text, { maxItems: 100 })], { description: `${description} ${COMMA_SEPARATED}` });
}

const Ids = (what: string) => List("[a-z0-9-]{1,60}", `Only these ${what}.`);

/** What `metrics` of the first version may name. Those that are not additional are answered whether named or not. */
export const METRICS = [
  ...(["active_time_seconds", "compute_time_seconds", "written_data_bytes", "synthetic_storage_size_bytes"] as const),
  ...(["data_storage_bytes_hour", "logical_size_bytes", "logical_size_bytes_hour"] as const),
] as const;
export type Metric = (typeof METRICS)[number];

/** What `metrics` of the second version may name for branches, and beside these for projects. */
export const BRANCH_METRICS_V2 = [
  ...(["compute_unit_seconds", "root_branch_bytes_month", "child_branch_bytes_month"] as const),
  ...(["instant_restore_bytes_month", "public_network_transfer_bytes", "private_network_transfer_bytes"] as const),
] as const;
export const PROJECT_METRICS_V2 = [
  ...BRANCH_METRICS_V2,
  ...(["extra_branches_month", "snapshot_storage_bytes_month"] as const),
] as const;
export type MetricV2 = (typeof PROJECT_METRICS_V2)[number];

const period_query = {
  from: Type.String({ format: "date-time", description: "Rounded down to the granularity, UTC." }),
  to: Type.String({ format: "date-time", description: "Rounded down likewise; what begins then is not shown." }),
  granularity: Granularity,
};

const METRIC_NAME = "[a-z_]{1,60}";
const PERIOD =
  "Hours are kept for 168 hours, days for 60 days and months for a year: an earlier `from` is answered 406. Times of " +
  "which nothing is known are left out. Nothing is woken by asking.";
const V2 =
  "`*_bytes_month` are byte-hours and `extra_branches_month` is hours of child branches, as at Neon. Private transfer is " +
  "not measured here and never among the metrics of the answer.";

/** A calendar month, UTC; those that are over have an end. */
const PeriodFields = {
  period_id: Type.String({ format: "uuid" }),
  period_plan: Type.String(),
  period_start: Timestamp,
  period_end: Type.Optional(Timestamp),
};

const Timeframe = Type.Object({
  timeframe_start: Timestamp,
  timeframe_end: Timestamp,
  active_time_seconds: Type.Integer(),
  compute_time_seconds: Type.Integer({ description: "Processor time." }),
  written_data_bytes: Type.Integer(),
  synthetic_storage_size_bytes: Type.Integer({ description: "The largest size of an hour in it, log included." }),
  data_storage_bytes_hour: Type.Optional(Type.Integer()),
  logical_size_bytes: Type.Optional(Type.Integer()),
  logical_size_bytes_hour: Type.Optional(Type.Integer()),
});
export type Timeframe = Static<typeof Timeframe>;

const TimeframeV2 = Type.Object({
  timeframe_start: Timestamp,
  timeframe_end: Timestamp,
  metrics: Type.Array(Type.Object({ metric_name: Type.String(), value: Type.Integer() })),
});
export type TimeframeV2 = Static<typeof TimeframeV2>;

const PeriodV2 = Type.Object({ ...PeriodFields, consumption: Type.Array(TimeframeV2) });

export const ConsumptionOfProject = Type.Object({
  project_id: Type.String(),
  periods: Type.Array(Type.Object({ ...PeriodFields, consumption: Type.Array(Timeframe) })),
});
export type ConsumptionOfProject = Static<typeof ConsumptionOfProject>;

export const getConsumptionHistoryPerProject = contract({
  id: "getConsumptionHistoryPerProject",
  method: "GET",
  path: "/consumption_history/projects",
  tag,
  summary: "What the projects of an organization have consumed, hour by hour, day by day or month by month",
  description: `\`org_id\` is needed with a personal credential. ${PERIOD}`,
  query: Type.Object({
    ...pageQuery(100, 10),
    project_ids: Type.Optional(Ids("projects")),
    ...period_query,
    org_id: Type.Optional(ResourceId),
    metrics: Type.Optional(List(METRIC_NAME, "What to answer besides time, processor time, written data and storage.")),
    include_v1_metrics: Type.Optional(
      Type.Boolean({ description: "Instead of `data_storage_bytes_hour` in `metrics`." }),
    ),
  }),
  status: 200,
  response: Type.Object({ projects: Type.Array(ConsumptionOfProject), pagination: Pagination }),
});

export const getConsumptionHistoryPerProjectV2 = contract({
  id: "getConsumptionHistoryPerProjectV2",
  method: "GET",
  path: "/consumption_history/v2/projects",
  tag,
  summary: "What the projects of an organization have consumed, in the units of Neon's present plans",
  description: `${PERIOD} ${V2}`,
  query: Type.Object({
    ...pageQuery(100, 10),
    project_ids: Type.Optional(Ids("projects")),
    ...period_query,
    org_id: ResourceId,
    metrics: List(METRIC_NAME, `Of: ${PROJECT_METRICS_V2.join(", ")}.`),
  }),
  status: 200,
  response: Type.Object({
    projects: Type.Array(Type.Object({ project_id: Type.String(), periods: Type.Array(PeriodV2) })),
    pagination: Pagination,
  }),
});

export const getConsumptionHistoryPerBranchV2 = contract({
  id: "getConsumptionHistoryPerBranchV2",
  method: "GET",
  path: "/consumption_history/v2/branches",
  tag,
  summary: "What each branch of some projects has consumed, deleted ones included",
  description: `${PERIOD} ${V2}`,
  query: Type.Object({
    ...pageQuery(1_000, 100),
    project_ids: Ids("projects"),
    branch_ids: Type.Optional(Ids("branches")),
    ...period_query,
    org_id: ResourceId,
    metrics: List(METRIC_NAME, `Of: ${BRANCH_METRICS_V2.join(", ")}.`),
  }),
  status: 200,
  response: Type.Object({
    branches: Type.Array(
      Type.Object({ project_id: Type.String(), branch_id: Type.String(), periods: Type.Array(PeriodV2) }),
    ),
    pagination: Pagination,
  }),
});
