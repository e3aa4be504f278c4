import { type Kysely, sql } from "kysely";

/** Whether a link for a new password was mailed: then whoever has it has the mailbox. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table password_resets add column mailed boolean not null default false`.execute(db);
  // Nobody was ever asked for a proof: to doubt all of them now would end the keys of whoever forgets a password.
  await sql`update users set email_verified = true`.execute(db);
}
