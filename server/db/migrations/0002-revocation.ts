import { type Kysely, sql } from "kysely";

/** Access changes, the nodes that must hear of them, and what a change waited for in its audit row. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // One row, locked by each change until its transaction ends: revisions come in the order of commit and
  // without gaps. A sequence gives neither, and a node would step over a change that commits late.
  `create table access_revision (
    revision bigint not null,
    singleton boolean primary key default true check (singleton)
  )`,
  `insert into access_revision (revision) values (0)`,

  // The nonce tells two histories apart in which a revision was given twice: a backup that was restored, a
  // standby that was promoted without the last commits.
  `create table access_changes (
    revision bigint primary key,
    nonce uuid not null default gen_random_uuid(),
    kind text not null check (kind in ('key', 'project', 'organization', 'user', 'everything')),
    subject text not null,
    at timestamptz not null default now()
  )`,
  `insert into access_changes (revision, kind, subject) values (0, 'everything', '')`,

  // Never unlogged: a row that a crash of the database loses would let a revocation overlook a live node.
  // No foreign keys and no indexes but the key: an update stays on its page.
  `create table nodes (
    id uuid primary key,
    acked_revision bigint not null,
    renewals bigint not null,
    renewed_at timestamptz not null,
    started_at timestamptz not null default now(),
    data_node_id text not null,
    address text not null,
    pid integer not null,
    version text not null
  ) with (fillfactor = 50)`,

  // What a change waited for is known only after its commit, so this one field may be written later, once.
  `alter table audit_events add column confirmation jsonb`,
  `create or replace function audit_events_append_only() returns trigger language plpgsql as $$
    begin
      if tg_op = 'UPDATE' then
        if old.confirmation is null and to_jsonb(new) - 'confirmation' = to_jsonb(old) - 'confirmation' then
          return new;
        end if;
      end if;
      raise exception 'audit_events is append-only';
    end $$`,
  // The old trigger fires for each statement, which has no rows to compare.
  `drop trigger audit_events_append_only on audit_events`,
  `create trigger audit_events_append_only before update or delete on audit_events
    for each row execute function audit_events_append_only()`,
  `create trigger audit_events_not_truncated before truncate on audit_events
    execute function audit_events_append_only()`,

  // Last uses are written over and over; room on the page keeps the new version beside the old, off the indexes.
  `alter table api_keys set (fillfactor = 80)`,
];
