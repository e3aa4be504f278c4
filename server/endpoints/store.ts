import type { Endpoint } from "@latchkey/contract/endpoints.ts";
import { type Selectable, sql } from "kysely";
import type { ProjectAccess } from "../access/handles.ts";
import type { EndpointTable } from "../db/schema.ts";
import { ApiError } from "../errors.ts";
import { COMPUTE_HOST, findFreePort } from "./ports.ts";

/** The resource endpoints: the computes of branches, as rows. Running them is `jobs/` and `compute/`. */

const COLUMNS = [
  ...(["id", "project_id", "branch_id", "name", "host", "port", "current_state", "desired_state"] as const),
  ...(["disabled", "settings", "suspend_timeout_seconds", "created_at", "updated_at", "started_at"] as const),
  "suspended_at",
] as const;
type Row = Pick<Selectable<EndpointTable>, (typeof COLUMNS)[number]>;

function toEndpoint(row: Row, region_id: string): Endpoint {
  const wanted_state = row.disabled || row.desired_state === "suspended" ? "idle" : "active";
  return {
    id: row.id,
    ...(row.name === null ? {} : { name: row.name }),
    host: `${row.host}:${row.port}`,
    project_id: row.project_id,
    branch_id: row.branch_id,
    autoscaling_limit_min_cu: 0.25,
    autoscaling_limit_max_cu: 0.25,
    region_id,
    type: "read_write",
    current_state: row.current_state,
    ...(row.current_state === wanted_state ? {} : { pending_state: wanted_state }),
    settings: { pg_settings: row.settings },
    pooler_enabled: false,
    pooler_mode: "transaction",
    disabled: row.disabled,
    passwordless_access: false,
    creation_source: "api",
    created_at: row.created_at,
    updated_at: row.updated_at,
    ...(row.started_at === null ? {} : { started_at: row.started_at }),
    ...(row.suspended_at === null ? {} : { suspended_at: row.suspended_at }),
    proxy_host: row.host,
    suspend_timeout_seconds: row.suspend_timeout_seconds,
    provisioner: "local",
  };
}

export interface NewEndpoint {
  readonly id: string;
  readonly branch_id: string;
  /** Of PostgreSQL; names that have been checked. */
  readonly settings: Readonly<Record<string, string>>;
  readonly name?: string | undefined;
  readonly disabled?: boolean | undefined;
}

const PORT_ATTEMPTS = 32;

/** Inserts an endpoint with a port of its own; 409 when the branch has one. */
export async function insertEndpoint(access: ProjectAccess, endpoint: NewEndpoint): Promise<Endpoint> {
  const { id, branch_id, settings, name = null, disabled = false } = endpoint;
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
        ...{ id, branch_id, name, disabled, port },
        project_id: access.project_id,
        host: COMPUTE_HOST,
        current_state: "init",
        settings: JSON.stringify(settings),
        started_at: null,
      })
      // A compute that is not running leaves its port free for the system to offer: it is taken all the same.
      .onConflict((conflict) => conflict.columns(["host", "port"]).doNothing())
      .returning(COLUMNS)
      .executeTakeFirst();
    if (row) return toEndpoint(row, access.project.region_id);
  }
  throw new ApiError("unavailable", "no free port for the compute, try again");
}

export interface EndpointChange {
  readonly name?: string | undefined;
  readonly disabled?: boolean | undefined;
  readonly settings?: Readonly<Record<string, string>> | undefined;
  readonly desired_state?: "running" | "suspended" | undefined;
}

export async function updateEndpoint(
  access: ProjectAccess,
  endpoint_id: string,
  change: EndpointChange,
): Promise<Endpoint> {
  const { settings, name, disabled, desired_state } = change;
  const row = await access.tx
    .updateTable("endpoints")
    .set({
      ...(name === undefined ? {} : { name }),
      ...(disabled === undefined ? {} : { disabled }),
      ...(desired_state === undefined ? {} : { desired_state }),
      ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
      updated_at: sql<string>`now()`,
    })
    .where("project_id", "=", access.project_id)
    .where("id", "=", endpoint_id)
    .where("deleted_at", "is", null)
    .returning(COLUMNS)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "endpoint not found");
  return toEndpoint(row, access.project.region_id);
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
  const rows = await access.tx
    .selectFrom("endpoints")
    .select(COLUMNS)
    .where("project_id", "=", access.project_id)
    .where("deleted_at", "is", null)
    .orderBy("created_at")
    .orderBy("id")
    .execute();
  return rows.map((row) => toEndpoint(row, access.project.region_id));
}

/** The endpoints of a branch; throws when the project has no such branch. */
export async function listBranchEndpoints(access: ProjectAccess, branch_id: string): Promise<Endpoint[]> {
  const rows = await access.tx
    .selectFrom("branches as b")
    .leftJoin("endpoints as e", (join) => join.onRef("e.branch_id", "=", "b.id").on("e.deleted_at", "is", null))
    .selectAll("e")
    .where("b.project_id", "=", access.project_id)
    .where("b.id", "=", branch_id)
    .where("b.deleted_at", "is", null)
    .orderBy("e.created_at")
    .orderBy("e.id")
    .execute();
  if (rows.length === 0) throw new ApiError("not_found", "branch not found");
  return rows
    .filter((row): row is typeof row & Row => row.id !== null)
    .map((row) => toEndpoint(row, access.project.region_id));
}

export async function getEndpoint(access: ProjectAccess, endpoint_id: string): Promise<Endpoint> {
  const row = await access.tx
    .selectFrom("endpoints")
    .select(COLUMNS)
    .where("project_id", "=", access.project_id)
    .where("id", "=", endpoint_id)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "endpoint not found");
  return toEndpoint(row, access.project.region_id);
}
