import { type Kysely, sql } from "kysely";

/** What clients were sent, when they were last there, and a way to find the oldest operations. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  "alter table consumption_hours add transferred_bytes bigint not null default 0 check (transferred_bytes >= 0)",
  "alter table endpoints add last_active timestamptz",
  "create index operations_created_at on operations (created_at)",
];
