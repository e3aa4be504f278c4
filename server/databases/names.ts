import { ApiError } from "../errors.ts";
import { checkNameFits } from "../roles/names.ts";

/** The maintenance database, Postgres's templates, and the one that the local driver keeps ready to be renamed. */
const RESERVED = new Set(["postgres", "template0", "template1", "latchkey_admin", "latchkey_spare"]);

/** Throws 400, naming the field, unless Postgres can have a database of this name. */
export function checkDatabaseName(name: string, field: string): void {
  if (RESERVED.has(name)) throw new ApiError("bad_request", `"${field}" is a reserved name; choose another one`);
  checkNameFits(name, field);
}
