import { type DefaultEndpointSettings, PROVISIONER } from "@latchkey/contract/endpoints.ts";
import type { Project, ProjectListItem, ProjectSettings } from "@latchkey/contract/projects.ts";
import { sql } from "kysely";
import type { CallerAccess, OrganizationAccess, ProjectAccess } from "../access/handles.ts";
import type { ProjectRow } from "../access/store.ts";
import { encodeCursor, parseCursor } from "../cursor.ts";
import { OWN_PORT_HOST } from "../endpoints/ports.ts";
import { ApiError } from "../errors.ts";
import { type Consumption, readConsumption } from "./consumption/store.ts";

/** The resource projects: what an organization owns, and what branches, computes and the rest hang on. */

const COLUMNS = [
  ...(["id", "org_id", "name", "region_id", "pg_version", "settings", "default_endpoint_settings"] as const),
  ...(["quota_exceeded", "created_by", "created_at", "updated_at"] as const),
] as const;

/** What Neon sends for an instant that has not been. */
const NEVER = "0001-01-01T00:00:00Z";

/** Of a project that has only just been made. */
const NOTHING: Consumption = {
  ...{ active_seconds: 0, cpu_seconds: 0, written_bytes: 0, transferred_bytes: 0 },
  ...{ storage_byte_hours: 0, storage_bytes: 0 },
  ...{ period_start: NEVER, period_end: NEVER },
};

/** A limit of zero is none. */
function commonFields(row: ProjectRow, { cpu_seconds }: Consumption, domain: string | undefined) {
  return {
    id: row.id,
    platform_id: "local",
    region_id: row.region_id,
    name: row.name,
    provisioner: PROVISIONER,
    pg_version: row.pg_version,
    proxy_host: domain ?? OWN_PORT_HOST,
    branch_logical_size_limit: 0,
    branch_logical_size_limit_bytes: 0,
    store_passwords: true,
    cpu_used_sec: cpu_seconds,
    creation_source: "api",
    history_retention_seconds: 0 as const,
    created_at: row.created_at,
    updated_at: row.updated_at,
    owner_id: row.org_id,
    org_id: row.org_id,
    settings: row.settings,
    default_endpoint_settings: row.default_endpoint_settings,
  };
}

function toProject(row: ProjectRow, consumption: Consumption, domain: string | undefined): Project {
  return {
    ...commonFields(row, consumption, domain),
    data_storage_bytes_hour: consumption.storage_byte_hours,
    data_transfer_bytes: consumption.transferred_bytes,
    written_data_bytes: consumption.written_bytes,
    compute_time_seconds: consumption.cpu_seconds,
    active_time_seconds: consumption.active_seconds,
    consumption_period_start: consumption.period_start,
    consumption_period_end: consumption.period_end,
    synthetic_storage_size: consumption.storage_bytes,
  };
}

/** A project as the API answers it, with what it has consumed. */
export async function describeProject(access: ProjectAccess, row: ProjectRow): Promise<Project> {
  const consumption = (await readConsumption(access, [row.id])).get(row.id);
  return toProject(row, consumption ?? NOTHING, (await findDomains(access, [row.id])).get(row.id));
}

/** The same of one that is just being made. */
export async function describeNewProject(access: ProjectAccess, row: ProjectRow): Promise<Project> {
  return toProject(row, NOTHING, (await findDomains(access, [row.id])).get(row.id));
}

/** The domains of the gateways on the nodes that have projects' data, by project, where those have one. */
async function findDomains({ tx }: CallerAccess, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await tx
    .selectFrom("branches as b")
    .innerJoin("gateways as g", "g.node_id", "b.node_id")
    .select(["b.project_id", "g.domain"])
    .where("b.project_id", "in", [...ids])
    .where("b.is_default", "=", true)
    .execute();
  return new Map(rows.map(({ project_id, domain }) => [project_id, domain]));
}

async function toListItems(access: CallerAccess, rows: readonly ProjectRow[]): Promise<ProjectListItem[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const found = await readConsumption(access, ids);
  const domains = await findDomains(access, ids);
  return rows.map((row) => {
    const consumption = found.get(row.id) ?? NOTHING;
    return { ...commonFields(row, consumption, domains.get(row.id)), active_time: consumption.active_seconds };
  });
}

/** How long a deleted project can be recovered, as at Neon. */
const RECOVERABLE = sql`interval '7 days'`;

export interface NewProject {
  readonly id: string;
  readonly name: string;
  readonly region_id: string;
  readonly pg_version: number;
  readonly created_by: string | null;
  readonly settings: ProjectSettings;
  readonly default_endpoint_settings: DefaultEndpointSettings;
}

export async function insertProject(access: OrganizationAccess, project: NewProject): Promise<ProjectRow> {
  const { settings, default_endpoint_settings, ...plain } = project;
  return await access.tx
    .insertInto("projects")
    .values({
      ...plain,
      settings: JSON.stringify(settings),
      default_endpoint_settings: JSON.stringify(default_endpoint_settings),
      org_id: access.org_id,
      deleted_at: null,
    })
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
}

const hasText = (text: string) =>
  sql<boolean>`(strpos(lower(name), lower(${text})) > 0 or strpos(id, lower(${text})) > 0)`;

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
    query = query.where(hasText(search));
  }
  if (cursor !== undefined) {
    const [position, id] = parseCursor(cursor, 2);
    query = query.where(sql<boolean>`(created_at, id) < (${position}::timestamptz, ${id})`);
  }
  const rows = await query.execute();
  const last = rows.at(-1);
  return {
    projects: await toListItems(access, rows),
    ...(last ? { pagination: { cursor: encodeCursor([last.position, last.id]) } } : {}),
  };
}

