import { type Kysely, sql } from "kysely";

/** The data directories that branches lie on, and the processes that hold them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // Nothing refers to it: branches name nodes that have not started since this table was made.
  `create table data_nodes (
    id text primary key,
    holder uuid,
    holder_process text not null,
    renewals bigint not null default 0,
    renewed_at timestamptz not null default now(),
    network text not null default '',
    address text,
    certificate_digest text,
    pg_versions integer[] not null default '{}',
    version text not null default ''
  )`,
  `create index branches_roots_node_id on branches (node_id) where is_default and deleted_at is null`,
];
