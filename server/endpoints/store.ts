import type { Endpoint } from "@latchkey/contract/endpoints.ts";
import type { Selectable } from "kysely";
import type { ProjectAccess } from "../access/handles.ts";
import type { EndpointTable } from "../db/schema.ts";
import { ApiError } from "../errors.ts";
import { COMPUTE_HOST, findFreePort } from "./ports.ts";

/** The resource endpoints: the computes of branches, as rows. Running them is `jobs/` and `compute/`. */

const COLUMNS = [
  "id",
  "project_id",
  "branch_id",
  "host",
  "port",
  "current_state",
  "created_at",
  "updated_at",
  "started_at",
] as const;
type Row = Pick<Selectable<EndpointTable>, (typeof COLUMNS)[number]>;

function toEndpoint(row: Row, region_id: string): Endpoint {
  return {
    id: row.id,
    host: `${row.host}:${row.port}`,
    project_id: row.project_id,
    branch_id: row.branch_id,
    autoscaling_limit_min_cu: 0.25,
    autoscaling_limit_max_cu: 0.25,
    region_id,
    type: "read_write",
    current_state: row.current_state,
    // Nothing suspends a compute yet, so whichever is not active is on its way there.
    ...(row.current_state === "active" ? {} : { pending_state: "active" as const }),
    settings: { pg_settings: {} },
    pooler_enabled: false,
    pooler_mode: "transaction",
    disabled: false,
    passwordless_access: false,
    creation_source: "api",
    created_at: row.created_at,
    updated_at: row.updated_at,
    ...(row.started_at === null ? {} : { started_at: row.started_at }),
    proxy_host: row.host,
    suspend_timeout_seconds: -1,
    provisioner: "local",
  };
}

export interface NewEndpoint {
  readonly id: string;
  readonly branch_id: string;
  /** Sealed. */
  readonly admin_password: Buffer;
}

const PORT_ATTEMPTS = 32;

/** Inserts an endpoint with a port of its own. */
export async function insertEndpoint(access: ProjectAccess, endpoint: NewEndpoint): Promise<Endpoint> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const port = await findFreePort();
    const row = await access.tx
      .insertInto("endpoints")
      .values({
        ...endpoint,
        project_id: access.project_id,
        host: COMPUTE_HOST,
        port,
        current_state: "init",
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

export async function listEndpoints(access: ProjectAccess): Promise<Endpoint[]> {
  const rows = await access.tx
    .selectFrom("endpoints")
    .select(COLUMNS)
    .where("project_id", "=", access.project_id)
    .orderBy("created_at")
    .orderBy("id")
    .execute();
  return rows.map((row) => toEndpoint(row, access.project.region_id));
}

/** The endpoints of a branch; throws when the project has no such branch. */
export async function listBranchEndpoints(access: ProjectAccess, branch_id: string): Promise<Endpoint[]> {
  const rows = await access.tx
    .selectFrom("branches as b")
    .leftJoin("endpoints as e", "e.branch_id", "b.id")
    .selectAll("e")
    .where("b.project_id", "=", access.project_id)
    .where("b.id", "=", branch_id)
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
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "endpoint not found");
  return toEndpoint(row, access.project.region_id);
}
