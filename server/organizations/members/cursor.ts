import { ApiError } from "../../errors.ts";
import type { MemberOrder, MemberPosition } from "./store.ts";

/**
 * The cursor of a list of members, in Neon's second dialect: base64url of JSON that tells the last member
 * and the order. Clients hand it back as it is. It carries the sorted value too, so that the next page is
 * found even when that member has been removed meanwhile.
 */
export function formatCursor(sort_by: MemberOrder, sort_order: "asc" | "desc", last: MemberPosition): string {
  return Buffer.from(JSON.stringify({ ...last, sort_by, sort_order })).toString("base64url");
}

/** Throws 400 for a cursor that is none, or that belongs to a list in another order. */
export function parseCursor(cursor: string, sort_by: MemberOrder, sort_order: "asc" | "desc"): MemberPosition {
  const parts = decode(cursor);
  const { value, member_id } = parts;
  const is_instant = typeof value === "string" && !Number.isNaN(Date.parse(value));
  if (typeof value !== "string" || typeof member_id !== "string" || !UUID.test(member_id)) {
    throw new ApiError("bad_request", "the cursor is none that this server gave");
  }
  if (parts.sort_by !== sort_by || parts.sort_order !== sort_order || (sort_by === "joined_at" && !is_instant)) {
    throw new ApiError("bad_request", "the cursor belongs to a list in another order; repeat sort_by and sort_order");
  }
  return { value, member_id };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function decode(cursor: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}
