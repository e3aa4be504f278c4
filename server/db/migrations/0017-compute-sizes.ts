import { type Kysely, sql } from "kysely";

/** Sizes of computes: what each has, what was consumed at it, and what nodes have room for. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

// Until now there was one size.
const STATEMENTS = [
  `alter table endpoints
    add column autoscaling_limit_min_cu double precision not null default 0.25,
    add column autoscaling_limit_max_cu double precision not null default 0.25`,
  `alter table compute_meters add column size_cu double precision not null default 0.25`,
  `alter table consumption_hours add column compute_unit_seconds double precision not null default 0`,
  `update consumption_hours set compute_unit_seconds = active_seconds * 0.25`,
  `alter table data_nodes
    add column cpus integer,
    add column memory_bytes bigint,
    add column pools_connections boolean not null default false`,
];
