import type { createProject as createProjectContract } from "@latchkey/contract/projects.ts";
import { DEFAULT_REGION_ID } from "@latchkey/contract/projects.ts";
import type { BodyOf } from "@latchkey/contract/route.ts";
import type { OrganizationAccess } from "../access/handles.ts";
import { type BranchDeps, createRootBranch } from "../branches/create.ts";
import type { StorageDriver } from "../compute/driver.ts";
import { checkDatabaseName } from "../databases/names.ts";
import { checkSettings, chooseLimits } from "../endpoints/settings.ts";
import { ApiError } from "../errors.ts";
import { newProjectId } from "../ids.ts";
import { chooseNode } from "../placement/store.ts";
import { checkRoleName } from "../roles/names.ts";
import { checkProjectSettings } from "./settings.ts";
import { describeNewProject, insertProject } from "./store.ts";

export interface ProjectDeps extends BranchDeps {
  readonly storage: Pick<StorageDriver, "capabilities">;
}

const BRANCH_NAME = "main";
const DATABASE_NAME = "neondb";

/** Records a project with its default branch, compute, role and database, and the operations that make them. */
export async function createProject(
  access: OrganizationAccess,
  deps: ProjectDeps,
  wanted: BodyOf<typeof createProjectContract>["project"],
) {
  const pg_version = choosePgVersion(deps.storage.capabilities().pg_versions, wanted.pg_version);
  const { autoscaling_limit_min_cu, autoscaling_limit_max_cu } = wanted;
  const default_endpoint_settings = {
    ...(autoscaling_limit_min_cu === undefined ? {} : { autoscaling_limit_min_cu }),
    ...(autoscaling_limit_max_cu === undefined ? {} : { autoscaling_limit_max_cu }),
    ...wanted.default_endpoint_settings,
  };
  checkSettings(deps.settings, default_endpoint_settings.pg_settings);
  const { autoscaling_limit_max_cu: size_cu } = chooseLimits(default_endpoint_settings, {});
  const names = chooseNames(wanted.branch?.database_name, wanted.branch?.role_name);
  const { principal } = access;
  const id = newProjectId();
  const row = await insertProject(access, {
    id,
    name: wanted.name ?? id,
    region_id: wanted.region_id ?? DEFAULT_REGION_ID,
    pg_version,
    created_by: principal.kind === "person" ? principal.user_id : null,
    settings: checkProjectSettings(wanted.settings ?? {}),
    default_endpoint_settings,
  });
  const project_access = access.forNewProject(row);
  const made = await createRootBranch(project_access, deps, {
    name: wanted.branch?.name ?? BRANCH_NAME,
    // Its own, should it have lost touch a moment ago: then it is back soon, or the answer is 503.
    node_id: (await chooseNode(access.tx, deps.node_id, { pg_version, size_cu })) ?? deps.node_id,
    ...names,
    annotations: wanted.branch?.annotations,
  });
  return { project: await describeNewProject(project_access, row), ...made };
}

function choosePgVersion(available: readonly number[], wanted: number | undefined): number {
  const version = wanted ?? available[0];
  if (version === undefined || !available.includes(version)) {
    throw new ApiError("bad_request", `"pg_version" ${version} is not available here; choose ${available.join(", ")}`);
  }
  return version;
}

function chooseNames(database_name = DATABASE_NAME, role_name?: string) {
  checkDatabaseName(database_name, "database_name");
  if (role_name !== undefined) {
    checkRoleName(role_name, "role_name");
    return { database_name, role_name };
  }
  const owner = `${database_name}_owner`;
  // "pg" as a database gives "pg_owner", and 60 bytes give 66: the caller never wrote that name, so say more.
  try {
    checkRoleName(owner, "role_name");
  } catch (cause) {
    const message = '"role_name" is needed: the name it would have by default, after the database, is not possible';
    throw new ApiError("bad_request", message, { cause });
  }
  return { database_name, role_name: owner };
}
