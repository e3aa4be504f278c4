import type { OrganizationRow } from "../access/store.ts";
import type { Tx } from "../db/pool.ts";
import { insertOrganization } from "../organizations/store.ts";
import { deleteSetupTokens, insertUser, type NewUser, putPasswordHash } from "./store.ts";

/**
 * Makes a person with the organization that is theirs: nobody is without one. As instance administrator
 * they are the first, and the setup links that were printed before them open nothing more. Without a
 * password they can use keys but not sign in. Within the caller's transaction; 409 when the e-mail is taken.
 */
export async function createPerson(
  tx: Tx,
  user: NewUser,
  password_hash: string | undefined,
): Promise<{ user_id: string; organization: OrganizationRow }> {
  const user_id = await insertUser(tx, user);
  if (password_hash !== undefined) await putPasswordHash({ tx, user_id }, password_hash);
  const organization = await insertOrganization(tx, user_id, user.name, { personal: true });
  if (user.instance_admin) await deleteSetupTokens(tx);
  return { user_id, organization };
}
