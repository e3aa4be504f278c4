import { sql } from "kysely";
import type pg from "pg";
import { type Capacity, memoryOf, SMALLEST_CU } from "../compute/size.ts";
import type { Db, Tx } from "../db/pool.ts";

/** So long after its last renewal a node is held for lost. */
const LOST_AFTER = "interval '5 seconds'";

/**
 * When a node was last heard from, if that is too long ago or it has stopped; else null. Of a row of `data_nodes` that is
 * called `d`, which need not be there: of a node that has never told anything nothing is held against it.
 */
export const LOST_SINCE = sql<string | null>`case
  when d.id is not null and (d.holder is null or d.renewed_at < now() - ${sql.raw(LOST_AFTER)}) then d.renewed_at end`;

/** What is told of a node that cannot be reached, and what to do. */
export const lostMessage = (since: string) =>
  `the node that has this branch's data has not been heard from since ${since}, and no other one can run it: ` +
  "start that server again, or bring back its machine";

/** What a process must know of a node before it takes it. */
export interface HeldNode {
  readonly holder: string | null;
  readonly holder_process: string;
  readonly renewals: number;
}

export async function findHeldNode(client: pg.ClientBase, id: string): Promise<HeldNode | undefined> {
  const { rows } = await client.query<HeldNode>(
    `select holder, holder_process, renewals::float8 from data_nodes where id = ${client.escapeLiteral(id)}`,
  );
  return rows[0];
}

export interface Taking {
  readonly id: string;
  readonly holder: string;
  readonly holder_process: string;
}

/** Takes a node that is as it was seen, or that nobody has had; false when somebody else was first. */
export async function takeNode(client: pg.ClientBase, taking: Taking, seen: HeldNode | undefined): Promise<boolean> {
  const [id, holder, holder_process] = [taking.id, taking.holder, taking.holder_process].map((text) =>
    client.escapeLiteral(text),
  );
  // Not one that is told of by whoever had it before.
  const { rowCount } = await client.query(
    seen === undefined
      ? `insert into data_nodes (id, holder, holder_process) values (${id}, ${holder}, ${holder_process})
         on conflict (id) do nothing`
      : `update data_nodes set holder = ${holder}, holder_process = ${holder_process}, renewals = renewals + 1,
           renewed_at = now(), address = null, certificate_digest = null, pg_versions = '{}',
           cpus = null, memory_bytes = null, pools_connections = false
         where id = ${id} and renewals = ${Number(seen.renewals)}`,
  );
  return rowCount === 1;
}

/** What others need to know to choose this node and to reach it. */
export interface NodeFacts {
  readonly network: string;
  readonly address: string | null;
  readonly certificate_digest: string | null;
  readonly pg_versions: readonly number[];
  readonly capacity: Capacity;
  readonly pools_connections: boolean;
  readonly version: string;
}

/** Renews, and tells what there is to tell; false when another process has the node now. */
export async function renewNode(
  client: pg.ClientBase,
  { id, holder }: Taking,
  facts: NodeFacts | undefined,
): Promise<boolean> {
  const text = (value: string | null) => (value === null ? "null" : client.escapeLiteral(value));
  const told = facts
    ? `, network = ${text(facts.network)}, address = ${text(facts.address)},
       certificate_digest = ${text(facts.certificate_digest)}, version = ${text(facts.version)},
       pg_versions = '{${facts.pg_versions.map(Number).join(",")}}', cpus = ${Number(facts.capacity.cpus)},
       memory_bytes = ${Number(facts.capacity.memory_bytes)}, pools_connections = ${facts.pools_connections === true}`
    : "";
  const { rowCount } = await client.query(
    `update data_nodes set renewals = renewals + 1, renewed_at = now() ${told}
     where id = ${text(id)} and holder = ${text(holder)}`,
  );
  return rowCount === 1;
}

