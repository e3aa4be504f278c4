import { DriverError, type DriverErrorCode } from "../compute/driver.ts";

/** What people are told; the true error goes to the log. */
const PUBLIC_ERRORS: Partial<Record<DriverErrorCode, string>> = {
  port_taken: "no free port was found for the compute",
  branch_missing: "the branch has no storage",
  branch_in_use: "another compute runs on the branch",
  version_unavailable: "this PostgreSQL version is not available on the node",
  setting_refused: "a setting of the compute was refused",
  name_refused: "the name of a role or database was refused",
  content_refused: "PostgreSQL refused a change of roles or databases",
  still_starting: "the compute is still starting: it recovers what was written last",
  start_failed: "the compute did not start",
  dump_failed: "the schema of the other branch could not be read",
  schema_refused: "the schema of the other branch could not be loaded",
  fenced: "the node has lost touch with the database and starts nothing until it is back",
  not_running: "the compute of the branch it is made from is not ready",
};
const INTERNAL_ERROR = "internal error; the server's log has the detail";

export function publicErrorOf(error: unknown): string {
  if (!(error instanceof DriverError)) return INTERNAL_ERROR;
  const { code, message, told } = error;
  if (code === "no_room") return message;
  const meaning = PUBLIC_ERRORS[code];
  if (meaning === undefined) return INTERNAL_ERROR;
  if (told !== undefined) return `${meaning}: ${told}`;
  return code === "schema_refused" ? `${meaning}; the server's log has the reason` : meaning;
}
