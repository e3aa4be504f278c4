import { type Kysely, sql } from "kysely";

/** What the gateway lets clients in by while their computes sleep. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // People make roles and set passwords with SQL, of which `roles` knows nothing.
  `create table observed_verifiers (
    branch_id text not null references branches on delete cascade,
    storage_id text not null,
    role_name text not null,
    verifier text not null,
    primary key (branch_id, role_name)
  )`,
];
