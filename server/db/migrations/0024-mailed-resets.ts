import { type Kysely, sql } from "kysely";

/** Whether a link for a new password was mailed: then whoever has it has the mailbox. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table password_resets add column mailed boolean not null default false`.execute(db);
}
