import type { DefaultEndpointSettings, EndpointOptions } from "@latchkey/contract/endpoints.ts";
import type { ProjectAccess } from "../access/handles.ts";
import { type Capacity, fits, memoryOf, SMALLEST_CU, sizesWithin } from "../compute/size.ts";
import { ApiError } from "../errors.ts";
import { findCapacity } from "../placement/store.ts";

/** What computes may be given. */
export interface Offered {
  /** PostgreSQL's settings, by name. */
  readonly settings: readonly string[];
  /** Of this node's machine; others tell theirs. */
  readonly capacity: Capacity;
}

type Settings = Readonly<Record<string, string>>;

/** The size of a compute, as the API names it. */
export interface Limits {
  readonly autoscaling_limit_min_cu: number;
  readonly autoscaling_limit_max_cu: number;
}

export interface ComputeChoice extends Limits {
  readonly settings: Settings;
  readonly suspend_timeout_seconds: number;
}

/** What a new compute is given: what is wished for it, and for the rest what is usual in its project. Throws 400. */
export async function chooseCompute(
  access: ProjectAccess,
  offered: Offered,
  branch_id: string,
  own: Pick<EndpointOptions, "settings" | "suspend_timeout_seconds"> & Partial<Limits>,
): Promise<ComputeChoice> {
  const usual = access.project.default_endpoint_settings;
  checkSettings(offered.settings, own.settings?.pg_settings);
  const limits = chooseLimits(usual, own);
  await checkCapacity(access, offered, branch_id, limits);
  return {
    ...limits,
    settings: { ...usual.pg_settings, ...own.settings?.pg_settings },
    suspend_timeout_seconds: own.suspend_timeout_seconds ?? usual.suspend_timeout_seconds ?? 0,
  };
}

/** Throws 400 where new defaults of a project are not what a compute on the branch could have. */
export async function checkDefaults(
  access: ProjectAccess,
  offered: Offered,
  branch_id: string,
  defaults: DefaultEndpointSettings,
): Promise<void> {
  checkSettings(offered.settings, defaults.pg_settings);
  const former = chooseLimits(access.project.default_endpoint_settings, {});
  await checkGrowth(access, offered, branch_id, former, chooseLimits(defaults, {}));
}

/** Throws 400, naming the setting, unless all of them can be chosen; PostgreSQL judges their values later. */
export function checkSettings(known: readonly string[], settings: Settings = {}): void {
  for (const name of Object.keys(settings)) {
    if (known.includes(name)) continue;
    throw new ApiError("bad_request", `"${name.slice(0, 64)}" is not a setting that can be chosen here`);
  }
}

/** As at Neon. */
const WIDEST_CU = 8;
const LARGEST_VARIABLE_CU = 16;

/** Of the two, each that is wished for and else the usual one. Throws 400 where they do not go together. */
export function chooseLimits(usual: Partial<Limits>, own: Partial<Limits>): Limits {
  const min = own.autoscaling_limit_min_cu ?? usual.autoscaling_limit_min_cu ?? SMALLEST_CU;
  const max = own.autoscaling_limit_max_cu ?? usual.autoscaling_limit_max_cu ?? Math.max(SMALLEST_CU, min);
  const refuse = (what: string) =>
    new ApiError("bad_request", `"autoscaling_limit_min_cu" (${min}) and "autoscaling_limit_max_cu" (${max}) ${what}`);
  if (min > max) throw refuse("contradict each other; name both");
  if (min !== max && max > LARGEST_VARIABLE_CU) throw refuse(`must be the same above ${LARGEST_VARIABLE_CU}`);
  if (max - min > WIDEST_CU) throw refuse(`must not differ by more than ${WIDEST_CU}`);
  return { autoscaling_limit_min_cu: min, autoscaling_limit_max_cu: max };
}

const GB = 1e9;

/** Throws 400 unless the machine that has the branch has what a compute of this size is to have. */
async function checkCapacity(
  access: ProjectAccess,
  offered: Offered,
  branch_id: string,
  { autoscaling_limit_max_cu: size }: Limits,
): Promise<void> {
  const capacity = (await findCapacity(access.tx, branch_id)) ?? offered.capacity;
  if (fits(size, capacity)) return;
  const { cpus, memory_bytes } = capacity;
  const has = `${cpus} and ${(memory_bytes / GB).toFixed(1)} GB`;
  throw new ApiError(
    "bad_request",
    `a compute of ${size} CU is to have ${size} processors and ${memoryOf(size) / GB} GB of memory, and its machine has ` +
      `${has}: choose ${sizesWithin(capacity).at(-1)} CU or less`,
  );
}

/** The same for a size that takes the place of another. What has outgrown its machine may stay as it is, or become smaller. */
export async function checkGrowth(
  access: ProjectAccess,
  offered: Offered,
  branch_id: string,
  former: Limits,
  limits: Limits,
): Promise<void> {
  if (limits.autoscaling_limit_max_cu <= former.autoscaling_limit_max_cu) return;
  await checkCapacity(access, offered, branch_id, limits);
}
