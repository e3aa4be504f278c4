import { type Kysely, sql } from "kysely";

/**
 * Last uses of keys move to a table of their own: narrow, with one index, and with room on each page for a second
 * version of all its rows. Beside the keys each write made an entry in five indexes when many keys of one page
 * were used in the same second.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // No foreign key: a batch of uses must not fail because one of its keys was deleted meanwhile.
  `create table key_uses (
    key_id bigint primary key,
    at timestamptz not null,
    address text not null,
    user_agent text not null
  ) with (fillfactor = 45)`,
  `insert into key_uses (key_id, at, address, user_agent)
    select id, last_used_at, last_used_from_addr, last_used_user_agent from api_keys where last_used_at is not null`,
  `alter table api_keys
    drop column last_used_at, drop column last_used_from_addr, drop column last_used_user_agent`,
  `alter table api_keys reset (fillfactor)`,
  // Keys are deleted only together with their person, organization or project.
  `create function key_uses_go_with_keys() returns trigger language plpgsql as $$
    begin
      delete from key_uses where key_id in (select id from gone);
      return null;
    end $$`,
  `create trigger key_uses_go_with_keys after delete on api_keys
    referencing old table as gone for each statement execute function key_uses_go_with_keys()`,
];
