import { DriverError, type RoleSpec } from "../../../compute/driver.ts";
import { scramVerifier } from "../../../postgres/scram.ts";
import { openRolePassword } from "../../../roles/password.ts";
import type { JobDeps } from "../../deps.ts";
import { publicErrorOf } from "../../public-errors.ts";
import { observeContent } from "./observe-content.ts";
import { type Plan, planContent, planFirstContent } from "./plan-content.ts";
import {
  type ContentRole,
  getContentForJob,
  giveUpContentForJob,
  markContentAppliedForJob,
  updateVerifierForJob,
} from "./store.ts";

/**
 * Tells a running compute what the API has changed of its roles and databases, records that it knows, and makes the rows
 * say what it has. Returns what could not be done, for people: it is not tried again, and the rows tell what is there.
 */
export async function applyContent(deps: JobDeps, compute_id: string, branch_id: string): Promise<readonly string[]> {
  const content = await getContentForJob(deps.db, branch_id);
  const first = content.applied_revision === 0;
  const plan = first ? planFirstContent(content) : planContent(content, await deps.compute.readContent(compute_id));
  const sole_passwords = content.foreign_passwords;
  const conflicts = [...plan.conflicts];
  if (sole_passwords || !isEmpty(plan)) {
    const { databases, absent } = plan;
    const roles = await Promise.all(plan.roles.map((role) => specOf(deps, branch_id, role)));
    try {
      await deps.compute.apply(compute_id, { roles, databases, absent, sole_passwords });
    } catch (error) {
      const refused = error instanceof DriverError && error.code === "content_refused";
      // Without its first content a compute is nobody's; and a protected branch's passwords must not stay good on another.
      if (!refused || first || sole_passwords) throw error;
      conflicts.push(publicErrorOf(error));
    }
  }
  const record = conflicts.length > plan.conflicts.length ? giveUpContentForJob : markContentAppliedForJob;
  await deps.db.transaction().execute((tx) => record(tx, branch_id, content));
  // The gateway looks before it lets the first client in.
  if (!first) await observeContent(deps, compute_id, branch_id);
  if (conflicts.length > 0) deps.log.event("compute.content_refused", { branch_id, reasons: conflicts });
  return conflicts;
}

function isEmpty({ roles, databases, absent }: Plan): boolean {
  return [roles, databases, absent.roles, absent.databases].every(({ length }) => length === 0);
}

async function specOf(deps: JobDeps, branch_id: string, role: ContentRole): Promise<RoleSpec> {
  const { name, password } = role;
  if (!role.can_login) return { name, login: false };
  // One that was set with SQL, and that a restored branch keeps, is not known here.
  if (role.verifier !== null) return { name, login: true, verifier: role.verifier };
  if (password === null) return { name, login: true };
  const verifier = await scramVerifier(openRolePassword(deps.sealer, password, branch_id, name).reveal());
  await updateVerifierForJob(deps.db, branch_id, name, verifier);
  return { name, login: true, verifier };
}
