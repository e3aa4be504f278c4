import type { CreatedKey, ListedKey, RevokedKey } from "@latchkey/contract/api-keys.ts";
import { sql } from "kysely";
import type { CallerAccess, OrganizationAccess, PersonAccess } from "../access/handles.ts";
import { orConflict, type Tx } from "../db/pool.ts";
import type { ApiKeyKind } from "../db/schema.ts";
import { ApiError } from "../errors.ts";
import { newToken } from "../keys/token.ts";
import type { AccessChange } from "../nodes/change.ts";

/**
 * The resource API keys: creating, listing and revoking all three kinds. The token's format and its
 * verification are `keys/`; who may do what is `access/policy.ts`.
 */

const NAME_TAKEN = "choose another unique name for api key";

interface Owner {
  readonly kind: ApiKeyKind;
  readonly user_id?: string;
  readonly org_id?: string;
  readonly project_id?: string;
}

/** The one place where a key is made. The answer holds the token; nothing else ever does. */
async function insertKey(tx: Tx, owner: Owner, name: string, created_by: string): Promise<CreatedKey> {
  const { token, digest, hint } = newToken(owner.kind);
  const constraint = owner.user_id === undefined ? "api_keys_live_org_name" : "api_keys_live_user_name";
  const row = await orConflict(
    tx
      .insertInto("api_keys")
      .values({ ...owner, name, token_digest: digest, hint, created_by })
      .returning(["id", "name", "created_at", "created_by"])
      .executeTakeFirstOrThrow(),
    constraint,
    NAME_TAKEN,
  );
  // Neon's CLI takes a `project_id` of null for a key scoped to nothing, and revokes it: absent, not null.
  return { ...row, key: token.reveal(), ...(owner.project_id === undefined ? {} : { project_id: owner.project_id }) };
}

export async function insertPersonalKey(access: PersonAccess, name: string): Promise<CreatedKey> {
  return await insertKey(access.tx, { kind: "user", user_id: access.user_id }, name, access.user_id);
}

/** A personal key made on the server's own machine, where the operating system has authorized the caller. */
export async function insertPersonalKeyForSetup(tx: Tx, user_id: string, name: string): Promise<CreatedKey> {
  return await insertKey(tx, { kind: "user", user_id }, name, user_id);
}

/** Policy lets only persons get here, so there is always somebody who made the key. */
export async function insertOrganizationKey(access: OrganizationAccess, name: string, project_id?: string) {
  const { principal, tx, org_id } = access;
  if (principal.kind !== "person") throw new ApiError("forbidden");
  if (project_id === undefined) return await insertKey(tx, { kind: "org", org_id }, name, principal.user_id);
  const project = await tx
    .selectFrom("projects")
    .select("id")
    .where("id", "=", project_id)
    .where("org_id", "=", org_id)
    .where("deleted_at", "is", null)
    // The project must not be deleted or moved between this look and the key. A weaker lock would let both happen.
    .forShare()
    .executeTakeFirst();
  if (!project) throw new ApiError("not_found", "project not found in this organization");
  return await insertKey(tx, { kind: "proj", org_id, project_id }, name, principal.user_id);
}

type OwnerColumn = { readonly user_id: string } | { readonly org_id: string };

function ownerColumn(owner: OwnerColumn) {
  return "user_id" in owner ? (["user_id", owner.user_id] as const) : (["org_id", owner.org_id] as const);
}

/** Newest first. Keys of deleted projects are dead and left out, though their rows may still be there. */
async function listKeys(tx: Tx, owner: OwnerColumn): Promise<ListedKey[]> {
  const [column, value] = ownerColumn(owner);
  const rows = await tx
    .selectFrom("api_keys as k")
    .innerJoin("users as u", "u.id", "k.created_by")
    .leftJoin("projects as p", "p.id", "k.project_id")
    .leftJoin("key_uses as use", "use.key_id", "k.id")
    .select([
      "k.id",
      "k.name",
      "k.created_at",
      "use.at as last_used_at",
      sql<string>`coalesce(use.address, '')`.as("last_used_from_addr"),
      sql<string>`coalesce(use.user_agent, '')`.as("last_used_user_agent"),
      "k.hint",
      "k.project_id",
      "u.id as creator_id",
      "u.name as creator_name",
      "u.image as creator_image",
    ])
    .where(`k.${column}`, "=", value)
    .where("k.revoked_at", "is", null)
    .where("p.deleted_at", "is", null)
    .orderBy("k.id", "desc")
    .execute();
  return rows.map(({ creator_id, creator_name, creator_image, project_id, ...key }) => ({
    ...key,
    created_by: { id: creator_id, name: creator_name, image: creator_image ?? "" },
    ...(project_id === null ? {} : { project_id }),
  }));
}

export async function listPersonalKeys(access: PersonAccess): Promise<ListedKey[]> {
  return await listKeys(access.tx, { user_id: access.user_id });
}

export async function listOrganizationKeys(access: OrganizationAccess): Promise<ListedKey[]> {
  return await listKeys(access.tx, { org_id: access.org_id });
}

/** Marks a live key revoked, on every node; the row stays. A second revoke finds nothing: 404, as at Neon. */
async function revokeKey(access: CallerAccess, owner: OwnerColumn, id: number): Promise<RevokedKey> {
  const [column, value] = ownerColumn(owner);
  const row = await access.tx
    .updateTable("api_keys")
    .set({ revoked_at: sql`now()` })
    .where("id", "=", id)
    .where(column, "=", value)
    .where("revoked_at", "is", null)
    .returning(["id", "name", "created_at", "created_by", "project_id", "token_digest"])
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "API key not found");
  const { project_id, token_digest, ...key } = row;
  const use = await access.tx
    .selectFrom("key_uses")
    .select(["at", "address"])
    .where("key_id", "=", id)
    .executeTakeFirst();
  access.narrowed.push({ kind: "key", subject: token_digest.toString("hex") });
  const last_use = { last_used_at: use?.at ?? null, last_used_from_addr: use?.address ?? "" };
  return { ...key, ...last_use, revoked: true, ...(project_id === null ? {} : { project_id }) };
}

export async function revokePersonalKey(access: PersonAccess, id: number): Promise<RevokedKey> {
  return await revokeKey(access, { user_id: access.user_id }, id);
}

export async function revokeOrganizationKey(access: OrganizationAccess, id: number): Promise<RevokedKey> {
  return await revokeKey(access, { org_id: access.org_id }, id);
}

/** Revokes a person's own keys and those of their personal organization, whoever made these; returns what to tell nodes. */
export async function revokeKeysOfPerson(person: {
  readonly tx: Tx;
  readonly user_id: string;
}): Promise<AccessChange[]> {
  const { tx, user_id } = person;
  const own = tx.selectFrom("organizations").select("id").where("personal_of", "=", user_id);
  const revoked = await tx
    .updateTable("api_keys")
    .set({ revoked_at: sql`now()` })
    .where("revoked_at", "is", null)
    .where((eb) => eb.or([eb("user_id", "=", user_id), eb("org_id", "in", own)]))
    .returning("token_digest")
    .execute();
  return revoked.map(({ token_digest }) => ({ kind: "key", subject: token_digest.toString("hex") }));
}
