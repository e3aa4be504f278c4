import { type Kysely, sql } from "kysely";

/** Roles and databases follow what people do to them with SQL, and a compute is told only of what the API has changed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table branches add column observed_digest text`,
  // A role may log in with a password that only its people know. The owner of a database may be a role of which we know less yet.
  `alter table roles
    drop constraint roles_check,
    add column can_login boolean not null default true,
    add column oid bigint,
    add column revision integer not null default 0`,
  `alter table databases
    drop constraint databases_branch_id_owner_name_fkey,
    add column oid bigint,
    add column revision integer not null default 0`,
  `update roles set can_login = false where password is null`,
  // A child has its parent's roles and databases with its data: what has never been changed there need not be told.
  `update branches set applied_revision = content_revision
    where parent_id is not null and content_revision = 1 and applied_revision = 0`,
  ...["roles", "databases"].map(
    (table) => `update ${table} t set revision = b.content_revision
      from branches b where b.id = t.branch_id and b.applied_revision < b.content_revision`,
  ),
];
