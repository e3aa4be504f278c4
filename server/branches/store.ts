import type { Branch } from "@latchkey/contract/branches.ts";
import { sql } from "kysely";
import type { ProjectAccess } from "../access/handles.ts";
import { encodeCursor, parseCursor } from "../cursor.ts";
import { ApiError } from "../errors.ts";

/** The resource branches: the lines of data of a project. What holds the data is `compute/`'s storage driver. */

const COLUMNS = [
  "b.id",
  "b.project_id",
  "b.name",
  "b.is_default",
  "b.current_state",
  "b.logical_size",
  "b.created_at",
  "b.updated_at",
  "b.state_changed_at",
  "u.name as creator_name",
  "u.image as creator_image",
] as const;

interface Row {
  readonly id: string;
  readonly project_id: string;
  readonly name: string;
  readonly is_default: boolean;
  readonly current_state: "init" | "ready";
  readonly logical_size: number | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly state_changed_at: string;
  readonly creator_name: string | null;
  readonly creator_image: string | null;
}

function toBranch(row: Row): Branch {
  return {
    id: row.id,
    project_id: row.project_id,
    name: row.name,
    current_state: row.current_state,
    ...(row.current_state === "init" ? { pending_state: "ready" as const } : {}),
    state_changed_at: row.state_changed_at,
    ...(row.logical_size === null ? {} : { logical_size: row.logical_size }),
    creation_source: "api",
    primary: row.is_default,
    default: row.is_default,
    protected: false,
    cpu_used_sec: 0,
    compute_time_seconds: 0,
    active_time_seconds: 0,
    written_data_bytes: 0,
    data_transfer_bytes: 0,
    created_at: row.created_at,
    updated_at: row.updated_at,
    ...(row.creator_name === null ? {} : { created_by: { name: row.creator_name, image: row.creator_image ?? "" } }),
    init_source: "parent-data",
  };
}

export interface NewBranch {
  readonly id: string;
  readonly name: string;
  readonly is_default: boolean;
  readonly node_id: string;
  readonly created_by: string | null;
}

export async function insertBranch(access: ProjectAccess, branch: NewBranch): Promise<Branch> {
  await access.tx
    .insertInto("branches")
    .values({ ...branch, project_id: access.project_id, current_state: "init", logical_size: null })
    .execute();
  return await getBranch(access, branch.id);
}

function ofProject(access: ProjectAccess) {
  return access.tx
    .selectFrom("branches as b")
    .leftJoin("users as u", "u.id", "b.created_by")
    .where("b.project_id", "=", access.project_id);
}

export async function getBranch(access: ProjectAccess, branch_id: string): Promise<Branch> {
  const row = await ofProject(access).select(COLUMNS).where("b.id", "=", branch_id).executeTakeFirst();
  if (!row) throw new ApiError("not_found", "branch not found");
  return toBranch(row);
}

export async function getDefaultBranch(access: ProjectAccess): Promise<Branch> {
  const row = await ofProject(access).select(COLUMNS).where("b.is_default", "=", true).executeTakeFirst();
  if (!row) throw new ApiError("not_found", "branch not found");
  return toBranch(row);
}

/** For a list's search field: the branches whose name or id has the text in it. */
function isMatch(search: string | undefined) {
  if (search === undefined) return sql<boolean>`true`;
  return sql<boolean>`(strpos(lower(b.name), lower(${search})) > 0 or strpos(b.id, lower(${search})) > 0)`;
}

export async function countBranches(access: ProjectAccess, search: string | undefined): Promise<number> {
  const { count } = await ofProject(access)
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where(isMatch(search))
    .executeTakeFirstOrThrow();
  return count;
}

/** In microseconds, as they are stored: the wire's milliseconds could not tell two branches apart. */
const exactly = (column: "created_at" | "updated_at") =>
  sql<string>`to_char(${sql.ref(`b.${column}`)} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const POSITION = {
  name: { value: sql<string>`b.name`, type: sql`text` },
  created_at: { value: exactly("created_at"), type: sql`timestamptz` },
  updated_at: { value: exactly("updated_at"), type: sql`timestamptz` },
} as const;

export interface BranchOrder {
  readonly sort_by: keyof typeof POSITION;
  readonly sort_order: "asc" | "desc";
}

export interface BranchPage extends BranchOrder {
  readonly search: string | undefined;
  /** All of them when absent. */
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
}

/**
 * A page in Neon's second cursor dialect: `pagination.next` is absent on the last one. A cursor carries the
 * order that it was made in, and that order wins: a position means nothing in another one.
 */
export async function listBranches(access: ProjectAccess, page: BranchPage) {
  const { cursor, limit, search } = page;
  const { sort_by, sort_order, after } = cursor === undefined ? { ...page, after: undefined } : parsePosition(cursor);
  const { value, type } = POSITION[sort_by];
  let query = ofProject(access)
    .select(COLUMNS)
    .select(value.as("position"))
    .where(isMatch(search))
    .orderBy(`b.${sort_by}`, sort_order)
    .orderBy("b.id", sort_order);
  if (after) {
    const comparison = sql.raw(sort_order === "desc" ? "<" : ">");
    query = query.where(
      sql<boolean>`(${sql.ref(`b.${sort_by}`)}, b.id) ${comparison} (${after.position}::${type}, ${after.id})`,
    );
  }
  const rows = await (limit === undefined ? query : query.limit(limit + 1)).execute();
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const next =
    last && rows.length > shown.length ? encodeCursor([sort_by, sort_order, last.position, last.id]) : undefined;
  return {
    branches: shown.map(toBranch),
    pagination: { ...(next === undefined ? {} : { next }), sort_by, sort_order },
  };
}

function parsePosition(cursor: string): BranchOrder & { after: { position: string; id: string } } {
  const [sort_by = "", sort_order, position = "", id = ""] = parseCursor(cursor, 4);
  if (!isSort(sort_by) || (sort_order !== "asc" && sort_order !== "desc")) {
    throw new ApiError("bad_request", "the cursor is not one that this list gave");
  }
  return { sort_by, sort_order, after: { position, id } };
}

const isSort = (text: string): text is BranchOrder["sort_by"] => Object.hasOwn(POSITION, text);
