import { authorize } from "../../server/access/authorize.ts";
import type { OrganizationAccess, PersonAccess } from "../../server/access/handles.ts";
import type { Action } from "../../server/access/policy.ts";
import type { Origin, Principal } from "../../server/access/principal.ts";
import type { Db, Tx } from "../../server/db/pool.ts";
import { newUuid } from "../../server/ids.ts";
import { createPerson } from "../../server/users/create-person.ts";

export const ORIGIN: Origin = { request_id: "test", address: "192.0.2.1", user_agent: "test" };

export interface TestPerson {
  readonly user_id: string;
  readonly email: string;
  /** Their personal organization. */
  readonly org_id: string;
}

let count = 0;

/** A person without a password, with an e-mail of their own. */
export async function makePerson(db: Db, name = "Ada"): Promise<TestPerson> {
  count += 1;
  const email = `${name.toLowerCase()}${count}@example.com`;
  const made = await db
    .transaction()
    .execute((tx) => createPerson(tx, { email, name, instance_admin: false, email_verified: true }, undefined));
  return { user_id: made.user_id, email, org_id: made.organization.id };
}

/** Puts a person into an organization past all rules, and returns the member id. */
export async function makeMember(db: Db, org_id: string, user_id: string, role: "admin" | "member"): Promise<string> {
  const id = newUuid();
  await db.insertInto("members").values({ id, org_id, user_id, role }).execute();
  return id;
}

export const principalOf = (user_id: string): Principal => ({ kind: "person", user_id, via: "session" });

/** What the pipeline would hand to a rule, minted where the pipeline mints it. */
export async function asPerson(tx: Tx, user_id: string, action: Action): Promise<PersonAccess> {
  return (await authorize(tx, principalOf(user_id), ORIGIN, { on: "person", action })) as PersonAccess;
}

export async function inOrganization(
  tx: Tx,
  user_id: string,
  org_id: string,
  action: Action,
): Promise<OrganizationAccess> {
  const demand = { on: "organization", action, org_id } as const;
  return (await authorize(tx, principalOf(user_id), ORIGIN, demand)) as OrganizationAccess;
}
