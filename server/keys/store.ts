import { createHash } from "node:crypto";
import type pg from "pg";
import { sqlState } from "../db/pool.ts";
import type { ApiKeyKind } from "../db/schema.ts";

/** A key that was found alive. */
export interface LiveKey {
  readonly id: number;
  readonly kind: ApiKeyKind;
  readonly user_id: string | null;
  readonly org_id: string | null;
  readonly project_id: string | null;
}

/** A database that is silent must not hold a request for longer. */
const ANSWER_WITHIN_MS = 2_000;

const FIND_LIVE_KEYS = `select asked.number::int4, k.id, k.kind, k.user_id, k.org_id, k.project_id
  from unnest($1::bytea[]) with ordinality as asked (digest, number)
  join api_keys k on k.token_digest = asked.digest
  where k.revoked_at is null
    and (k.project_id is null or exists (
      select from projects p where p.id = k.project_id and p.org_id = k.org_id and p.deleted_at is null))`;

/**
 * The keys of some digests, in their order, each if it may be used now: not revoked, and, for a project key,
 * its project still there and still in the organization that gave the key.
 */
export async function findLiveKeys(pool: pg.Pool, digests: readonly Buffer[]): Promise<(LiveKey | undefined)[]> {
  const { rows } = await prepared<LiveKey & { number: number }>(pool, FIND_LIVE_KEYS, [digests]);
  const found = new Array<LiveKey | undefined>(digests.length).fill(undefined);
  for (const { number, ...key } of rows) found[number - 1] = key;
  return found;
}

/** From where and by what a key was used. */
export interface UseOrigin {
  readonly address: string;
  readonly user_agent: string;
}

/** The latest uses of different keys, in columns of one length. */
export interface KeyUses {
  readonly key_ids: readonly number[];
  /** Milliseconds since 1970. */
  readonly at_ms: readonly number[];
  readonly origins: readonly UseOrigin[];
}

/** Uses as rows, from the parameters that `useParameters` makes of them. */
export const USES = `select u.key_id, to_timestamp(u.at_ms / 1000.0) as at, o.address, o.user_agent
  from unnest($1::bigint[], $2::bigint[], $3::int[]) as u (key_id, at_ms, origin)
  join unnest($4::text[], $5::text[]) with ordinality as o (address, user_agent, number) on o.number = u.origin`;

/** Each origin once, and numbers as literals joined at once: to quote each value costs several times as much. */
export function useParameters({ key_ids, at_ms, origins }: KeyUses): unknown[] {
  const numbers = new Map<UseOrigin, number>();
  const numbered = origins.map((origin) => {
    let number = numbers.get(origin);
    if (number === undefined) {
      number = numbers.size + 1;
      numbers.set(origin, number);
    }
    return number;
  });
  const distinct = [...numbers.keys()];
  return [
    ...[key_ids, at_ms, numbered].map((column) => `{${column.join()}}`),
    distinct.map((origin) => origin.address),
    distinct.map((origin) => origin.user_agent),
  ];
}

const WRITE_KEY_USES = `insert into key_uses as known (key_id, at, address, user_agent)
  ${USES}
  order by key_id
  on conflict (key_id) do update set at = excluded.at, address = excluded.address, user_agent = excluded.user_agent
  where known.at < excluded.at`;

/**
 * Writes the latest use of many keys in one statement. Rows are taken in the order of their ids, or two
 * nodes that write the same keys would wait for one another. The last `where`: an older node's batch that
 * arrives late must not turn the clock back.
 */
export async function writeKeyUses(pool: pg.Pool, uses: KeyUses): Promise<void> {
  await prepared(pool, WRITE_KEY_USES, useParameters(uses));
}

/** Pools behind which prepared statements were found not to work. */
const unprepared = new WeakSet<pg.Pool>();
const names = new Map<string, string>();

/**
 * Runs a statement prepared under a name of its own. A pooler in transaction mode may hand each transaction
 * another session, in which the name is not known or known already; such a pool is told by that, and served
 * without names from then on. The name is made of the text: two releases on one pooler must never share it.
 */
async function prepared<Row extends pg.QueryResultRow>(pool: pg.Pool, text: string, values: unknown[]) {
  const query = { text, values, query_timeout: ANSWER_WITHIN_MS };
  if (unprepared.has(pool)) return await pool.query<Row>(query);
  let name = names.get(text);
  if (name === undefined) {
    name = `latchkey_${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
    names.set(text, name);
  }
  try {
    return await pool.query<Row>({ ...query, name });
  } catch (error) {
    const state = sqlState(error);
    if (state !== "26000" && state !== "42P05" && state !== "08P01") throw error;
    unprepared.add(pool);
    return await pool.query<Row>(query);
  }
}
