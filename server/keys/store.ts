import type pg from "pg";
import type { ApiKeyKind } from "../db/schema.ts";

/** A key that was found alive. */
export interface LiveKey {
  readonly id: number;
  readonly kind: ApiKeyKind;
  readonly user_id: string | null;
  readonly org_id: string | null;
  readonly project_id: string | null;
}

/**
 * The key of a digest, if it may be used now: not revoked, and, for a project key, its project still there
 * and still in the organization that gave the key. A prepared statement: this is the hot path.
 */
export async function findLiveKey(pool: pg.Pool, digest: Buffer): Promise<LiveKey | undefined> {
  const { rows } = await pool.query<LiveKey>({
    name: "find-live-key",
    text: `select k.id, k.kind, k.user_id, k.org_id, k.project_id from api_keys k
      where k.token_digest = $1 and k.revoked_at is null
        and (k.project_id is null or exists (
          select from projects p where p.id = k.project_id and p.org_id = k.org_id and p.deleted_at is null))`,
    values: [digest],
  });
  return rows[0];
}

export interface KeyUse {
  readonly at_ms: number;
  readonly address: string;
  readonly user_agent: string;
}

/**
 * Writes the latest use of many keys in one statement. The `where`: an older node's batch
 * that arrives late must not turn the clock back.
 */
export async function writeKeyUses(pool: pg.Pool, uses: ReadonlyMap<number, KeyUse>): Promise<void> {
  const ids = [...uses.keys()];
  const values = [...uses.values()];
  await pool.query({
    name: "write-key-uses",
    text: `update api_keys k
      set last_used_at = u.at, last_used_from_addr = u.address, last_used_user_agent = u.user_agent
      from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[]) as u (id, at, address, user_agent)
      where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at)`,
    values: [
      ids,
      values.map((use) => new Date(use.at_ms).toISOString()),
      values.map((use) => use.address),
      values.map((use) => use.user_agent),
    ],
  });
}
