import { ApiError } from "../errors.ts";

/** Roles that exist in every compute, and words that Postgres keeps for itself. */
const RESERVED = new Set([
  "latchkey_admin",
  "latchkey_loader",
  "latchkey_loading",
  "neon_superuser",
  "postgres",
  "public",
  "none",
  "current_user",
  "session_user",
  "current_role",
]);

/** Postgres cuts longer names off silently, and two names would then mean one role. */
const NAME_BYTES = 63;

/** Throws 400, naming the field, unless Postgres can have a role of this name. */
export function checkRoleName(name: string, field: string): void {
  if (RESERVED.has(name) || name.startsWith("pg_")) {
    throw new ApiError("bad_request", `"${field}" is a reserved name; choose another one`);
  }
  checkNameFits(name, field);
}

/**
 * What holds for every name: 1 to 63 bytes of UTF-8 without NUL, as Postgres has it, and none that the API could not be
 * asked for again. A path's segments of dots alone are gone before any client sends it, encoded or not.
 */
export function checkNameFits(name: string, field: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > NAME_BYTES || name.includes("\0") || !name.isWellFormed()) {
    throw new ApiError("bad_request", `"${field}" must be 1 to ${NAME_BYTES} bytes of text`);
  }
  if (name === "." || name === "..") {
    throw new ApiError("bad_request", `"${field}" must not be "${name}": no URL can carry it; choose another one`);
  }
}
