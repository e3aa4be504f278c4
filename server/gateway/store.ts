import { sql } from "kysely";
import { COPY_SLOT } from "../compute/names.ts";
import type { Db, Tx } from "../db/pool.ts";
import { LOST_SINCE, lostMessage } from "../placement/store.ts";
import type { EndpointNode } from "./links/links.ts";

/**
 * SQL for the gateway. It acts for nobody who has a key: its callers have proved, or have yet to prove, a role's
 * password. Every function here is named `…ForGateway`, and only `gateway/` may import this file.
 */

export interface EndpointRow {
  readonly branch_id: string;
  readonly node_id: string;
  /** Together they say whether what was read from the compute before can still be true. */
  readonly storage_id: string;
  readonly applied_revision: number;
  /** Its compute is still to be told by what clients are let in. */
  readonly foreign_passwords: boolean;
  readonly protected: boolean;
  readonly disabled: boolean;
  readonly size_cu: number;
  readonly quota_exceeded: string | null;
  readonly allowed_ips: { readonly ips?: readonly string[]; readonly protected_branches_only?: boolean } | null;
}

/** Undefined when there is none, or when it, its branch or its project is deleted. */
export async function findEndpointForGateway(tx: Tx, endpoint_id: string): Promise<EndpointRow | undefined> {
  return await tx
    .selectFrom("endpoints as e")
    .innerJoin("branches as b", "b.id", "e.branch_id")
    .innerJoin("projects as p", "p.id", "e.project_id")
    .select(["e.branch_id", "e.disabled", "b.node_id", "b.storage_id", "b.applied_revision", "b.protected"])
    .select("b.foreign_passwords")
    .select("e.autoscaling_limit_max_cu as size_cu")
    .select(sql<string | null>`coalesce(p.quota_exceeded, b.quota_exceeded)`.as("quota_exceeded"))
    .select(sql<EndpointRow["allowed_ips"]>`p.settings -> 'allowed_ips'`.as("allowed_ips"))
    .where("e.id", "=", endpoint_id)
    .where("e.deleted_at", "is", null)
    .where("b.deleted_at", "is", null)
    .where("p.deleted_at", "is", null)
    .executeTakeFirst();
}

/** The node whose disk has the endpoint's branch; undefined when there is no such endpoint. */
export async function findNodeForGateway(tx: Tx, endpoint_id: string): Promise<EndpointNode | undefined> {
  const row = await tx
    .selectFrom("endpoints as e")
    .innerJoin("branches as b", "b.id", "e.branch_id")
    .leftJoin("data_nodes as d", "d.id", "b.node_id")
    .select(["b.node_id", "d.address", "d.certificate_digest", LOST_SINCE.as("lost_since")])
    .where("e.id", "=", endpoint_id)
    .where("e.deleted_at", "is", null)
    .executeTakeFirst();
  if (!row) return undefined;
  const { lost_since, ...node } = row;
  return { ...node, lost: lost_since === null ? undefined : lostMessage(lost_since) };
}

/** By what the nodes know one another. */
export async function listLinkDigestsForGateway(tx: Tx): Promise<ReadonlySet<string>> {
  const rows = await tx
    .selectFrom("data_nodes")
    .select("certificate_digest")
    .where("certificate_digest", "is not", null)
    .execute();
  return new Set(rows.flatMap(({ certificate_digest }) => certificate_digest ?? []));
}

/** The verifier that a role has by its row; undefined when it has none or may not log in. */
export async function findVerifierForGateway(tx: Tx, branch_id: string, role: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom("roles")
    .select("verifier")
    .where("branch_id", "=", branch_id)
    .where("name", "=", role)
    .where("can_login", "=", true)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  return row?.verifier ?? undefined;
}

/** Verifiers by role, as they were last read from the compute of a branch; empty when they never were. */
export async function listObservedVerifiersForGateway(
  tx: Tx,
  branch_id: string,
  storage_id: string,
): Promise<Map<string, string>> {
  const rows = await tx
    .selectFrom("observed_verifiers")
    .select(["role_name", "verifier"])
    .where("branch_id", "=", branch_id)
    .where("storage_id", "=", storage_id)
    .execute();
  return new Map(rows.map(({ role_name, verifier }) => [role_name, verifier]));
}

/** Records by which names clients reach this node's endpoints; undefined: by none. */
export async function replaceDomainForGateway(
  tx: Tx,
  node_id: string,
  domain: { readonly name: string; readonly port: number } | undefined,
): Promise<void> {
  if (domain === undefined) {
    await tx.deleteFrom("gateways").where("node_id", "=", node_id).execute();
    return;
  }
  const row = { domain: domain.name, port: domain.port };
  await tx
    .insertInto("gateways")
    .values({ node_id, ...row })
    .onConflict((conflict) => conflict.column("node_id").doUpdateSet(row))
    .execute();
}

export interface ListedEndpoint {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly current_state: "init" | "active" | "idle";
  readonly suspend_timeout_seconds: number;
  readonly storage_id: string;
  readonly applied_revision: number;
}

/** The endpoints whose computes are on a node. */
export async function listEndpointsForGateway(tx: Tx, node_id: string): Promise<ListedEndpoint[]> {
  return await tx
    .selectFrom("endpoints as e")
    .innerJoin("branches as b", "b.id", "e.branch_id")
    .innerJoin("projects as p", "p.id", "e.project_id")
    .select(["e.id", "e.host", "e.port", "e.current_state", "e.suspend_timeout_seconds"])
    .select(["b.storage_id", "b.applied_revision"])
    .where("b.node_id", "=", node_id)
    .where("e.deleted_at", "is", null)
    .where("b.deleted_at", "is", null)
    .where("p.deleted_at", "is", null)
    .execute();
}

/** What clients have done at an endpoint since this was last called. */
export interface Use {
  readonly sent_bytes: number;
  /** How long ago a client last came, did something or went. */
  readonly idle_seconds: number;
}

/** Records use, in the present hour. */
export async function noteUseForGateway(db: Db, endpoint_id: string, use: Use): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`
      update endpoints set last_active = now() - make_interval(secs => ${use.idle_seconds})
      where id = ${endpoint_id}`.execute(tx);
    await sql`
      insert into consumption_hours (project_id, hour, branch_id, transferred_bytes, storage_bytes, logical_bytes)
      select b.project_id, date_trunc('hour', now(), 'UTC'), b.id, ${use.sent_bytes}::bigint,
        coalesce(b.storage_bytes, 0), coalesce(b.logical_size, 0)
      from endpoints e join branches b on b.id = e.branch_id where e.id = ${endpoint_id}
      on conflict (project_id, hour, branch_id) do update
        set transferred_bytes = consumption_hours.transferred_bytes + excluded.transferred_bytes`.execute(tx);
  });
}

/**
 * For a compute's own database: whether a client does something, or did so in the last $1 seconds; or a branch is being
 * copied from it, which a suspension would undo.
 */
export const USE_OF_COMPUTE = `
  SELECT count(*)::integer AS active FROM pg_stat_activity
  WHERE backend_type IN ('client backend', 'walsender') AND usename <> current_user
      AND (state <> 'idle' OR state_change > now() - make_interval(secs => $1))
    OR pid IN (SELECT active_pid FROM pg_replication_slots WHERE starts_with(slot_name::text, '${COPY_SLOT}'))`;
