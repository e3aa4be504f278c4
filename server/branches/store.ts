import type { Branch } from "@latchkey/contract/branches.ts";
import { type Selectable, sql } from "kysely";
import type { ProjectAccess } from "../access/handles.ts";
import { encodeCursor, parseCursor } from "../cursor.ts";
import { orConflict, type Tx } from "../db/pool.ts";
import type { BranchReset, BranchTable } from "../db/schema.ts";
import { ApiError } from "../errors.ts";

/** The resource branches: the lines of data of a project. What holds the data is `compute/`'s storage driver. */

const COLUMNS = [
  ...(["b.id", "b.project_id", "b.name", "b.is_default", "b.current_state", "b.logical_size"] as const),
  ...(["b.parent_id", "b.parent_lsn", "b.parent_timestamp", "b.init_source", "b.copy_method"] as const),
  ...(["b.copied_bytes", "b.protected", "b.expires_at", "b.ttl_interval_seconds", "b.last_reset_at"] as const),
  ...(["b.created_at", "b.updated_at", "b.state_changed_at"] as const),
  ...(["u.name as creator_name", "u.image as creator_image"] as const),
  ...(["h.active_seconds", "h.cpu_seconds", "h.written_bytes", "h.transferred_bytes"] as const),
] as const;

type Row = Pick<
  Selectable<BranchTable>,
  (typeof COLUMNS)[number] extends infer C
    ? C extends `b.${infer Name extends keyof BranchTable}`
      ? Name
      : never
    : never
> & {
  readonly creator_name: string | null;
  readonly creator_image: string | null;
  readonly active_seconds: number | null;
  readonly cpu_seconds: number | null;
  readonly written_bytes: number | null;
  readonly transferred_bytes: number | null;
};

function toBranch(row: Row): Branch {
  return {
    id: row.id,
    project_id: row.project_id,
    ...present({
      parent_id: row.parent_id,
      parent_lsn: row.parent_lsn,
      parent_timestamp: row.parent_timestamp,
      logical_size: row.logical_size,
      expires_at: row.expires_at,
      ttl_interval_seconds: row.ttl_interval_seconds,
      last_reset_at: row.last_reset_at,
      copy_method: row.copy_method,
      copied_bytes: row.copied_bytes,
    }),
    name: row.name,
    current_state: row.current_state,
    ...(row.current_state === "ready" ? {} : { pending_state: "ready" as const }),
    state_changed_at: row.state_changed_at,
    creation_source: "api",
    primary: row.is_default,
    default: row.is_default,
    protected: row.protected,
    cpu_used_sec: row.cpu_seconds ?? 0,
    compute_time_seconds: row.cpu_seconds ?? 0,
    active_time_seconds: row.active_seconds ?? 0,
    written_data_bytes: row.written_bytes ?? 0,
    data_transfer_bytes: row.transferred_bytes ?? 0,
    created_at: row.created_at,
    updated_at: row.updated_at,
    ...(row.creator_name === null ? {} : { created_by: { name: row.creator_name, image: row.creator_image ?? "" } }),
    init_source: row.init_source,
  };
}

/** Leaves out what there is not: on the wire a field is there or it is not. */
function present<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as ReturnType<
    typeof present<T>
  >;
}

export interface NewBranch {
  readonly id: string;
  readonly name: string;
  readonly is_default: boolean;
  readonly node_id: string;
  readonly created_by: string | null;
  /** Sealed for the branch's own id. */
  readonly admin_password: Buffer;
  readonly protected?: boolean;
  readonly expires_at?: string | null;
  /** The branch whose schema it gets. */
  readonly schema_of?: string;
  /** How far its roles and databases are those that its data has; absent: there are none of either yet. */
  readonly revisions?: Revisions;
}

/** Of the roles and databases of a branch: the last one, and the one that its data has. */
export interface Revisions {
  readonly content_revision: number;
  readonly applied_revision: number;
  readonly foreign_passwords: boolean;
}

/** Inserts a branch that begins without data; 409 when the name is taken. */
export async function insertBranch(access: ProjectAccess, branch: NewBranch): Promise<Branch> {
  const { project_id } = access;
  const { expires_at = null, schema_of = null, revisions, ...plain } = branch;
  const insert = access.tx
    .insertInto("branches")
    .values({
      ...{ ...plain, ...revisions },
      ...{ project_id, expires_at, schema_of },
      ...(schema_of === null ? {} : { init_source: "schema-only" as const }),
      storage_id: branch.id,
      admin_password_of: branch.id,
      current_state: "init",
      parent_id: null,
      ttl_interval_seconds: expires_at === null ? null : secondsUntil(expires_at),
      logical_size: null,
    })
    .execute();
  await orConflict(insert, "branches_name", NAME_TAKEN);
  return await getBranch(access, branch.id);
}

