import type { updateProject as contract, transferProjectsFromOrgToOrg } from "@latchkey/contract/projects.ts";
import type { BodyOf } from "@latchkey/contract/route.ts";
import { authorize } from "../access/authorize.ts";
import { OrganizationAccess, type ProjectAccess } from "../access/handles.ts";
import type { ProjectRow } from "../access/store.ts";
import { getDefaultBranch } from "../branches/store.ts";
import { checkDefaults, type Offered } from "../endpoints/settings.ts";
import { ApiError, unreachable } from "../errors.ts";
import { refuseWhileOperating } from "../operations/store.ts";
import { judgeQuota } from "./consumption/store.ts";
import { checkProjectSettings } from "./settings.ts";
import { hasProtectedBranch, holdProject, markProjectDeleted, moveProjects, updateProject } from "./store.ts";

/** What a project is called and how it is set up; the control plane's alone, so work in progress does not refuse it. */
export async function changeProject(
  access: ProjectAccess,
  offered: Offered,
  { name, settings, default_endpoint_settings }: BodyOf<typeof contract>["project"],
): Promise<ProjectRow> {
  if (name === undefined && settings === undefined && default_endpoint_settings === undefined) return access.project;
  // Fields that a change does not name stay as they are.
  const { settings: before, default_endpoint_settings: usual } = await holdProject(access);
  if (default_endpoint_settings !== undefined) {
    const { id } = await getDefaultBranch(access);
    await checkDefaults(access, offered, id, { ...usual, ...default_endpoint_settings });
  }
  const changed = await updateProject(access, {
    name,
    ...(settings === undefined
      ? {}
      : {
          settings: checkProjectSettings({
            ...before,
            ...settings,
            ...(settings.quota ? { quota: { ...before.quota, ...settings.quota } } : {}),
            ...(settings.allowed_ips ? { allowed_ips: { ...before.allowed_ips, ...settings.allowed_ips } } : {}),
          }),
        }),
    ...(default_endpoint_settings === undefined
      ? {}
      : { default_endpoint_settings: { ...usual, ...default_endpoint_settings } }),
  });
  // Raised, it lets computes start at once; lowered, the jobs suspend them.
  if (settings?.quota !== undefined) await judgeQuota(access);
  return changed;
}

/** Deletes a project for everybody at once. Its data waits for a while, should it be recovered. */
export async function deleteProject(access: ProjectAccess): Promise<ProjectRow> {
  await refuseWhileOperating(access);
  if (await hasProtectedBranch(access)) {
    throw new ApiError("unprocessable", "the project has a protected branch; end its protection first");
  }
  return await markProjectDeleted(access);
}

/** Gives projects of an organization to another one that the caller may bring them into. */
export async function transferProjects(
  source: OrganizationAccess,
  { destination_org_id: org_id, project_ids }: BodyOf<typeof transferProjectsFromOrgToOrg>,
): Promise<void> {
  if (org_id === source.org_id) throw new ApiError("bad_request", "the projects are in this organization already");
  const { tx, principal, origin } = source;
  const action = "project.transfer_in";
  const destination = await authorize(tx, principal, origin, { on: "organization", action, org_id });
  if (!(destination instanceof OrganizationAccess)) return unreachable("another handle than was asked for");
  await moveProjects(source, destination, project_ids);
  source.narrowed.push(...destination.narrowed);
}
