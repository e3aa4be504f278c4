import type { Project, ProjectListItem } from "@latchkey/contract/projects.ts";
import { sql } from "kysely";
import type { OrganizationAccess, ProjectAccess } from "../access/handles.ts";
import type { ProjectRow } from "../access/store.ts";
import { encodeCursor, parseCursor } from "../cursor.ts";
import { COMPUTE_HOST } from "../endpoints/ports.ts";
import { ApiError } from "../errors.ts";

/** The resource projects: what an organization owns, and what branches, computes and the rest hang on. */

const COLUMNS = ["id", "org_id", "name", "region_id", "pg_version", "created_by", "created_at", "updated_at"] as const;

/** What Neon sends for an instant that has not been. */
const NEVER = "0001-01-01T00:00:00Z";

/** Figures are zero because nothing is metered here, and a limit of zero is none. */
function commonFields(row: ProjectRow) {
  return {
    id: row.id,
    platform_id: "local",
    region_id: row.region_id,
    name: row.name,
    provisioner: "local",
    pg_version: row.pg_version,
    proxy_host: COMPUTE_HOST,
    branch_logical_size_limit: 0,
    branch_logical_size_limit_bytes: 0,
    store_passwords: true,
    cpu_used_sec: 0,
    creation_source: "api",
    history_retention_seconds: 0,
    created_at: row.created_at,
    updated_at: row.updated_at,
    owner_id: row.org_id,
    org_id: row.org_id,
  };
}

/** A project as the API answers it. */
export function toProject(row: ProjectRow): Project {
  return {
    ...commonFields(row),
    data_storage_bytes_hour: 0,
    data_transfer_bytes: 0,
    written_data_bytes: 0,
    compute_time_seconds: 0,
    active_time_seconds: 0,
    consumption_period_start: NEVER,
    consumption_period_end: NEVER,
  };
}

const toListItem = (row: ProjectRow): ProjectListItem => ({ ...commonFields(row), active_time: 0 });

export interface NewProject {
  readonly id: string;
  readonly name: string;
  readonly region_id: string;
  readonly pg_version: number;
  readonly created_by: string | null;
}

export async function insertProject(access: OrganizationAccess, project: NewProject): Promise<ProjectRow> {
  return await access.tx
    .insertInto("projects")
    .values({ ...project, org_id: access.org_id, deleted_at: null })
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
}

export interface ProjectPage {
  readonly search: string | undefined;
  readonly limit: number;
  readonly cursor: string | undefined;
}

/**
 * A page of an organization's projects, newest first. There is a cursor even on the last full page, as at
 * Neon: the end is the empty page, where Neon's SDK stops and nowhere else.
 */
export async function listProjects(access: OrganizationAccess, page: ProjectPage) {
  const { search, limit, cursor } = page;
  let query = access.tx
    .selectFrom("projects")
    .select(COLUMNS)
    // In microseconds, as they are stored: the wire's milliseconds could not tell two projects apart.
    .select(sql<string>`to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`.as("position"))
    .where("org_id", "=", access.org_id)
    .where("deleted_at", "is", null)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(limit);
  if (search !== undefined) {
    query = query.where(sql<boolean>`(strpos(lower(name), lower(${search})) > 0 or strpos(id, lower(${search})) > 0)`);
  }
  if (cursor !== undefined) {
    const [position, id] = parseCursor(cursor, 2);
    query = query.where(sql<boolean>`(created_at, id) < (${position}::timestamptz, ${id})`);
  }
  const rows = await query.execute();
  const last = rows.at(-1);
  return {
    projects: rows.map(toListItem),
    ...(last ? { pagination: { cursor: encodeCursor([last.position, last.id]) } } : {}),
  };
}

export async function updateProjectName(access: ProjectAccess, name: string): Promise<ProjectRow> {
  const row = await access.tx
    .updateTable("projects")
    .set({ name, updated_at: sql<string>`now()` })
    .where("id", "=", access.project_id)
    .where("deleted_at", "is", null)
    .returning(COLUMNS)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "project not found");
  return row;
}

/** From here on the project and its keys are not there for anybody; a job removes what they stood for. */
export async function markProjectDeleted(access: ProjectAccess): Promise<ProjectRow> {
  const row = await access.tx
    .updateTable("projects")
    .set({ deleted_at: sql<string>`now()` })
    .where("id", "=", access.project_id)
    .where("deleted_at", "is", null)
    .returning(COLUMNS)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "project not found");
  return row;
}
