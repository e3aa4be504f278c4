import { type Kysely, sql } from "kysely";

/** Schemas that are asked for, branches that begin with one, and what projects consume. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // A question to the node whose disk holds the branch, and its answer. Not logged: an answer is read at once, and
  // whoever asked before a crash asks again.
  `create unlogged table schema_readings (
    id uuid primary key,
    branch_id text not null references branches on delete cascade,
    database_name text not null,
    format text not null check (format in ('sql', 'json')),
    asked_at timestamptz not null default now(),
    answer text,
    refusal text,
    check (answer is null or refusal is null)
  )`,
  `create index schema_readings_branch_id on schema_readings (branch_id)`,

  // Of a schema-only branch: whose schema it gets. It is no child of that one, which may go meanwhile.
  `alter table branches
    add column schema_of text,
    add column metered_lsn pg_lsn,
    add column metered_storage_id text,
    add column storage_bytes bigint`,

  // What is being counted: one row for each compute that runs, or did when it was last looked at.
  `create table compute_meters (
    endpoint_id text primary key,
    project_id text not null references projects on delete cascade,
    branch_id text not null,
    counted_until timestamptz not null default now(),
    process text,
    cpu_seconds double precision not null default 0
  )`,
  `create index compute_meters_project_id on compute_meters (project_id)`,
  // What has been counted, by branch and hour. Deleted branches stay in it.
  `create table consumption_hours (
    project_id text not null references projects on delete cascade,
    hour timestamptz not null,
    branch_id text not null,
    active_seconds double precision not null default 0,
    cpu_seconds double precision not null default 0,
    written_bytes bigint not null default 0,
    storage_bytes bigint not null default 0,
    logical_bytes bigint not null default 0,
    primary key (project_id, hour, branch_id)
  )`,
  `alter table projects add column quota_exceeded text`,
];
