import { type Kysely, sql } from "kysely";

/** How far the copy is that an operation makes. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table operations add column copied_bytes bigint, add column total_bytes bigint`.execute(db);
}
