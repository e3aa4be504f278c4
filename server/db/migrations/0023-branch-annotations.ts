import { type Kysely, sql } from "kysely";

/** What tools note about a branch when they make it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table branch_annotations (
    branch_id text primary key references branches on delete cascade,
    value jsonb not null,
    created_at timestamptz not null default now()
  )`.execute(db);
}
