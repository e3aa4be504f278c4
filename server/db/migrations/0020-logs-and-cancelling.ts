import { type Kysely, sql } from "kysely";

/** Questions for the logs of computes, to the nodes that run them, and the wish that an operation be given up. */
export async function up(db: Kysely<unknown>): Promise<void> {
  // Not logged: whoever asked before a crash asks again.
  await sql`
    create unlogged table log_readings (
      id uuid primary key,
      endpoint_id text not null references endpoints on delete cascade,
      asked_at timestamptz not null default now(),
      question jsonb not null,
      answer text
    )`.execute(db);
  await sql`create index log_readings_endpoint_id on log_readings (endpoint_id)`.execute(db);
  await sql`alter table operations add column cancel_requested_at timestamptz`.execute(db);
}