/** A page of an organization's deleted projects that can still be recovered, the last deleted first. */
export async function listRecoverableProjects(access: OrganizationAccess, page: ProjectPage) {
  const { search, limit, cursor } = page;
  let query = access.tx
    .selectFrom("projects")
    .select(COLUMNS)
    .select(sql<string>`deleted_at`.as("deleted_at"))
    .select(sql<string>`deleted_at + ${RECOVERABLE}`.as("recoverable_until"))
    .select(sql<string>`to_char(deleted_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`.as("position"))
    .where("org_id", "=", access.org_id)
    .where("deleted_at", "is not", null)
    .where("removed_at", "is", null)
    .orderBy("deleted_at", "desc")
    .orderBy("id", "desc")
    .limit(limit);
  if (search !== undefined) query = query.where(hasText(search));
  if (cursor !== undefined) {
    const [position, id] = parseCursor(cursor, 2);
    query = query.where(sql<boolean>`(deleted_at, id) < (${position}::timestamptz, ${id})`);
  }
  const rows = await query.execute();
  const last = rows.at(-1);
  const items = await toListItems(access, rows);
  return {
    projects: rows.map(({ deleted_at, recoverable_until }, n) => ({
      ...(items[n] as ProjectListItem),
      deleted_at,
      recoverable_until,
    })),
    ...(last ? { pagination: { cursor: encodeCursor([last.position, last.id]) } } : {}),
  };
}

export interface ProjectChange {
  readonly name?: string | undefined;
  readonly settings?: ProjectSettings | undefined;
  readonly default_endpoint_settings?: DefaultEndpointSettings | undefined;
}

/** The project as it is now, held until the end of the transaction: what a change does not name must stay what it is then. */
export async function holdProject(access: ProjectAccess): Promise<ProjectRow> {
  return await access.tx
    .selectFrom("projects")
    .select(COLUMNS)
    .where("id", "=", access.project_id)
    .where("deleted_at", "is", null)
    .forUpdate()
    .executeTakeFirstOrThrow(() => new ApiError("not_found", "project not found"));
}

export async function updateProject(access: ProjectAccess, change: ProjectChange): Promise<ProjectRow> {
  const { name, settings, default_endpoint_settings } = change;
  const row = await access.tx
    .updateTable("projects")
    .set({
      ...(name === undefined ? {} : { name }),
      ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
      ...(default_endpoint_settings === undefined
        ? {}
        : { default_endpoint_settings: JSON.stringify(default_endpoint_settings) }),
      updated_at: sql<string>`now()`,
    })
    .where("id", "=", access.project_id)
    .where("deleted_at", "is", null)
    .returning(COLUMNS)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "project not found");
  return row;
}

/** From here on nobody finds the project. It can be recovered for a while; its keys end for good. */
export async function markProjectDeleted(access: ProjectAccess): Promise<ProjectRow> {
  const row = await access.tx
    .updateTable("projects")
    .set({ deleted_at: sql<string>`now()` })
    .where("id", "=", access.project_id)
    .where("deleted_at", "is", null)
    .returning(COLUMNS)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "project not found");
  await revokeProjectKeys(access, access.project_id);
  return row;
}

/** Undoes a deletion while there is something left to undo. */
export async function markProjectRecovered(access: ProjectAccess): Promise<ProjectRow> {
  const row = await access.tx
    .updateTable("projects")
    .set({ deleted_at: null, updated_at: sql<string>`now()` })
    .where("id", "=", access.project_id)
    .where("deleted_at", "is not", null)
    .where("removed_at", "is", null)
    .returning(COLUMNS)
    .executeTakeFirst();
  if (!row) throw new ApiError("not_found", "project not found");
  return row;
}

/** Whether the project has a branch that must not be deleted. */
export async function hasProtectedBranch(access: ProjectAccess): Promise<boolean> {
  const found = await access.tx
    .selectFrom("branches")
    .select("id")
    .where("project_id", "=", access.project_id)
    .where("deleted_at", "is", null)
    .where("protected", "=", true)
    .limit(1)
    .executeTakeFirst();
  return found !== undefined;
}

/**
 * Gives projects to another organization, all or none: 404 where one is not the source's. Project keys belong
 * to the organization that made them, and do not go along.
 */
export async function moveProjects(
  source: OrganizationAccess,
  destination: OrganizationAccess,
  project_ids: readonly string[],
): Promise<void> {
  const moved = await source.tx
    .updateTable("projects")
    .set({ org_id: destination.org_id, updated_at: sql<string>`now()` })
    .where("org_id", "=", source.org_id)
    .where("id", "in", [...project_ids])
    .where("deleted_at", "is", null)
    .returning("id")
    .execute();
  if (moved.length !== project_ids.length)
    throw new ApiError("not_found", "a project was not found in the organization");
  for (const { id } of moved) await revokeProjectKeys(source, id);
}

async function revokeProjectKeys(access: CallerAccess, project_id: string): Promise<void> {
  await access.tx
    .updateTable("api_keys")
    .set({ revoked_at: sql<string>`now()` })
    .where("project_id", "=", project_id)
    .where("revoked_at", "is", null)
    .execute();
  access.narrowed.push({ kind: "project", subject: project_id });
}
