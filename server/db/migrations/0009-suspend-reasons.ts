import { type Kysely, sql } from "kysely";

/** Why a compute was put to rest. Unknown for those that rest already. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table endpoints add column suspended_for text check (suspended_for in ('request', 'idle'))`.execute(
    db,
  );
}
