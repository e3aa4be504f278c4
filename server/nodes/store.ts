import { sql } from "kysely";
import type pg from "pg";
import type { Db, Tx } from "../db/pool.ts";
import type { AccessChange, Confirmation } from "./change.ts";

/** The channel that wakes the nodes. It carries nothing: what has changed is read from the table. */
export const CHANNEL = "latchkey_access";

/** How long the database waits for the commit of a transaction that holds the lock on the revision. */
const COMMIT_WITHIN_MS = 2_000;

/** A look at the nodes is given up after so long: one connection of the pool may have gone silent while others answer. */
const ANSWER_WITHIN_MS = 1_000;

/** A place in the history of changes; the nonce tells it from the same place in another history. */
export interface Position {
  readonly revision: number;
  readonly nonce: string;
}

/** A place as it was read. A server that has been started since may have lost what other changes than these had made. */
export interface ReadPosition extends Position {
  /** When the database server was started: another one, another server. */
  readonly server: string;
}

/** Who a node is, for people. */
export interface NodeDescription {
  readonly data_node_id: string;
  readonly address: string;
  readonly pid: number;
  readonly version: string;
}

/** What others need to know of a node. */
export interface NodeRow {
  readonly id: string;
  readonly acked_revision: number;
  /** Another one with each renewal, never one that was there before: equal means that nothing has happened. */
  readonly renewals: number;
}

/**
 * Appends changes in their own transaction and returns the revision of the last. From here to the commit
 * the transaction holds a lock that every other narrowing change waits for: let it be the last statement.
 * Should this node vanish before its commit, the database ends the transaction, and the lock is free again.
 */
export async function appendAccessChanges(tx: Tx, changes: readonly AccessChange[], notify: boolean): Promise<number> {
  const rows = sql.join(changes.map(({ kind, subject }, i) => sql`(${i + 1}::bigint, ${kind}, ${subject})`));
  const wake = notify ? sql`, pg_notify(${CHANNEL}, '')` : sql``;
  const { rows: appended } = await sql<{ revision: number }>`
    with next as (
      update access_revision set revision = revision + ${changes.length}::bigint
      returning revision, set_config('idle_in_transaction_session_timeout', ${String(COMMIT_WITHIN_MS)}, true)
    )
    insert into access_changes (revision, kind, subject)
    select next.revision - ${changes.length}::bigint + change.number, change.kind, change.subject
    from next, (values ${rows}) as change (number, kind, subject)
    returning revision ${wake}`.execute(tx);
  return Math.max(...appended.map(({ revision }) => revision));
}

/**
 * Extends a node's lease by its renewal of that number and acknowledges what it has applied; makes its row where there is none. A place
 * that this database's history does not know is not acknowledged. One message that the database carries out
 * whole or not at all: with parameters it would be several, and a node cut off between them would hold the
 * row's lock and keep its own next attempt out.
 */
export async function extendLease(
  client: pg.ClientBase,
  id: string,
  renewal: number,
  applied: Position | undefined,
  { data_node_id, address, pid, version }: NodeDescription,
): Promise<void> {
  const text = (value: string) => client.escapeLiteral(value);
  const acked = applied
    ? `coalesce((select revision from access_changes
        where revision = ${Number(applied.revision)} and nonce = ${text(applied.nonce)}), -1)`
    : "-1";
  await client.query(
    `insert into nodes (id, acked_revision, renewals, renewed_at, data_node_id, address, pid, version)
     values (${text(id)}, ${acked}, ${Number(renewal)}, now(), ${text(data_node_id)}, ${text(address)}, ${Number(pid)}, ${text(version)})
     on conflict (id) do update set renewals = excluded.renewals, renewed_at = excluded.renewed_at,
       acked_revision = greatest(nodes.acked_revision, excluded.acked_revision)`,
  );
}

/**
 * Acknowledges without extending. It need not survive a crash of the database, so it does not wait for the
 * disk: an acknowledgement that is lost only makes others wait. A lease that is lost would not be so harmless.
 */
export async function acknowledge(client: pg.ClientBase, id: string, applied: Position): Promise<void> {
  await client.query(
    `with quickly as (select set_config('synchronous_commit', 'off', true)),
       known as (select revision from access_changes
         where revision = ${Number(applied.revision)} and nonce = ${client.escapeLiteral(applied.nonce)})
     update nodes set acked_revision = greatest(acked_revision, known.revision)
     from quickly, known where id = ${client.escapeLiteral(id)}`,
  );
}

/** The latest change there is. */
export async function readHead(client: pg.ClientBase): Promise<ReadPosition> {
  const { rows } = await client.query<ReadPosition>(
    `select revision::float8, nonce, extract(epoch from pg_postmaster_start_time())::text as server
     from access_changes order by revision desc limit 1`,
  );
  if (!rows[0]) throw new Error("access_changes has lost its first row");
  return rows[0];
}

/** The changes from a place on, that place itself first. */
export async function readChangesFrom(
  client: pg.ClientBase,
  revision: number,
  limit: number,
): Promise<(ReadPosition & AccessChange)[]> {
  const { rows } = await client.query<ReadPosition & AccessChange>(
    `select revision::float8, nonce, kind, subject, extract(epoch from pg_postmaster_start_time())::text as server from access_changes
     where revision >= ${Number(revision)} order by revision limit ${Number(limit)}`,
  );
  return rows;
}

export async function readNodes(client: pg.ClientBase | pg.Pool): Promise<NodeRow[]> {
  const query = {
    text: "select id, acked_revision::float8, renewals::float8 from nodes order by started_at",
    query_timeout: ANSWER_WITHIN_MS,
  };
  const { rows } = await client.query<NodeRow>(query);
  return rows;
}

/** Deletes a node's row if it is still as it was seen; a node that turns out to live makes it anew. */
export async function deleteNodeAsSeen(client: pg.ClientBase, { id, renewals }: NodeRow): Promise<void> {
  await client.query(`delete from nodes where id = ${client.escapeLiteral(id)} and renewals = ${Number(renewals)}`);
}

/** Deletes the row of a node that has given up its lease. */
export async function deleteNode(client: pg.ClientBase, id: string): Promise<void> {
  await client.query(`delete from nodes where id = ${client.escapeLiteral(id)}`);
}

/** Deletes changes that no node asks for any more; one that comes back later than that starts afresh. */
export async function deleteOldChanges(client: pg.ClientBase): Promise<void> {
  await client.query(
    `delete from access_changes where at < now() - interval '1 hour'
       and revision < (select revision from access_revision)
       and revision < (select coalesce(min(acked_revision), 0) from nodes)`,
  );
}

export async function startListening(client: pg.ClientBase): Promise<void> {
  await client.query(`listen ${CHANNEL}`);
}

/** The nodes as an administrator sees them. */
export async function listNodes(db: Db) {
  return await db
    .selectFrom("nodes")
    .select(["id", "data_node_id", "address", "pid", "version", "started_at", "renewed_at", "acked_revision"])
    .orderBy("started_at")
    .execute();
}

/** Completes the audit row of a narrowing change by what it waited for; a trigger lets that happen once. */
export async function writeConfirmation(db: Db, audit_id: number, confirmation: Confirmation): Promise<void> {
  await db
    .updateTable("audit_events")
    .set({ confirmation: JSON.stringify(confirmation) })
    .where("id", "=", audit_id)
    .execute();
}
