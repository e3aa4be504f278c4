import { type Kysely, sql } from "kysely";

/** People, organizations, keys, projects and the audit log: everything of the first release. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table instance (
    id uuid primary key,
    secret_key_fingerprint text not null,
    created_at timestamptz not null default now(),
    singleton boolean not null default true unique check (singleton)
  )`,
  `create table setup_tokens (
    token_digest bytea primary key,
    created_at timestamptz not null default now()
  )`,

  // People, sessions: Better Auth's tables under our names.
  `create table users (
    id uuid primary key,
    name text not null,
    email text not null check (email = lower(email)),
    email_verified boolean not null,
    image text,
    instance_admin boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (email)
  )`,
  `create table accounts (
    id uuid primary key,
    user_id uuid not null references users on delete cascade,
    account_id text not null,
    provider_id text not null,
    access_token text,
    refresh_token text,
    id_token text,
    access_token_expires_at timestamptz,
    refresh_token_expires_at timestamptz,
    scope text,
    password text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (provider_id, account_id)
  )`,
  `create index accounts_user_id on accounts (user_id)`,
  `create table sessions (
    id uuid primary key,
    user_id uuid not null references users on delete cascade,
    token text not null unique,
    expires_at timestamptz not null,
    ip_address text,
    user_agent text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`,
  `create index sessions_user_id on sessions (user_id)`,
  `create table verifications (
    id uuid primary key,
    identifier text not null,
    value text not null,
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`,
  `create index verifications_identifier on verifications (identifier)`,

  // Organizations.
  `create table organizations (
    id text primary key,
    name text not null,
    handle text not null unique,
    personal_of uuid unique references users on delete cascade,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`,
  `create table members (
    id uuid primary key,
    org_id text not null references organizations on delete cascade,
    user_id uuid not null references users on delete cascade,
    role text not null check (role in ('admin', 'member')),
    joined_at timestamptz not null default now(),
    unique (org_id, user_id)
  )`,
  `create index members_user_id on members (user_id)`,
  `create table invitations (
    id uuid primary key,
    org_id text not null references organizations on delete cascade,
    email text not null check (email = lower(email)),
    role text not null check (role in ('admin', 'member')),
    invited_by uuid not null references users on delete cascade,
    token_digest bytea not null unique,
    invited_at timestamptz not null default now(),
    expires_at timestamptz not null,
    unique (org_id, email)
  )`,

  // Projects and what is in them.
  `create table projects (
    id text primary key,
    org_id text not null references organizations on delete restrict,
    name text not null,
    region_id text not null,
    pg_version integer not null,
    created_by uuid references users on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
  )`,
  `create index projects_org_id on projects (org_id, created_at desc, id desc) where deleted_at is null`,
  `create table branches (
    id text primary key,
    project_id text not null references projects on delete cascade,
    node_id text not null,
    name text not null,
    is_default boolean not null,
    current_state text not null check (current_state in ('init', 'ready')),
    logical_size bigint,
    created_by uuid references users on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    state_changed_at timestamptz not null default now(),
    unique (project_id, name)
  )`,
  `create unique index branches_default on branches (project_id) where is_default`,
  `create table endpoints (
    id text primary key,
    project_id text not null references projects on delete cascade,
    branch_id text not null unique references branches on delete cascade,
    host text not null,
    port integer not null,
    current_state text not null check (current_state in ('init', 'active', 'idle')),
    admin_password bytea not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    started_at timestamptz,
    unique (host, port)
  )`,
  `create index endpoints_project_id on endpoints (project_id)`,
  `create table roles (
    branch_id text not null references branches on delete cascade,
    name text not null,
    password bytea not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (branch_id, name)
  )`,
  `create table databases (
    id bigint generated always as identity primary key,
    branch_id text not null references branches on delete cascade,
    name text not null,
    owner_name text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (branch_id, name),
    foreign key (branch_id, owner_name) references roles (branch_id, name)
  )`,
  `create table operations (
    id uuid primary key,
    seq bigint generated always as identity,
    project_id text not null references projects on delete cascade,
    branch_id text,
    endpoint_id text,
    action text not null,
    status text not null,
    error text,
    failures_count integer not null default 0,
    retry_at timestamptz,
    leased_by text,
    leased_until timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    total_duration_ms integer not null default 0
  )`,
  `create index operations_project on operations (project_id, seq desc)`,
  `create index operations_open on operations (project_id, seq) where status in ('scheduling', 'running')`,

  // Keys. The owner is one of two columns; a project key belongs to its organization and names its project.
  `create table api_keys (
    id bigint generated always as identity (start with 100001) primary key,
    kind text not null,
    user_id uuid references users on delete cascade,
    org_id text references organizations on delete cascade,
    project_id text references projects on delete cascade,
    name text not null check (char_length(name) between 1 and 64),
    token_digest bytea not null check (octet_length(token_digest) = 32),
    hint text not null,
    created_by uuid not null references users,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    last_used_from_addr text not null default '',
    last_used_user_agent text not null default '',
    revoked_at timestamptz,
    check (case kind
      when 'user' then user_id is not null and org_id is null and project_id is null
      when 'org' then user_id is null and org_id is not null and project_id is null
      when 'proj' then user_id is null and org_id is not null and project_id is not null
      else false end)
  )`,
  `create unique index api_keys_token_digest on api_keys (token_digest)`,
  `create unique index api_keys_live_user_name on api_keys (user_id, name) where revoked_at is null and user_id is not null`,
  `create unique index api_keys_live_org_name on api_keys (org_id, name) where revoked_at is null and org_id is not null`,
  `create index api_keys_project_id on api_keys (project_id) where project_id is not null`,

  // No foreign keys: the record outlives what it speaks of.
  `create table audit_events (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    action text not null,
    principal_kind text not null,
    user_id uuid,
    org_id text,
    project_id text,
    api_key_id bigint,
    subject text not null,
    request_id text not null,
    address text not null,
    user_agent text not null
  )`,
  `create index audit_events_org on audit_events (org_id, id desc)`,
  `create function audit_events_append_only() returns trigger language plpgsql as $$
    begin raise exception 'audit_events is append-only'; end $$`,
  `create trigger audit_events_append_only before update or delete or truncate on audit_events
    execute function audit_events_append_only()`,
];
