import { createHash } from "node:crypto";
import type { PresentContent } from "../../../compute/driver.ts";
import type { Tx } from "../../../db/pool.ts";
import { openRolePassword, sealRolePassword } from "../../../roles/password.ts";
import type { JobDeps } from "../../deps.ts";
import { followContent, isPasswordKept } from "./follow-content.ts";
import {
  type ContentRole,
  findObservableForJob,
  followContentForJob,
  holdContentForJob,
  markContentObservedForJob,
} from "./store.ts";

/** What a compute was seen to have. */
export interface Observation {
  /** Of what data, and at least of which revision of its content. */
  readonly storage_id: string;
  readonly applied_revision: number;
  /** By role, of those that may log in. */
  readonly verifiers: ReadonlyMap<string, string>;
}

/** Does something with the database when its turn has come. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * Looks at the roles and databases in a running compute, and makes the rows of its branch follow: what people do with SQL
 * is the truth, and the API tells it. Costs one query, and more only where something has changed. Undefined: the branch has
 * gone, or is not on this node.
 */
export async function observeContent(
  deps: JobDeps,
  compute_id: string,
  branch_id: string,
  inTurn: InTurn = (work) => work(),
): Promise<Observation | undefined> {
  // One at a time: the rows must not follow an older look after a newer one.
  return await deps.observations.run(branch_id, async () => {
    const { db, node_id } = deps;
    const branch = await inTurn(() => findObservableForJob(db, node_id, branch_id));
    if (!branch) return undefined;
    const { storage_id, applied_revision } = branch;
    const present = await deps.compute.readContent(compute_id);
    const verifiers = verifiersOf(present);
    const digest = createHash("sha256")
      .update(JSON.stringify([storage_id, applied_revision, present]))
      .digest("base64");
    if (digest !== branch.observed_digest) {
      const follow = async (tx: Tx) => {
        const rows = await holdContentForJob(tx, branch_id, branch);
        if (!rows) return;
        const { roles, databases } = followContent(rows, present, applied_revision);
        await followContentForJob(tx, branch_id, {
          gone: { roles: roles.gone, databases: databases.gone },
          made: { roles: roles.made, databases: databases.made },
          roles: roles.changed.map(([row, role]) => {
            return { row, present: role, password: passwordOf(deps, branch_id, row, role) };
          }),
          databases: databases.changed,
        });
        await markContentObservedForJob(tx, branch_id, storage_id, verifiers, digest);
      };
      await inTurn(() => db.transaction().execute(follow));
    }
    return { storage_id, applied_revision, verifiers };
  });
}

function passwordOf(
  { sealer }: JobDeps,
  branch_id: string,
  row: ContentRole,
  present: PresentContent["roles"][number],
) {
  const { name, password } = row;
  if (password === null || !isPasswordKept(row, present)) return null;
  if (name === present.name) return password;
  return sealRolePassword(sealer, openRolePassword(sealer, password, branch_id, name), branch_id, present.name);
}

function verifiersOf({ roles }: PresentContent): ReadonlyMap<string, string> {
  const lettingIn = roles.filter(({ login, expired }) => login && !expired);
  return new Map(lettingIn.flatMap(({ name, verifier }) => (verifier === null ? [] : [[name, verifier]])));
}
