import { type Kysely, sql } from "kysely";

/** Branches of branches, computes that rest, content that changes after its creation, projects that come back. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // What a branch is to people and where its data lies are two things: a restore gives a branch other data.
  `alter table branches
    add column storage_id text,
    add column parent_id text references branches on delete set null,
    add column parent_lsn text,
    add column parent_timestamp timestamptz,
    add column init_source text not null default 'parent-data' check (init_source in ('parent-data', 'schema-only')),
    add column copy_method text,
    add column copied_bytes bigint,
    add column protected boolean not null default false,
    add column expires_at timestamptz,
    add column ttl_interval_seconds integer,
    add column last_reset_at timestamptz,
    add column reset jsonb,
    add column admin_password bytea,
    add column admin_password_of text,
    add column content_revision integer not null default 1,
    add column applied_revision integer not null default 0,
    add column deleted_at timestamptz`,
  // A clone has the superuser, and so the password, of what it was cloned from. It is sealed for the id that
  // it was made for, which the migration cannot change: that id is kept beside it.
  `update branches b set storage_id = b.id, admin_password = e.admin_password, admin_password_of = e.id,
    applied_revision = case when e.current_state = 'init' then 0 else 1 end
    from endpoints e where e.branch_id = b.id`,
  `alter table branches
    alter column storage_id set not null,
    alter column admin_password set not null,
    alter column admin_password_of set not null,
    add unique (storage_id),
    drop constraint branches_current_state_check,
    add constraint branches_current_state_check check (current_state in ('init', 'resetting', 'ready')),
    drop constraint branches_project_id_name_key`,
  `create unique index branches_name on branches (project_id, name) where deleted_at is null`,
  `drop index branches_default`,
  `create unique index branches_default on branches (project_id) where is_default and deleted_at is null`,
  `create index branches_parent_id on branches (parent_id) where parent_id is not null`,
  `create index branches_expires_at on branches (expires_at) where expires_at is not null`,

  `alter table endpoints
    drop column admin_password,
    drop constraint endpoints_branch_id_key,
    add column name text,
    add column desired_state text not null default 'running' check (desired_state in ('running', 'suspended')),
    add column disabled boolean not null default false,
    add column settings jsonb not null default '{}',
    add column applied_settings jsonb not null default '{}',
    add column suspend_timeout_seconds integer not null default -1,
    add column suspended_at timestamptz,
    add column deleted_at timestamptz`,
  `create unique index endpoints_branch_id on endpoints (branch_id) where deleted_at is null`,

  `alter table roles
    alter column password drop not null,
    add column verifier text,
    add column deleted_at timestamptz,
    add check (verifier is null or password is not null)`,
  `alter table databases
    add column former_name text,
    add column deleted_at timestamptz`,

  `create index operations_branch_open on operations (branch_id, seq) where status in ('scheduling', 'running')`,

  `alter table projects
    add column settings jsonb not null default '{}',
    add column default_endpoint_settings jsonb not null default '{}',
    add column removed_at timestamptz`,
];
