import type { OAuthGrant } from "@latchkey/contract/oauth.ts";
import { sql } from "kysely";
import type pg from "pg";
import type { PersonAccess } from "../access/handles.ts";
import type { Tx } from "../db/pool.ts";
import type { OAuthEndReason } from "../db/schema.ts";
import { type KeyUses, USES, useParameters } from "../keys/store.ts";
import type { LiveGrant } from "../keys/verifier.ts";
import { describeClient } from "./clients.ts";

/**
 * The tables of the authorization server. What a client presents is the proof, so most of this works on a bare
 * transaction: the functions that take a digest find exactly what that digest is of.
 */

/** So long an access token lives; Neon's clients refresh by themselves. */
export const ACCESS_TOKEN_SECONDS = 60 * 60;
/** A login ends when nobody has refreshed it for so long, and after so long in any case. */
const IDLE_DAYS = 30;
const LONGEST_DAYS = 180;
/** The browser hands the code over at once; a person waits for nothing in between. */
const CODE_SECONDS = 60;
/** Dead rows stay so long, to tell a replay from a token that never was. */
const KEPT_DAYS = 30;

const now = sql<string>`now()`;
const inSeconds = (seconds: number) => sql<string>`now() + make_interval(secs => ${seconds})`;
const daysAgo = (days: number) => sql<string>`now() - make_interval(days => ${days})`;

/** A database that is silent must not hold a request for longer. */
const ANSWER_WITHIN_MS = 2_000;

/** The logins of some access tokens, in their order, each if the token may be used now. */
export async function findGrantsOfAccessTokens(
  pool: pg.Pool,
  digests: readonly Buffer[],
): Promise<(LiveGrant | undefined)[]> {
  const { rows } = await pool.query<LiveGrant & { number: number }>({
    text: `select asked.number::int4, g.id as grant_id, g.user_id
      from unnest($1::bytea[]) with ordinality as asked (digest, number)
      join oauth_access_tokens a on a.token_digest = asked.digest
      join oauth_grants g on g.id = a.grant_id
      where a.expires_at > now() and g.ended_at is null and g.expires_at > now()`,
    values: [digests],
    query_timeout: ANSWER_WITHIN_MS,
  } as pg.QueryConfig);
  const found = new Array<LiveGrant | undefined>(digests.length).fill(undefined);
  for (const { number, ...grant } of rows) found[number - 1] = grant;
  return found;
}

/** Writes the latest use of many logins in one statement, in the order of their ids (see `writeKeyUses`). */
export async function writeGrantUses(pool: pg.Pool, uses: KeyUses): Promise<void> {
  await pool.query(
    `with used as (${USES}), locked as (
       select id from oauth_grants where id = any($1::bigint[]) order by id for no key update
     )
     update oauth_grants g
     set last_used_at = u.at, last_used_from_addr = u.address, last_used_user_agent = u.user_agent
     from used u join locked on locked.id = u.key_id
     where g.id = locked.id and (g.last_used_at is null or g.last_used_at < u.at)`,
    useParameters(uses),
  );
}

// Codes.

export interface NewCode {
  readonly code_digest: Buffer;
  readonly client_id: string;
  readonly redirect_uri: string;
  readonly scope: string;
  readonly code_challenge: string;
}

/** Keeps the digest of a code for the person who has approved it. Their old ones go with the same stroke. */
export async function insertCode({ tx, user_id }: PersonAccess, code: NewCode): Promise<void> {
  await tx.deleteFrom("oauth_codes").where("user_id", "=", user_id).where("expires_at", "<", daysAgo(1)).execute();
  await tx
    .insertInto("oauth_codes")
    .values({ ...code, user_id, expires_at: inSeconds(CODE_SECONDS) })
    .execute();
}

/** The code of a digest, locked: of two exchanges at once the second sees what the first has done. */
export async function lockCode(tx: Tx, digest: Buffer) {
  return await tx
    .selectFrom("oauth_codes")
    .select(["user_id", "client_id", "redirect_uri", "scope", "code_challenge", "used_at", "grant_id"])
    .select(sql<boolean>`expires_at > now()`.as("is_fresh"))
    .where("code_digest", "=", digest)
    .forUpdate()
    .executeTakeFirst();
}

/** Marks a code used, for a login or for nothing. */
export async function useCode(tx: Tx, code_digest: Buffer, grant_id: number | null): Promise<void> {
  await tx.updateTable("oauth_codes").set({ used_at: now, grant_id }).where("code_digest", "=", code_digest).execute();
}

// Logins and their tokens.

export interface NewGrant {
  readonly user_id: string;
  readonly client_id: string;
  readonly scope: string;
  readonly device_name: string;
  readonly created_from_addr: string;
  readonly created_user_agent: string;
}