/** Gives a node up: whoever starts on its directory next need not wait. */
export async function giveUpNode(client: pg.ClientBase, { id, holder }: Taking): Promise<void> {
  await client.query(
    `update data_nodes set holder = null, renewed_at = now()
     where id = ${client.escapeLiteral(id)} and holder = ${client.escapeLiteral(holder)}`,
  );
}

/** Forgets nodes that have nothing and have been silent for a day; how many are lost of those that are left. */
export async function clearAwayNodes(client: pg.ClientBase): Promise<number> {
  await client.query(
    `delete from data_nodes d where d.renewed_at < now() - interval '1 day'
       and not exists (select from branches b where b.node_id = d.id)`,
  );
  const { rows } = await client.query<{ lost: number }>(
    `select count(*)::integer as lost from data_nodes where holder is null or renewed_at < now() - ${LOST_AFTER}`,
  );
  return rows[0]?.lost ?? 0;
}

/** What a new project needs of its node. */
export interface Needs {
  readonly pg_version: number;
  readonly size_cu: number;
}

/**
 * The node for a new project: of those that live, that the one who asks can reach, that have the PostgreSQL version and room
 * for its compute, the one with the fewest projects; the one who asks where there are several. Undefined when there is none.
 */
export async function chooseNode(tx: Tx, own_id: string, needs: Needs): Promise<string | undefined> {
  const { pg_version, size_cu } = needs;
  const { rows } = await sql<{ id: string }>`
    select d.id from data_nodes d left join data_nodes own on own.id = ${own_id}
    where ${LOST_SINCE} is null and ${pg_version}::integer = any (d.pg_versions)
      and (${size_cu === SMALLEST_CU}::boolean
        or d.cpus >= ${size_cu}::float8 and d.memory_bytes >= ${memoryOf(size_cu)}::bigint)
      and (d.id = ${own_id} or d.address is not null and (d.network = own.network or not ${IS_LOOPBACK}))
    order by (select count(*) from branches b where b.node_id = d.id and b.is_default and b.deleted_at is null),
      d.id <> ${own_id}, d.id
    limit 1`.execute(tx);
  return rows[0]?.id;
}

const IS_LOOPBACK = sql<boolean>`d.address ~ '^(127\\.|\\[::1\\]|localhost:)'`;

/** What the machine has that has a branch's data; undefined where its node has not told. */
export async function findCapacity(tx: Tx, branch_id: string): Promise<Capacity | undefined> {
  const row = await tx
    .selectFrom("branches as b")
    .innerJoin("data_nodes as d", "d.id", "b.node_id")
    .select(["d.cpus", "d.memory_bytes"])
    .where("b.id", "=", branch_id)
    .executeTakeFirst();
  const { cpus = null, memory_bytes = null } = row ?? {};
  return cpus === null || memory_bytes === null ? undefined : { cpus, memory_bytes };
}

/** When the node of a branch was last heard from, if it is lost. */
export async function findLostSince(tx: Tx, branch_id: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom("branches as b")
    .innerJoin("data_nodes as d", "d.id", "b.node_id")
    .select(LOST_SINCE.as("since"))
    .where("b.id", "=", branch_id)
    .executeTakeFirst();
  return row?.since ?? undefined;
}

/** The nodes as an administrator sees them. */
export async function listDataNodes(db: Db) {
  const { rows } = await sql<{
    id: string;
    state: "live" | "lost" | "stopped";
    renewed_at: string;
    address: string | null;
    version: string;
    pg_versions: number[];
    projects: number;
    computes_running: number;
  }>`
    select d.id, d.renewed_at, d.address, d.version, d.pg_versions,
      case when d.holder is null then 'stopped' when ${LOST_SINCE} is null then 'live' else 'lost' end as state,
      (select count(*) from branches b where b.node_id = d.id and b.is_default) as projects,
      (select count(*) from endpoints e join branches b on b.id = e.branch_id
       where b.node_id = d.id and e.current_state = 'active') as computes_running
    from data_nodes d order by d.id`.execute(db);
  return rows;
}
