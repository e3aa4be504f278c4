import { type Endpoint, PROVISIONER, type SuspendReason } from "@latchkey/contract/endpoints.ts";
import { type Selectable, sql } from "kysely";
import type { ProjectAccess } from "../access/handles.ts";
import type { ProjectRow } from "../access/store.ts";
import type { EndpointTable } from "../db/schema.ts";
import { ApiError } from "../errors.ts";
import { LOST_SINCE } from "../placement/store.ts";
import { findFreePort, OWN_PORT_HOST } from "./ports.ts";
import type { ComputeChoice, Limits } from "./settings.ts";

/**
 * The resource endpoints: the computes of branches, as rows. Running them is `jobs/` and `compute/`, and letting
 * clients in is `gateway/`.
 */

const COLUMNS = [
  ...(["id", "project_id", "branch_id", "name", "host", "port", "current_state", "desired_state"] as const),
  ...(["disabled", "settings", "suspend_timeout_seconds", "created_at", "updated_at", "started_at"] as const),
  ...(["suspended_at", "suspended_for", "last_active"] as const),
  ...(["failed_at", "failure_reason", "failures_count", "retry_at"] as const),
  ...(["autoscaling_limit_min_cu", "autoscaling_limit_max_cu"] as const),
] as const;

/** Endpoints, with the domain of the gateway on their node, whether that has a pooler, and whether it is lost. */
function endpoints({ tx, project_id }: ProjectAccess) {
  return tx
    .selectFrom("endpoints as e")
    .innerJoin("branches as b", "b.id", "e.branch_id")
    .leftJoin("gateways as g", "g.node_id", "b.node_id")
    .leftJoin("data_nodes as d", "d.id", "b.node_id")
    .select(COLUMNS.map((column) => `e.${column}` as const))
    .select([
      "g.domain",
      "g.port as domain_port",
      "b.quota_exceeded",
      "d.pools_connections",
      LOST_SINCE.as("unreachable_since"),
    ])
    .where("e.project_id", "=", project_id)
    .where("e.deleted_at", "is", null);
}

type Row = Pick<Selectable<EndpointTable>, (typeof COLUMNS)[number]> & {
  readonly domain: string | null;
  readonly domain_port: number | null;
  /** Null where nothing is known of its node. */
  readonly pools_connections: boolean | null;
  /** Of its branch. */
  readonly quota_exceeded: string | null;
  readonly unreachable_since: string | null;
};

/** A client that is told no port takes this one. */
const POSTGRES_PORT = 5432;

/** Where clients connect to: a name below the domain of its node's gateway, where it has one, or its own port. */
function addressOf({ id, host, port, domain, domain_port }: Row): { host: string; proxy_host: string } {
  if (domain === null) return { host: `${host}:${port}`, proxy_host: host };
  const at = domain_port === null || domain_port === POSTGRES_PORT ? "" : `:${domain_port}`;
  return { host: `${id}.${domain}${at}`, proxy_host: domain };
}

/** Why a compute ought to rest; undefined: it ought to run, or rests for a reason that was not noted. */
function restsFor(row: Row, project: ProjectRow): SuspendReason | undefined {
  if (row.disabled) return "disabled";
  if (project.quota_exceeded !== null || row.quota_exceeded !== null) return "quota";
  return row.desired_state === "suspended" ? (row.suspended_for ?? undefined) : undefined;
}

function lastFailureOf(row: Row, is_down: boolean): Pick<Endpoint, "last_failure"> {
  const { failed_at: at, failure_reason: reason, failures_count, retry_at } = row;
  if (at === null || reason === null) return {};
  return { last_failure: { at, reason, failures_count, ...(is_down && retry_at !== null ? { retry_at } : {}) } };
}

function toEndpoint(row: Row, project: ProjectRow): Endpoint {
  const { host, proxy_host } = addressOf(row);
  const suspend_reason = restsFor(row, project);
  const wanted_state = suspend_reason !== undefined || row.desired_state === "suspended" ? "idle" : "active";
  // One that has never run and ought not to is as idle as it will be.
  const current_state = row.current_state === "init" && wanted_state === "idle" ? "idle" : row.current_state;
  return {
    id: row.id,
    ...(row.name === null ? {} : { name: row.name }),
    host,
    project_id: row.project_id,
    branch_id: row.branch_id,
    autoscaling_limit_min_cu: row.autoscaling_limit_min_cu,
    autoscaling_limit_max_cu: row.autoscaling_limit_max_cu,
    region_id: project.region_id,
    type: "read_write",
    current_state,
    ...(current_state === wanted_state ? {} : { pending_state: wanted_state }),
    ...(row.unreachable_since === null ? {} : { unreachable_since: row.unreachable_since }),
    settings: { pg_settings: row.settings },
    pooler_enabled: row.pools_connections === true,
    pooler_mode: "transaction",
    disabled: row.disabled,
    passwordless_access: false,
    creation_source: "api",
    created_at: row.created_at,
    updated_at: row.updated_at,
    ...(row.started_at === null ? {} : { started_at: row.started_at }),
    ...(row.suspended_at === null ? {} : { suspended_at: row.suspended_at }),
    ...(suspend_reason !== undefined && current_state === "idle" ? { suspend_reason } : {}),
    ...(row.last_active === null ? {} : { last_active: row.last_active }),
    ...lastFailureOf(row, current_state !== wanted_state && wanted_state === "active"),
    proxy_host,
    suspend_timeout_seconds: row.suspend_timeout_seconds,
    provisioner: PROVISIONER,
  };
}