export interface NewChild {
  readonly id: string;
  readonly parent_id: string;
  readonly name: string;
  readonly protected: boolean;
  readonly expires_at: string | null;
  readonly created_by: string | null;
}

/**
 * Inserts a branch that will have its parent's data, on the node where that is; 409 when the name is taken. Its roles and
 * databases come with the data: its compute has to be told of what its parent's has not been told yet, and of nothing else.
 */
export async function insertChild(access: ProjectAccess, child: NewChild): Promise<Branch> {
  const { id, parent_id, name, created_by, expires_at } = child;
  const { tx, project_id } = access;
  const parent = await tx
    .selectFrom("branches")
    .select(["admin_password", "admin_password_of"])
    .where("id", "=", parent_id)
    .executeTakeFirstOrThrow();
  const values = {
    ...{ ...parent, ...(await getDataFor(access, parent_id)) },
    ...{ id, project_id, parent_id, name, created_by, expires_at, protected: child.protected },
    storage_id: id,
    is_default: false,
    current_state: "init" as const,
    ttl_interval_seconds: expires_at === null ? null : secondsUntil(expires_at),
    logical_size: null,
  };
  await orConflict(tx.insertInto("branches").values(values).execute(), "branches_name", NAME_TAKEN);
  return await getBranch(access, id);
}

/**
 * For a branch of a branch: the node whose disk will have it, and how far its data will have its roles and databases. Of a
 * protected one it has not the passwords that are its own.
 */
export async function getDataFor(access: ProjectAccess, parent_id: string): Promise<Revisions & { node_id: string }> {
  const { protected: is_protected, ...data } = await access.tx
    .selectFrom("branches")
    .select(["node_id", "content_revision", "applied_revision", "foreign_passwords", "protected"])
    .where("id", "=", parent_id)
    .executeTakeFirstOrThrow();
  if (!is_protected) return data;
  return { ...data, content_revision: data.content_revision + 1, foreign_passwords: true };
}

const NAME_TAKEN = "the project has a branch of this name; choose another one";
const secondsUntil = (instant: string) =>
  sql<number>`least(2147483647, ceil(extract(epoch from ${instant}::timestamptz - now())))::integer`;

/** Whether an instant is still to come, by the clock that will judge it. */
export async function isInFuture(access: ProjectAccess, instant: string): Promise<boolean> {
  const { rows } = await sql<{ later: boolean }>`select ${instant}::timestamptz > now() as later`.execute(access.tx);
  return rows[0]?.later === true;
}

export interface BranchChange {
  readonly name?: string | undefined;
  readonly protected?: boolean | undefined;
  readonly expires_at?: string | null | undefined;
}

/** Changes what people call a branch and how long they keep it; 409 when the name is taken. */
export async function updateBranch(access: ProjectAccess, branch_id: string, change: BranchChange): Promise<Branch> {
  const { expires_at, ...rest } = change;
  const ttl = expires_at === undefined || expires_at === null ? null : secondsUntil(expires_at);
  const update = access.tx
    .updateTable("branches")
    .set({
      ...(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as typeof rest),
      ...(expires_at === undefined ? {} : { expires_at, ttl_interval_seconds: ttl }),
      updated_at: sql<string>`now()`,
    } as object)
    .where("id", "=", branch_id)
    .execute();
  await orConflict(update, "branches_name", NAME_TAKEN);
  return await getBranch(access, branch_id);
}

export async function setDefaultBranch(access: ProjectAccess, branch_id: string): Promise<Branch> {
  const { tx, project_id } = access;
  const now = { updated_at: sql<string>`now()` };
  const branches = () => tx.updateTable("branches").where("project_id", "=", project_id);
  await branches()
    .set({ is_default: false, ...now })
    .where("is_default", "=", true)
    .execute();
  await branches()
    .set({ is_default: true, ...now })
    .where("id", "=", branch_id)
    .execute();
  return await getBranch(access, branch_id);
}

