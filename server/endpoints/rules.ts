import type { createProjectEndpoint, Endpoint, updateProjectEndpoint } from "@latchkey/contract/endpoints.ts";
import type { OperationAction } from "@latchkey/contract/operations.ts";
import type { BodyOf } from "@latchkey/contract/route.ts";
import type { ProjectAccess } from "../access/handles.ts";
import { ApiError } from "../errors.ts";
import { newEndpointId } from "../ids.ts";
import { holdBranch, insertOperations } from "../operations/store.ts";
import { checkSettings, chooseSettings, chooseSuspendTimeout } from "./settings.ts";
import { findExceededQuota, getEndpoint, insertEndpoint, markEndpointDeleted, updateEndpoint } from "./store.ts";

/** Records a compute for a branch that has none. */
export async function createEndpoint(
  access: ProjectAccess,
  known: readonly string[],
  wanted: BodyOf<typeof createProjectEndpoint>["endpoint"],
) {
  const { branch_id, region_id, name, disabled } = wanted;
  const { project } = access;
  if (region_id !== undefined && region_id !== project.region_id) {
    throw new ApiError("bad_request", '"region_id" must be the project\'s');
  }
  const settings = chooseSettings(known, project.default_endpoint_settings, wanted.settings?.pg_settings);
  await holdBranch(access, branch_id);
  const suspend_timeout_seconds = chooseSuspendTimeout(
    project.default_endpoint_settings,
    wanted.suspend_timeout_seconds,
  );
  const id = newEndpointId();
  const endpoint = await insertEndpoint(access, { id, branch_id, settings, suspend_timeout_seconds, name, disabled });
  return { endpoint, operations: await record(access, endpoint, disabled === true ? [] : ["start_compute"]) };
}

/**
 * Records a change of a compute. Its name and when it is suspended are the control plane's alone, so work in progress
 * does not refuse them.
 */
export async function changeEndpoint(
  access: ProjectAccess,
  known: readonly string[],
  endpoint_id: string,
  wanted: BodyOf<typeof updateProjectEndpoint>["endpoint"],
) {
  const { name, disabled, settings, suspend_timeout_seconds } = wanted;
  checkSettings(known, settings?.pg_settings);
  if (disabled === undefined && settings === undefined) {
    const found = await getEndpoint(access, endpoint_id);
    const same = name === undefined && suspend_timeout_seconds === undefined;
    return {
      endpoint: same ? found : await updateEndpoint(access, endpoint_id, { name, suspend_timeout_seconds }),
      operations: [],
    };
  }
  const before = await hold(access, endpoint_id);
  const pg_settings = settings?.pg_settings;
  const change = { name, disabled, settings: pg_settings, suspend_timeout_seconds };
  const endpoint = await updateEndpoint(access, endpoint_id, change);
  return { endpoint, operations: await record(access, endpoint, workOf(before, endpoint)) };
}

/** What has to be done for a compute to become what its row says now. */
function workOf(before: Endpoint, after: Endpoint): OperationAction[] {
  if (after.disabled) return before.disabled ? [] : ["suspend_compute"];
  if (before.disabled) return ["start_compute"];
  const same = JSON.stringify(before.settings) === JSON.stringify(after.settings);
  return same ? [] : ["apply_config"];
}

/** Records the deletion of a compute. The branch keeps its data, and can be given another one. */
export async function deleteEndpoint(access: ProjectAccess, endpoint_id: string) {
  const endpoint = await hold(access, endpoint_id);
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