export async function isBranchProtected(access: ProjectAccess, branch_id: string): Promise<boolean> {
  const branch = await access.tx
    .selectFrom("branches")
    .select("protected")
    .where("project_id", "=", access.project_id)
    .where("id", "=", branch_id)
    .executeTakeFirst();
  return branch?.protected === true;
}

/** Which quota is used up, of the project or the branch. */
export async function findExceededQuota(access: ProjectAccess, branch_id: string): Promise<string | undefined> {
  const branch = await access.tx
    .selectFrom("branches")
    .select("quota_exceeded")
    .where("project_id", "=", access.project_id)
    .where("id", "=", branch_id)
    .executeTakeFirst();
  return access.project.quota_exceeded ?? branch?.quota_exceeded ?? undefined;
}

/** With what has been checked. */
export interface NewEndpoint extends ComputeChoice {
  readonly id: string;
  readonly branch_id: string;
  readonly name?: string | undefined;
  readonly disabled?: boolean | undefined;
}

const PORT_ATTEMPTS = 32;

/** Inserts an endpoint with a port of its own; 409 when the branch has one. */
export async function insertEndpoint(access: ProjectAccess, endpoint: NewEndpoint): Promise<Endpoint> {
  const { id, branch_id, settings, suspend_timeout_seconds, name = null, disabled = false } = endpoint;
  const { autoscaling_limit_min_cu, autoscaling_limit_max_cu } = endpoint;
  const present = await access.tx
    .selectFrom("endpoints")
    .select("id")
    .where("branch_id", "=", branch_id)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  if (present) throw new ApiError("conflict", "the branch has a compute already");
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const port = await findFreePort();
    const row = await access.tx
      .insertInto("endpoints")
      .values({
        ...{ id, branch_id, name, disabled, port, suspend_timeout_seconds },
        ...{ autoscaling_limit_min_cu, autoscaling_limit_max_cu },
        project_id: access.project_id,
        host: OWN_PORT_HOST,
        current_state: "init",
        settings: JSON.stringify(settings),
        started_at: null,
      })
      // Another node's port looks free from here, and one that is not open yet: it is taken all the same.
      .onConflict((conflict) => conflict.columns(["host", "port"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    if (row) return await getEndpoint(access, id);
  }
  throw new ApiError("unavailable", "no free port for the compute, try again");
}

export interface EndpointChange extends Partial<Limits> {
  readonly name?: string | undefined;
  readonly disabled?: boolean | undefined;
  readonly settings?: Readonly<Record<string, string>> | undefined;
  readonly suspend_timeout_seconds?: number | undefined;
  readonly desired_state?: "running" | "suspended" | undefined;
}

export async function updateEndpoint(
  access: ProjectAccess,
  endpoint_id: string,
  change: EndpointChange,
): Promise<Endpoint> {
  const { settings, name, disabled, suspend_timeout_seconds, desired_state, ...limits } = change;
  await access.tx
    .updateTable("endpoints")
    .set({
      ...(name === undefined ? {} : { name }),
      ...(disabled === undefined ? {} : { disabled }),
      ...(suspend_timeout_seconds === undefined ? {} : { suspend_timeout_seconds }),
      ...(desired_state === undefined ? {} : { desired_state }),
      ...(desired_state === "suspended" ? { suspended_for: "request" as const } : {}),
      ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
      ...limits,
      updated_at: sql<string>`now()`,
    })
    .where("project_id", "=", access.project_id)
    .where("id", "=", endpoint_id)
    .where("deleted_at", "is", null)
    .execute();
  return await getEndpoint(access, endpoint_id);
}

/** From here on nobody finds the endpoint; the row goes when its compute has been removed. */
export async function markEndpointDeleted(access: ProjectAccess, endpoint_id: string): Promise<void> {
  await access.tx
    .updateTable("endpoints")
    .set({ deleted_at: sql<string>`now()` })
    .where("id", "=", endpoint_id)
    .execute();
}

export async function listEndpoints(access: ProjectAccess): Promise<Endpoint[]> {
  const rows = await endpoints(access).orderBy("e.created_at").orderBy("e.id").execute();
  return rows.map((row) => toEndpoint(row, access.project));
}

/** The endpoints of a branch; throws when the project has no such branch. */
export async function listBranchEndpoints(access: ProjectAccess, branch_id: string): Promise<Endpoint[]> {
  const branch = await access.tx
    .selectFrom("branches")
    .select("id")
    .where("project_id", "=", access.project_id)
    .where("id", "=", branch_id)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  if (!branch) throw new ApiError("not_found", "branch not found");
  const rows = await endpoints(access)
    .where("e.branch_id", "=", branch_id)
    .orderBy("e.created_at")
    .orderBy("e.id")
    .execute();
  return rows.map((row) => toEndpoint(row, access.project));
}

export async function getEndpoint(access: ProjectAccess, endpoint_id: string): Promise<Endpoint> {
  const row = await endpoints(access).where("e.id", "=", endpoint_id).executeTakeFirst();
  if (!row) throw new ApiError("not_found", "endpoint not found");
  return toEndpoint(row, access.project);
}
