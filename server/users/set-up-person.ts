import { randomBytes } from "node:crypto";
import { authorize } from "../access/authorize.ts";
import type { Origin, Person } from "../access/principal.ts";
import { insertPersonalKeyForSetup } from "../api-keys/store.ts";
import { insertAuditEvent } from "../audit/store.ts";
import type { Tx } from "../db/pool.ts";
import { newUuid } from "../ids.ts";
import { Secret } from "../keys/secret.ts";
import { endGrantsOfPerson } from "../oauth/store.ts";
import { findOrganizationByName, getPersonalOrganization, insertOrganization } from "../organizations/store.ts";
import { hashPassword } from "../sessions/password.ts";
import { deleteAllSessions } from "../sessions/store.ts";
import { createPerson } from "./create-person.ts";
import { deletePasswordResets, findUserIdByEmail, hasPeople, lockInstance, putPasswordHash } from "./store.ts";

/** What whoever commands the server's machine asks for. */
export interface PersonWish {
  readonly email: string;
  /** For a person who has to be made. */
  readonly name: string;
  /** Absent: the person's personal organization. */
  readonly organization: string | undefined;
  readonly password: Secret | undefined;
}

export interface PersonSetUp {
  readonly user_id: string;
  readonly org_id: string;
  readonly api_key: Secret;
}

/**
 * Sees to it that there is such a person with such an organization, and gives them a new personal key.
 * For the server's own machine alone, where the operating system has authorized the caller: it asks for no
 * credential, as `sign-up` does. To be run again at will; what is there already is kept.
 */
export async function setUpPerson(tx: Tx, wish: PersonWish, now_ms: number): Promise<PersonSetUp> {
  const email = wish.email.toLowerCase();
  const hash = wish.password && (await hashPassword(wish.password.reveal()));
  // One setup or first sign-up at a time, so that two of the same person become one.
  await lockInstance(tx);
  const existing_id = await findUserIdByEmail(tx, email);
  const user_id = existing_id ?? (await createFirstOrNext(tx, email, wish.name, hash));
  if (existing_id !== undefined && hash !== undefined) {
    await deletePasswordResets({ tx, user_id });
    await putPasswordHash({ tx, user_id }, hash);
    // A password is replaced because it was lost or told: whoever signed in with the old one is out.
    await deleteAllSessions({ tx, user_id });
    await endGrantsOfPerson({ tx, user_id }, undefined);
  }
  const { org_id, made } = await ensureOrganization(tx, user_id, wish.organization);

  const stamp = new Date(now_ms).toISOString().slice(0, 19);
  const key = await insertPersonalKeyForSetup(tx, user_id, `setup-${stamp}Z-${randomBytes(3).toString("hex")}`);

  const record = await recordSetup(tx, { kind: "person", user_id, via: "key", api_key_id: key.id });
  if (existing_id === undefined) await record("user.create", { subject: `user:${user_id}` });
  else if (hash !== undefined) await record("user.update_password", { subject: `user:${user_id}` });
  if (made) await record("organization.create", { subject: `organization:${org_id}`, org_id });
  await record("personal_key.create", { subject: `api_key:${key.id}` });
  return { user_id, org_id, api_key: new Secret(key.key) };
}

async function createFirstOrNext(tx: Tx, email: string, name: string, hash: string | undefined): Promise<string> {
  const instance_admin = !(await hasPeople(tx));
  return (await createPerson(tx, { email, name, instance_admin, email_verified: true }, hash)).user_id;
}

async function ensureOrganization(tx: Tx, user_id: string, name: string | undefined) {
  if (name === undefined) return { org_id: (await getPersonalOrganization(tx, user_id)).id, made: false };
  const found = await findOrganizationByName(tx, user_id, name);
  if (found) return { org_id: found.id, made: false };
  return { org_id: (await insertOrganization(tx, user_id, name, { personal: false })).id, made: true };
}

/** Writes audit rows as the pipeline would have, had the person come through the API with the new key. */
export async function recordSetup(tx: Tx, principal: Person) {
  const origin: Origin = { request_id: newUuid(), address: "local", user_agent: "latchkey setup" };
  const access = await authorize(tx, principal, origin, { on: "person", action: "personal_key.create" });
  return (action: string, about: { subject: string; org_id?: string }) => insertAuditEvent(access, action, about);
}
