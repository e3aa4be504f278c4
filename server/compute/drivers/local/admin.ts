import pg from "pg";
import { SUPERUSER } from "../../../postgres/data-directory.ts";
import { DriverError } from "../../driver.ts";

/**
 * Settings of every superuser session, given at its start, where they outrank what the owner of a database
 * attached to it with ALTER DATABASE … SET. With another search_path an unqualified name could be a
 * function of theirs, run with our rights (CVE-2018-1058). Statements carry verifiers, so none is logged.
 */
const SESSION = [
  "-c search_path=pg_catalog",
  "-c role=none",
  "-c default_transaction_read_only=off",
  "-c log_statement=none",
  "-c log_min_duration_statement=-1",
  "-c log_min_error_statement=panic",
  // Nothing we ask takes long, and a stranger who holds a lock must not hold us.
  "-c statement_timeout=60s",
  "-c lock_timeout=10s",
  // What is told as done must outlive a crash.
  "-c synchronous_commit=on",
  // Written down in one compute and read in another, as when a role's password expires.
  "-c datestyle=ISO",
];

/**
 * Settings by which a session may take its time, whatever the compute's owner wants of theirs: a backup's waits while
 * files are copied, and to make a database takes a while.
 */
export function unhurried(major: number): string[] {
  const settings = ["-c idle_session_timeout=0", "-c idle_in_transaction_session_timeout=0"];
  // An older PostgreSQL refuses a session that names it.
  return major >= 17 ? [...settings, "-c transaction_timeout=0"] : settings;
}

export interface AdminAddress {
  readonly socket_directory: string;
  readonly port: number;
  readonly password: string;
  /** Of the PostgreSQL that runs there. */
  readonly major: number;
}

/** Opens a superuser session, hands it over, and closes it. Throws `password_refused`. */
export async function asAdmin<T>(
  address: AdminAddress,
  database: string,
  work: (session: pg.Client) => Promise<T>,
): Promise<T> {
  const session = new pg.Client({
    host: address.socket_directory,
    port: address.port,
    user: SUPERUSER,
    password: address.password,
    database,
    options: [...SESSION, ...unhurried(address.major)].join(" "),
    application_name: "latchkey",
    connectionTimeoutMillis: 10_000,
    query_timeout: 65_000,
  });
  // A compute that dies in between fails the query under way; this event would end our process.
  session.on("error", () => {});
  try {
    await session.connect();
    return await work(session);
  } catch (error) {
    if ((error as { code?: string }).code === "28P01") {
      throw new DriverError("password_refused", "the admin password is not the compute's", { cause: error });
    }
    throw error;
  } finally {
    await session.end().catch(() => {});
  }
}
