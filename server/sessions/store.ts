import { randomBytes } from "node:crypto";
import type { Session } from "@latchkey/contract/sessions.ts";
import { sql } from "kysely";
import type { PersonAccess } from "../access/handles.ts";
import type { Tx } from "../db/pool.ts";
import { newUuid } from "../ids.ts";

/**
 * Better Auth's tables of sessions and accounts. The row of a session is what makes a cookie good; without
 * it the cookie opens nothing.
 */

/**
 * The hash that the password of an e-mail is checked against; undefined for one that cannot sign in. It stays as it is
 * until the transaction ends: who changes the password waits for a sign-in that has read the old one, and then ends
 * its session with the others. `to_change` is for the change itself.
 */
export async function findPasswordHash(
  tx: Tx,
  email: string,
  { to_change = false } = {},
): Promise<{ user_id: string; password: string } | undefined> {
  const query = tx
    .selectFrom("users as u")
    .innerJoin("accounts as a", "a.user_id", "u.id")
    .select(["u.id as user_id", "a.password"])
    .where("u.email", "=", email)
    .where("a.provider_id", "=", "credential");
  const row = await (to_change ? query.forNoKeyUpdate("a") : query.forShare("a")).executeTakeFirst();
  return row && row.password !== null ? { user_id: row.user_id, password: row.password } : undefined;
}

/** Adds a session and returns its token, for the cookie. The person's expired ones go with the same stroke. */
export async function insertSession(
  tx: Tx,
  user_id: string,
  lifetime_seconds: number,
  from: { readonly address: string; readonly user_agent: string },
): Promise<string> {
  const token = randomBytes(32).toString("base64url");
  await tx
    .deleteFrom("sessions")
    .where("user_id", "=", user_id)
    .where("expires_at", "<=", sql<string>`now()`)
    .execute();
  await tx
    .insertInto("sessions")
    .values({
      id: newUuid(),
      user_id,
      token,
      expires_at: sql`now() + make_interval(secs => ${lifetime_seconds})`,
      ip_address: from.address,
      user_agent: from.user_agent,
    })
    .execute();
  return token;
}

/** The person's live sessions, newest first. */
export async function listSessions(access: PersonAccess): Promise<Session[]> {
  const rows = await access.tx
    .selectFrom("sessions")
    .select(["id", "created_at", "expires_at", "ip_address", "user_agent"])
    .where("user_id", "=", access.user_id)
    .where("expires_at", ">", sql<string>`now()`)
    .orderBy("created_at", "desc")
    .orderBy("id")
    .execute();
  return rows.map(({ ip_address, user_agent, ...session }) => ({
    ...session,
    address: ip_address ?? "",
    user_agent: user_agent ?? "",
    current: session.id === access.principal.session_id,
  }));
}

/** Ends one session of the person; false when they have none of that id. */
export async function deleteSession(access: PersonAccess, session_id: string): Promise<boolean> {
  const { numDeletedRows } = await access.tx
    .deleteFrom("sessions")
    .where("user_id", "=", access.user_id)
    .where("id", "=", session_id)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Ends every session of a person: theirs to ask, or the server machine's on a change of password. */
export async function deleteAllSessions({ tx, user_id }: { tx: Tx; user_id: string }): Promise<void> {
  await tx.deleteFrom("sessions").where("user_id", "=", user_id).execute();
}

/** Ends the person's sessions but the one that asks; returns how many. */
export async function deleteOtherSessions({ tx, user_id, principal }: PersonAccess): Promise<number> {
  let others = tx.deleteFrom("sessions").where("user_id", "=", user_id);
  if (principal.session_id !== undefined) others = others.where("id", "!=", principal.session_id);
  return Number((await others.executeTakeFirst()).numDeletedRows);
}