/** Begins a login. The person's long dead ones go with the same stroke. */
export async function insertGrant(tx: Tx, grant: NewGrant): Promise<number> {
  await tx
    .deleteFrom("oauth_grants")
    .where("user_id", "=", grant.user_id)
    .where(sql<string>`coalesce(ended_at, expires_at)`, "<", daysAgo(KEPT_DAYS))
    .execute();
  const { id } = await tx
    .insertInto("oauth_grants")
    .values({ ...grant, expires_at: inSeconds(ACCESS_TOKEN_SECONDS) })
    .returning("id")
    .executeTakeFirstOrThrow();
  return id;
}

/** Adds a pair of tokens to a login; one with a refresh token goes on for as long as it is refreshed. */
export async function insertTokens(
  tx: Tx,
  grant_id: number,
  access_digest: Buffer,
  refresh_digest: Buffer | undefined,
): Promise<void> {
  await tx.deleteFrom("oauth_access_tokens").where("grant_id", "=", grant_id).where("expires_at", "<=", now).execute();
  const expires_at = inSeconds(ACCESS_TOKEN_SECONDS);
  await tx.insertInto("oauth_access_tokens").values({ token_digest: access_digest, grant_id, expires_at }).execute();
  if (refresh_digest === undefined) return;
  await tx
    .deleteFrom("oauth_refresh_tokens")
    .where("grant_id", "=", grant_id)
    .where("replaced_at", "<", daysAgo(KEPT_DAYS))
    .execute();
  await tx.insertInto("oauth_refresh_tokens").values({ token_digest: refresh_digest, grant_id }).execute();
  await tx
    .updateTable("oauth_grants")
    .set({
      expires_at: sql`least(now() + make_interval(days => ${IDLE_DAYS}), created_at + make_interval(days => ${LONGEST_DAYS}))`,
    })
    .where("id", "=", grant_id)
    .execute();
}

/**
 * The refresh token of a digest with its login, the login locked first: whatever else happens to the login
 * happens before or after, and never in between.
 */
export async function lockRefreshToken(tx: Tx, digest: Buffer) {
  const found = await tx
    .selectFrom("oauth_refresh_tokens")
    .select("grant_id")
    .where("token_digest", "=", digest)
    .executeTakeFirst();
  if (!found) return undefined;
  const grant = await tx
    .selectFrom("oauth_grants")
    .select(["id", "user_id", "client_id", "scope"])
    .select(sql<boolean>`ended_at is null and expires_at > now()`.as("is_live"))
    .where("id", "=", found.grant_id)
    .forUpdate()
    .executeTakeFirst();
  if (!grant) return undefined;
  const { replaced_seconds } = await tx
    .selectFrom("oauth_refresh_tokens")
    .select(sql<number | null>`extract(epoch from clock_timestamp() - replaced_at)::float8`.as("replaced_seconds"))
    .where("token_digest", "=", digest)
    .executeTakeFirstOrThrow();
  return { grant, replaced_seconds };
}

/** Marks a refresh token replaced; the time of the first replacement stays, and the grace counts from there. */
export async function replaceRefreshToken(tx: Tx, token_digest: Buffer): Promise<void> {
  await tx
    .updateTable("oauth_refresh_tokens")
    .set({ replaced_at: now })
    .where("token_digest", "=", token_digest)
    .where("replaced_at", "is", null)
    .execute();
}

/** The live login that a token of either kind belongs to, whatever became of the token itself. */
export async function findLiveGrantOfToken(tx: Tx, digest: Buffer): Promise<LiveGrant | undefined> {
  return await tx
    .selectFrom("oauth_grants as g")
    .select(["g.id as grant_id", "g.user_id"])
    .where("g.ended_at", "is", null)
    .where((eb) =>
      eb.or([
        eb("g.id", "in", eb.selectFrom("oauth_access_tokens").select("grant_id").where("token_digest", "=", digest)),
        eb("g.id", "in", eb.selectFrom("oauth_refresh_tokens").select("grant_id").where("token_digest", "=", digest)),
      ]),
    )
    .executeTakeFirst();
}

