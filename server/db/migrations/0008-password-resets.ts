import { type Kysely, sql } from "kysely";

/** Links with which a person who has forgotten their password sets another one. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table password_resets (
    token_digest bytea primary key check (octet_length(token_digest) = 32),
    user_id uuid not null references users on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
  )`,
  `create index password_resets_user_id on password_resets (user_id)`,
  `create index password_resets_expires_at on password_resets (expires_at)`,
];
