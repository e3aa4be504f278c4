import type { RoleSpec } from "../../compute/driver.ts";
import { scramVerifier } from "../../postgres/scram.ts";
import { openRolePassword } from "../../roles/password.ts";
import type { JobDeps } from "../deps.ts";
import { type ContentRole, getContentForJob, markContentAppliedForJob, updateVerifierForJob } from "./store.ts";

/** Makes a running compute have the roles and databases of its branch, and records that it has. */
export async function applyContent(deps: JobDeps, endpoint_id: string, branch_id: string): Promise<void> {
  const content = await getContentForJob(deps.db, branch_id);
  const { roles, databases } = content;
  const isThere = ({ deleted_at }: { deleted_at: string | null }) => deleted_at === null;
  const isGone = ({ deleted_at }: { deleted_at: string | null }) => deleted_at !== null;
  const names = (items: readonly { name: string }[]) => items.map(({ name }) => name);
  await deps.compute.apply(endpoint_id, {
    roles: await Promise.all(roles.filter(isThere).map((role) => specOf(deps, branch_id, role))),
    databases: databases.filter(isThere).map(({ name, owner_name: owner, former_name }) => {
      return { name, owner, ...(former_name === null ? {} : { former_name }) };
    }),
    absent: {
      roles: names(roles.filter(isGone)),
      // One that was renamed and then deleted before the compute heard of either has its former name there.
      databases: databases.filter(isGone).map(({ name, former_name }) => former_name ?? name),
    },
  });
  await deps.db.transaction().execute((tx) => markContentAppliedForJob(tx, branch_id, content));
}

async function specOf(deps: JobDeps, branch_id: string, role: ContentRole): Promise<RoleSpec> {
  const { name, password } = role;
  if (password === null) return { name, login: false };
  if (role.verifier !== null) return { name, login: true, verifier: role.verifier };
  const verifier = await scramVerifier(openRolePassword(deps.sealer, password, branch_id, name).reveal());
  await updateVerifierForJob(deps.db, branch_id, name, verifier);
  return { name, login: true, verifier };
}