/** Ends a login and with it every token of it; false when it has ended before. */
export async function endGrant(tx: Tx, id: number, end_reason: OAuthEndReason): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("oauth_grants")
    .set({ ended_at: now, end_reason })
    .where("id", "=", id)
    .where("ended_at", "is", null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Ends every login of a person but one, and what was approved and not yet fetched; returns how many logins. */
export async function endGrantsOfPerson(
  { tx, user_id }: { readonly tx: Tx; readonly user_id: string },
  except_id: number | undefined,
): Promise<number> {
  // These wait for an exchange under way, whose login the last statement then sees; a later one finds them gone.
  await tx.deleteFrom("oauth_codes").where("user_id", "=", user_id).where("used_at", "is", null).execute();
  await tx
    .deleteFrom("oauth_device_requests")
    .where("user_id", "=", user_id)
    .where("status", "=", "approved")
    .execute();
  let ended = tx
    .updateTable("oauth_grants")
    .set({ ended_at: now, end_reason: "password_change" })
    .where("user_id", "=", user_id)
    .where("ended_at", "is", null)
    .where("expires_at", ">", now);
  if (except_id !== undefined) ended = ended.where("id", "!=", except_id);
  return Number((await ended.executeTakeFirst()).numUpdatedRows);
}

/** Ends one of the person's logins; false when they have none of that id. */
export async function endOwnGrant(access: PersonAccess, id: number): Promise<boolean> {
  const own = await access.tx
    .selectFrom("oauth_grants")
    .select("id")
    .where("id", "=", id)
    .where("user_id", "=", access.user_id)
    .executeTakeFirst();
  return own !== undefined && (await endGrant(access.tx, id, "revoked"));
}

/** The person's live logins, newest first. */
export async function listGrants({ tx, user_id, principal }: PersonAccess): Promise<OAuthGrant[]> {
  const rows = await tx
    .selectFrom("oauth_grants")
    .select([
      "id",
      "client_id",
      "device_name",
      "scope",
      "created_at",
      "created_from_addr",
      "expires_at",
      "last_used_at",
      "last_used_from_addr",
      "last_used_user_agent",
    ])
    .where("user_id", "=", user_id)
    .where("ended_at", "is", null)
    .where("expires_at", ">", now)
    .orderBy("id", "desc")
    .execute();
  return rows.map(({ client_id, ...grant }) => ({
    ...grant,
    client: describeClient(client_id),
    current: grant.id === principal.oauth_grant_id,
  }));
}

// Machines that wait for approval.

export interface NewDeviceRequest {
  readonly device_code_digest: Buffer;
  readonly user_code: string;
  readonly client_id: string;
  readonly scope: string;
  readonly device_name: string;
  readonly address: string;
  readonly user_agent: string;
  readonly interval_seconds: number;
}

/** Keeps a machine's request; the expired ones of everybody go with the same stroke. False: the code is taken. */
export async function insertDeviceRequest(tx: Tx, request: NewDeviceRequest, seconds: number): Promise<boolean> {
  await tx.deleteFrom("oauth_device_requests").where("expires_at", "<", daysAgo(1)).execute();
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto("oauth_device_requests")
    .values({ ...request, expires_at: inSeconds(seconds) })
    .onConflict((conflict) => conflict.column("user_code").doNothing())
    .executeTakeFirst();
  return (numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** A request that waits for a person, by the code that the machine shows; locked when it is to be judged. */
export async function findWaitingRequest({ tx }: PersonAccess, user_code: string, lock: boolean) {
  const query = tx
    .selectFrom("oauth_device_requests")
    .select(["user_code", "client_id", "scope", "device_name", "address", "user_agent", "created_at", "expires_at"])
    .where("user_code", "=", user_code)
    .where("status", "=", "waiting")
    .where("expires_at", ">", now);
  return await (lock ? query.forUpdate() : query).executeTakeFirst();
}

export async function judgeDeviceRequest(
  { tx, user_id }: PersonAccess,
  user_code: string,
  status: "approved" | "denied",
): Promise<void> {
  await tx.updateTable("oauth_device_requests").set({ status, user_id }).where("user_code", "=", user_code).execute();
}

/** The request of a device code, locked: it is exchanged once. */
export async function lockDeviceRequest(tx: Tx, digest: Buffer) {
  return await tx
    .selectFrom("oauth_device_requests")
    .select(["client_id", "scope", "device_name", "status", "user_id", "interval_seconds"])
    .select(sql<boolean>`expires_at > now()`.as("is_fresh"))
    .select(sql<number | null>`extract(epoch from now() - polled_at)::float8`.as("polled_seconds"))
    .where("device_code_digest", "=", digest)
    .forUpdate()
    .executeTakeFirst();
}

/** Notes a poll, and how long the machine has to wait before the next. */
export async function notePoll(tx: Tx, device_code_digest: Buffer, interval_seconds: number): Promise<void> {
  await tx
    .updateTable("oauth_device_requests")
    .set({ polled_at: now, interval_seconds })
    .where("device_code_digest", "=", device_code_digest)
    .execute();
}

export async function useDeviceRequest(tx: Tx, device_code_digest: Buffer): Promise<void> {
  await tx
    .updateTable("oauth_device_requests")
    .set({ status: "used" })
    .where("device_code_digest", "=", device_code_digest)
    .execute();
}
