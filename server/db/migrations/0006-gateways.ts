import { type Kysely, sql } from "kysely";

/** By which names clients reach the computes of a node, where it has a domain for them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // Any node may be asked about an endpoint, and only the endpoint's own node knows its names: hence a table.
  `create table gateways (
    node_id text primary key,
    domain text not null,
    port integer not null
  )`,
];