export async function hasChildren(access: ProjectAccess, branch_id: string): Promise<boolean> {
  const child = await access.tx
    .selectFrom("branches")
    .select("id")
    .where("parent_id", "=", branch_id)
    .where("deleted_at", "is", null)
    .limit(1)
    .executeTakeFirst();
  return child !== undefined;
}

/**
 * Whether another branch still needs this one: its data or schema is to be read for a branch that is being made or
 * restored, or it becomes a parent again where a restore fails. Its row must be held, so that none begins meanwhile.
 */
export async function isNeeded(tx: Tx, branch_id: string): Promise<boolean> {
  const { rows } = await sql<{ needed: boolean }>`
    select exists (
      select from branches as other join branches as this using (project_id)
      where this.id = ${branch_id} and other.deleted_at is null and (
        ${branch_id} in (other.reset ->> 'source_id', other.reset ->> 'former_parent_id')
        or (other.schema_of = ${branch_id} and other.current_state = 'init'))
    ) as needed`.execute(tx);
  return rows[0]?.needed === true;
}

/** From here on nobody finds the branch or its compute; a job removes what they stood for. */
export async function markBranchDeleted({ tx }: ProjectAccess, branch_id: string): Promise<void> {
  const now = { deleted_at: sql<string>`now()` };
  await tx.updateTable("branches").set(now).where("id", "=", branch_id).execute();
  await tx.updateTable("endpoints").set(now).where("branch_id", "=", branch_id).execute();
}

/** The branch that will get what a branch has now, once its reset is done; 409 when the name is taken. */
export async function insertBackup(access: ProjectAccess, branch_id: string, backup: { id: string; name: string }) {
  const { tx } = access;
  const kept = await tx
    .selectFrom("branches")
    .select(["project_id", "node_id", "parent_id", "parent_lsn", "parent_timestamp", "init_source", "copy_method"])
    .select(["copied_bytes", "admin_password", "admin_password_of", "content_revision", "applied_revision"])
    .select(["foreign_passwords", "created_by"])
    .where("id", "=", branch_id)
    .executeTakeFirstOrThrow();
  const values = {
    ...kept,
    ...backup,
    storage_id: backup.id,
    is_default: false,
    current_state: "init" as const,
    expires_at: null,
    ttl_interval_seconds: null,
    logical_size: null,
  };
  await orConflict(tx.insertInto("branches").values(values).execute(), "branches_name", NAME_TAKEN);
}

/** Records that a branch is to get other data, and which. Its time to live begins anew, as at Neon. */
export async function markResetting(
  access: ProjectAccess,
  branch_id: string,
  parent_id: string | null,
  reset: BranchReset,
): Promise<Branch> {
  await access.tx
    .updateTable("branches")
    .set({
      parent_id,
      reset: JSON.stringify(reset),
      current_state: "resetting",
      state_changed_at: sql<string>`now()`,
      updated_at: sql<string>`now()`,
      expires_at: sql<string | null>`now() + make_interval(secs => ttl_interval_seconds)`,
    })
    .where("id", "=", branch_id)
    .execute();
  return await getBranch(access, branch_id);
}

function ofProject(access: ProjectAccess) {
  return (
    access.tx
      .selectFrom("branches as b")
      .leftJoin("users as u", "u.id", "b.created_by")
      // Of the present month, as the project's own; `jobs/meters/` counts it.
      .leftJoin(
        (eb) =>
          eb
            .selectFrom("consumption_hours")
            .select(["branch_id", sql<number>`sum(active_seconds)::bigint`.as("active_seconds")])
            .select(sql<number>`sum(cpu_seconds)::bigint`.as("cpu_seconds"))
            .select(sql<number>`sum(written_bytes)::bigint`.as("written_bytes"))
            .select(sql<number>`sum(transferred_bytes)::bigint`.as("transferred_bytes"))
            .where("project_id", "=", access.project_id)
            .where("hour", ">=", sql<string>`date_trunc('month', now(), 'UTC')`)
            .groupBy("branch_id")
            .as("h"),
        (join) => join.onRef("h.branch_id", "=", "b.id"),
      )
      .where("b.project_id", "=", access.project_id)
      .where("b.deleted_at", "is", null)
  );
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

export async function listAllBranches(access: ProjectAccess): Promise<Branch[]> {
  return (await ofProject(access).select(COLUMNS).orderBy("b.created_at").orderBy("b.id").execute()).map(toBranch);
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
