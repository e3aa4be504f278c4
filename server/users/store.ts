import type { CurrentUser } from "@latchkey/contract/users.ts";
import { sql } from "kysely";
import type { Db, Tx } from "../db/pool.ts";
import { orConflict } from "../db/pool.ts";
import { newUuid } from "../ids.ts";
import { tokenDigest } from "../keys/token.ts";

/**
 * The resource users: people, what they see of themselves, and how a new one comes in. Sessions and
 * passwords as such are `sessions/`; organizations and memberships are `organizations/`.
 */

/** Better Auth's name for an account that signs in with a password. */
const CREDENTIAL = "credential";

/** A person acting for themselves: a `PersonAccess`, or whoever has just proved who they are. */
export interface Oneself {
  readonly tx: Tx;
  readonly user_id: string;
}

export async function getCurrentUser({ tx, user_id }: Oneself): Promise<CurrentUser> {
  const user = await tx
    .selectFrom("users")
    .select(["id", "email", "name", "image", "instance_admin"])
    .where("id", "=", user_id)
    .executeTakeFirstOrThrow();
  const { email, name } = user;
  const image = user.image ?? "";
  return {
    ...user,
    login: email,
    last_name: "",
    image,
    plan: "self_hosted",
    // Of the providers that Neon's document lists, the one that stands for e-mail and password.
    auth_accounts: [{ provider: "keycloak", email, login: email, name, image }],
    active_seconds_limit: -1,
    projects_limit: -1,
    branches_limit: -1,
    max_autoscaling_limit: -1,
  };
}

export async function hasPeople(db: Db | Tx): Promise<boolean> {
  return (await db.selectFrom("users").select("id").limit(1).executeTakeFirst()) !== undefined;
}

/** Makes other first sign-ups wait until this transaction ends. */
export async function lockInstance(tx: Tx): Promise<void> {
  await tx.selectFrom("instance").select("id").forUpdate().executeTakeFirstOrThrow();
}

export async function findUserIdByEmail(tx: Tx, email: string): Promise<string | undefined> {
  return (await tx.selectFrom("users").select("id").where("email", "=", email).executeTakeFirst())?.id;
}

export interface NewUser {
  /** In lower case. */
  readonly email: string;
  readonly name: string;
  readonly instance_admin: boolean;
  readonly email_verified: boolean;
}

export async function insertUser(tx: Tx, user: NewUser): Promise<string> {
  const id = newUuid();
  const insert = tx
    .insertInto("users")
    .values({ ...user, id, image: null })
    .execute();
  await orConflict(insert, "users_email_key", "there is an account with this e-mail already; sign in instead");
  return id;
}

/** Notes that the person has their mailbox; false when nobody had doubted it. */
export async function verifyEmail({ tx, user_id }: Oneself): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("users")
    .set({ email_verified: true, updated_at: sql`now()` })
    .where("id", "=", user_id)
    .where("email_verified", "=", false)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Sets the hash that a person's password is checked against. */
export async function putPasswordHash({ tx, user_id }: Oneself, password: string): Promise<void> {
  await tx
    .insertInto("accounts")
    .values({ id: newUuid(), user_id, account_id: user_id, provider_id: CREDENTIAL, password })
    .onConflict((conflict) =>
      conflict.columns(["provider_id", "account_id"]).doUpdateSet({ password, updated_at: sql`now()` }),
    )
    .execute();
}

/**
 * Records a link for a new password, if somebody has this e-mail, and says who. One statement either way: that
 * there is nobody must not show in the time that it takes. Links whose time is over go with the same stroke.
 */
export async function insertPasswordReset(
  tx: Tx,
  email: string,
  token_digest: Buffer,
  { minutes, mailed }: { readonly minutes: number; readonly mailed: boolean },
): Promise<string | undefined> {
  await tx.deleteFrom("password_resets").where("expires_at", "<=", sql<string>`now()`).execute();
  const row = await tx
    .insertInto("password_resets")
    .columns(["token_digest", "user_id", "expires_at", "mailed"])
    .expression((eb) =>
      eb
        .selectFrom("users")
        .select([
          sql<Buffer>`${token_digest}::bytea`.as("token_digest"),
          "id",
          sql<string>`now() + make_interval(mins => ${minutes})`.as("expires_at"),
          sql<boolean>`${mailed}::boolean`.as("mailed"),
        ])
        .where("email", "=", email),
    )
    .returning("user_id")
    .executeTakeFirst();
  return row?.user_id;
}

/**
 * Uses a link's token up, and with it every other link of that person; undefined when it is not good. Of two
 * who use links of one person at once, one finds them gone.
 */
export async function takePasswordReset(
  tx: Tx,
  token: string,
): Promise<{ readonly user_id: string; readonly mailed: boolean } | undefined> {
  const rows = await tx
    .deleteFrom("password_resets")
    .where("user_id", "=", (eb) =>
      eb
        .selectFrom("password_resets as given")
        .select("given.user_id")
        .where("given.token_digest", "=", tokenDigest(token))
        .where("given.expires_at", ">", sql<string>`now()`),
    )
    .returning(["user_id", "token_digest", "mailed"])
    .execute();
  // The given one is among what this very statement deleted, or somebody else was quicker.
  return rows.find(({ token_digest }) => token_digest.equals(tokenDigest(token)));
}

/**
 * Ends the links of a person whose password is another one. Before the password is touched: who uses a link takes the
 * links first, too.
 */
export async function deletePasswordResets({ tx, user_id }: Oneself): Promise<void> {
  await tx.deleteFrom("password_resets").where("user_id", "=", user_id).execute();
}

export async function insertSetupToken(db: Db, token_digest: Buffer): Promise<void> {
  await db.insertInto("setup_tokens").values({ token_digest }).execute();
}

export async function hasSetupToken(tx: Tx, token_digest: Buffer): Promise<boolean> {
  const query = tx.selectFrom("setup_tokens").select("created_at").where("token_digest", "=", token_digest);
  return (await query.executeTakeFirst()) !== undefined;
}

export async function deleteSetupTokens(tx: Tx): Promise<void> {
  await tx.deleteFrom("setup_tokens").execute();
}
