import { type Kysely, sql } from "kysely";

/** The size that a compute last ran with, beside its settings; null: it never has run. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table endpoints
      add column applied_min_cu double precision,
      add column applied_max_cu double precision`.execute(db);
  await sql`
    update endpoints set applied_min_cu = autoscaling_limit_min_cu, applied_max_cu = autoscaling_limit_max_cu
    where current_state <> 'init'`.execute(db);
}
