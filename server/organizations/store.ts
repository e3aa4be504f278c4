import type { Organization } from "@latchkey/contract/users.ts";
import { sql } from "kysely";
import type { OrganizationAccess } from "../access/handles.ts";
import type { OrganizationRow } from "../access/store.ts";
import type { Tx } from "../db/pool.ts";
import { newOrganizationId, newUuid } from "../ids.ts";

/**
 * The resource organizations, with its members and invitations below it. Who may do what is
 * `access/policy.ts`; the people themselves are `users/`, which comes to this folder and not the reverse.
 */

const COLUMNS = ["id", "name", "handle", "personal_of", "created_at", "updated_at"] as const;

/** The wire form. Neon's clients expect a plan; there is one, and it has no limits. */
export function describeOrganization({ personal_of, ...row }: OrganizationRow): Organization {
  return { ...row, plan: "self_hosted", managed_by: "console", personal: personal_of !== null };
}

/** Adds an organization and its first admin. `personal` makes it the one that belongs to the person's account. */
export async function insertOrganization(
  tx: Tx,
  admin_id: string,
  name: string,
  options: { readonly personal: boolean },
): Promise<OrganizationRow> {
  const id = newOrganizationId();
  const organization = await tx
    .insertInto("organizations")
    .values({ id, name, handle: newHandle(name, id), personal_of: options.personal ? admin_id : null })
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  await tx.insertInto("members").values({ id: newUuid(), org_id: id, user_id: admin_id, role: "admin" }).execute();
  return organization;
}

const SLUG_LENGTH = 40;

/** As Neon makes it: the name for people, the id's words for uniqueness. It stays when the name changes. */
export function newHandle(name: string, id: string): string {
  const slug = name
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/\p{Mark}/gu, "")
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, SLUG_LENGTH)
    .replaceAll(/^-+|-+$/g, "");
  return [slug, id.replace(/^org-/, "")].filter((part) => part !== "").join("-");
}

export async function renameOrganization(access: OrganizationAccess, name: string): Promise<Organization> {
  const row = await access.tx
    .updateTable("organizations")
    .set({ name, updated_at: sql`now()` })
    .where("id", "=", access.org_id)
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return describeOrganization(row);
}

/** The organizations of a person, the personal one first, then in the order of joining. */
export async function listOrganizationsOfPerson(person: { tx: Tx; user_id: string }): Promise<Organization[]> {
  const rows = await person.tx
    .selectFrom("members as m")
    .innerJoin("organizations as o", "o.id", "m.org_id")
    .select(COLUMNS.map((column) => `o.${column}` as const))
    .where("m.user_id", "=", person.user_id)
    .orderBy(sql`o.personal_of is distinct from m.user_id`)
    .orderBy("m.joined_at")
    .orderBy("o.id")
    .execute();
  return rows.map(describeOrganization);
}

/** The organization of a key that belongs to one. */
export async function getOrganizationOfKey(tx: Tx, key: { readonly org_id: string }): Promise<Organization> {
  const row = await tx
    .selectFrom("organizations")
    .select(COLUMNS)
    .where("id", "=", key.org_id)
    .executeTakeFirstOrThrow();
  return describeOrganization(row);
}

/** An organization of that name that the person administers, if there is one. */
export async function findOrganizationByName(
  tx: Tx,
  admin_id: string,
  name: string,
): Promise<OrganizationRow | undefined> {
  return await tx
    .selectFrom("members as m")
    .innerJoin("organizations as o", "o.id", "m.org_id")
    .select(COLUMNS.map((column) => `o.${column}` as const))
    .where("m.user_id", "=", admin_id)
    .where("m.role", "=", "admin")
    .where("o.name", "=", name)
    .orderBy("m.joined_at")
    .orderBy("o.id")
    .executeTakeFirst();
}

export async function getPersonalOrganization(tx: Tx, user_id: string): Promise<OrganizationRow> {
  return await tx
    .selectFrom("organizations")
    .select(COLUMNS)
    .where("personal_of", "=", user_id)
    .executeTakeFirstOrThrow();
}
