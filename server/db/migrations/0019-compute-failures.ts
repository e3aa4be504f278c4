import { type Kysely, sql } from "kysely";

/** When a compute last died or did not start, why, how often in a row, and when it is started again. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table endpoints
      add column failed_at timestamptz,
      add column failure_reason text,
      add column failures_count integer not null default 0,
      add column retry_at timestamptz`.execute(db);
}
