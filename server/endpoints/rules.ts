import type { createProjectEndpoint, Endpoint, updateProjectEndpoint } from "@latchkey/contract/endpoints.ts";
import type { OperationAction } from "@latchkey/contract/operations.ts";
import type { BodyOf } from "@latchkey/contract/route.ts";
import type { ProjectAccess } from "../access/handles.ts";
import { ApiError } from "../errors.ts";
import { newEndpointId } from "../ids.ts";
import { holdBranch, insertOperations } from "../operations/store.ts";
import { checkGrowth, checkSettings, chooseCompute, chooseLimits, type Offered } from "./settings.ts";
import {
  findExceededQuota,
  getEndpoint,
  insertEndpoint,
  isBranchProtected,
  markEndpointDeleted,
  updateEndpoint,
} from "./store.ts";

/** Records a compute for a branch that has none. */
export async function createEndpoint(
  access: ProjectAccess,
  offered: Offered,
  wanted: BodyOf<typeof createProjectEndpoint>["endpoint"],
) {
  const { branch_id, region_id, name, disabled, pooler_enabled } = wanted;
  const { project } = access;
  if (region_id !== undefined && region_id !== project.region_id) {
    throw new ApiError("bad_request", '"region_id" must be the project\'s');
  }
  const chosen = await chooseCompute(access, offered, branch_id, wanted);
  await holdBranch(access, branch_id);
  const endpoint = await insertEndpoint(access, { id: newEndpointId(), branch_id, name, disabled, ...chosen });
  checkFixed(endpoint, { pooler_enabled });
  return { endpoint, operations: await record(access, endpoint, disabled === true ? [] : ["start_compute"]) };
}

/**
 * Records a change of a compute. Its name and when it is suspended are the control plane's alone, so work in progress
 * does not refuse them.
 */
export async function changeEndpoint(
  access: ProjectAccess,
  offered: Offered,
  endpoint_id: string,
  wanted: BodyOf<typeof updateProjectEndpoint>["endpoint"],
) {
  const { name, disabled, settings, suspend_timeout_seconds, branch_id, pooler_enabled } = wanted;
  checkSettings(offered.settings, settings?.pg_settings);
  const found = await getEndpoint(access, endpoint_id);
  checkFixed(found, { branch_id, pooler_enabled });
  const resizes = wanted.autoscaling_limit_min_cu !== undefined || wanted.autoscaling_limit_max_cu !== undefined;
  if (disabled === undefined && settings === undefined && !resizes) {
    const same = name === undefined && suspend_timeout_seconds === undefined;
    return {
      endpoint: same ? found : await updateEndpoint(access, endpoint_id, { name, suspend_timeout_seconds }),
      operations: [],
    };
  }
  const before = await hold(access, endpoint_id);
  const limits = chooseLimits(before, wanted);
  await checkGrowth(access, offered, before.branch_id, before, limits);
  const change = { name, disabled, settings: settings?.pg_settings, suspend_timeout_seconds, ...limits };
  const endpoint = await updateEndpoint(access, endpoint_id, change);
  return { endpoint, operations: await record(access, endpoint, workOf(before, endpoint)) };
}

/** Throws 400 for another value than an endpoint has where it has but one. */
function checkFixed(
  endpoint: Endpoint,
  wanted: { branch_id?: string | undefined; pooler_enabled?: boolean | undefined },
) {
  for (const name of ["branch_id", "pooler_enabled"] as const) {
    if (wanted[name] === undefined || wanted[name] === endpoint[name]) continue;
    const is = JSON.stringify(endpoint[name]);
    throw new ApiError("bad_request", `"${name}" must be ${is}: anything else is not available in Latchkey`);
  }
}

/** What has to be done for a compute to become what its row says now. */
function workOf(before: Endpoint, after: Endpoint): OperationAction[] {
  if (after.disabled) return before.disabled ? [] : ["suspend_compute"];
  if (before.disabled) return ["start_compute"];
  const shape = ({ settings, autoscaling_limit_max_cu }: Endpoint) =>
    JSON.stringify([settings, autoscaling_limit_max_cu]);
  return shape(before) === shape(after) ? [] : ["apply_config"];
}

/** Records the deletion of a compute. The branch keeps its data, and can be given another one. */
export async function deleteEndpoint(access: ProjectAccess, endpoint_id: string) {
  const endpoint = await hold(access, endpoint_id);
  if (await isBranchProtected(access, endpoint.branch_id)) {
    throw new ApiError(
      "unprocessable",
      "the branch is protected, so its compute cannot be deleted; end its protection first",
    );
  }
  const operations = await record(access, endpoint, ["suspend_compute"]);
  await markEndpointDeleted(access, endpoint_id);
  return { endpoint, operations };
}

export async function startEndpoint(access: ProjectAccess, endpoint_id: string) {
  await holdEnabled(access, endpoint_id);
  const endpoint = await updateEndpoint(access, endpoint_id, { desired_state: "running" });
  return { endpoint, operations: await record(access, endpoint, ["start_compute"]) };
}

export async function suspendEndpoint(access: ProjectAccess, endpoint_id: string) {
  await hold(access, endpoint_id);
  const endpoint = await updateEndpoint(access, endpoint_id, { desired_state: "suspended" });
  return { endpoint, operations: await record(access, endpoint, ["suspend_compute"]) };
}

export async function restartEndpoint(access: ProjectAccess, endpoint_id: string) {
  await holdEnabled(access, endpoint_id);
  const endpoint = await updateEndpoint(access, endpoint_id, { desired_state: "running" });
  return { endpoint, operations: await record(access, endpoint, ["suspend_compute", "start_compute"]) };
}

/** The endpoint, with its branch held: throws 423 while operations on that are open. */
async function hold(access: ProjectAccess, endpoint_id: string): Promise<Endpoint> {
  const { branch_id } = await getEndpoint(access, endpoint_id);
  await holdBranch(access, branch_id);
  return await getEndpoint(access, endpoint_id);
}

async function holdEnabled(access: ProjectAccess, endpoint_id: string): Promise<void> {
  const { disabled, branch_id } = await hold(access, endpoint_id);
  if (disabled) throw new ApiError("unprocessable", "the compute is disabled; enable it first");
  const quota = await findExceededQuota(access, branch_id);
  if (quota === undefined) return;
  const whose = quota === "logical_size_bytes" ? "the branch has reached" : "the project has used up";
  throw new ApiError("unprocessable", `${whose} the project's quota "${quota}"; raise it first`);
}

async function record(access: ProjectAccess, { id, branch_id }: Endpoint, actions: readonly OperationAction[]) {
  return await insertOperations(
    access,
    actions.map((action) => ({ action, branch_id, endpoint_id: id })),
  );
}
