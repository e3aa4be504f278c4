import { type Kysely, sql } from "kysely";

/** The quota that a single branch has used up: of its size, where those of its project are of what all branches consume. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table branches add column quota_exceeded text`.execute(db);
}
