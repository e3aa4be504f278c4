import { type Kysely, sql } from "kysely";

/** A branch of a protected one is to have none of its passwords. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table branches add column foreign_passwords boolean not null default false`.execute(db);
}
