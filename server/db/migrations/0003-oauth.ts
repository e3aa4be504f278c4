import { type Kysely, sql } from "kysely";

/** Logins through the browser: grants, their tokens, codes under way, and machines that wait for approval. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // One login of one command line. Whatever is done to it locks this row first.
  `create table oauth_grants (
    id bigint generated always as identity (start with 1001) primary key,
    user_id uuid not null references users on delete cascade,
    client_id text not null,
    scope text not null,
    device_name text not null,
    created_at timestamptz not null default now(),
    created_from_addr text not null,
    created_user_agent text not null,
    expires_at timestamptz not null,
    last_used_at timestamptz,
    last_used_from_addr text not null default '',
    last_used_user_agent text not null default '',
    ended_at timestamptz,
    end_reason text check (end_reason in ('revoked', 'replay', 'code_reuse', 'password_change')),
    check ((ended_at is null) = (end_reason is null))
  ) with (fillfactor = 80)`,
  `create index oauth_grants_user_id on oauth_grants (user_id)`,

  `create table oauth_access_tokens (
    token_digest bytea primary key check (octet_length(token_digest) = 32),
    grant_id bigint not null references oauth_grants on delete cascade,
    expires_at timestamptz not null
  )`,
  `create index oauth_access_tokens_grant_id on oauth_access_tokens (grant_id)`,

  // Replaced ones stay: that one is presented again is how a theft shows.
  `create table oauth_refresh_tokens (
    token_digest bytea primary key check (octet_length(token_digest) = 32),
    grant_id bigint not null references oauth_grants on delete cascade,
    created_at timestamptz not null default now(),
    replaced_at timestamptz
  )`,
  `create index oauth_refresh_tokens_grant_id on oauth_refresh_tokens (grant_id)`,

  // Used ones stay for a day, for the same reason.
  `create table oauth_codes (
    code_digest bytea primary key check (octet_length(code_digest) = 32),
    user_id uuid not null references users on delete cascade,
    client_id text not null,
    redirect_uri text not null,
    scope text not null,
    code_challenge text not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    grant_id bigint references oauth_grants on delete cascade
  )`,
  `create index oauth_codes_user_id on oauth_codes (user_id)`,
  `create index oauth_codes_grant_id on oauth_codes (grant_id)`,

  `create table oauth_device_requests (
    device_code_digest bytea primary key check (octet_length(device_code_digest) = 32),
    user_code text not null unique,
    client_id text not null,
    scope text not null,
    device_name text not null,
    address text not null,
    user_agent text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    interval_seconds integer not null,
    polled_at timestamptz,
    status text not null default 'waiting' check (status in ('waiting', 'approved', 'denied', 'used')),
    user_id uuid references users on delete cascade,
    check ((status = 'waiting') = (user_id is null))
  )`,
  `create index oauth_device_requests_user_id on oauth_device_requests (user_id)`,
  `create index oauth_device_requests_expires_at on oauth_device_requests (expires_at)`,

  `alter table audit_events add column oauth_grant_id bigint`,
];
