/** Why something in this room failed; callers decide by this code and never by the message. */
export type PostgresErrorCode =
  /** This operating system or PostgreSQL version is not supported. */
  | "unsupported"
  /** Root found no unprivileged account to run PostgreSQL as. */
  | "no_account"
  /** No usable `postgres` and `initdb`. */
  | "no_binaries"
  /** No usable PgBouncer. */
  | "no_pooler"
  /** The account that runs PostgreSQL cannot reach a directory; the message says what to do. */
  | "unreachable_directory"
  /** A child program (`initdb`, `cp`, `postgres --single`) failed. */
  | "command_failed"
  /** Another program listens on the TCP address. */
  | "port_taken"
  /** `postgres` ended before it was ready. */
  | "start_failed"
  /** PostgreSQL refuses a setting or its value; the message is its words about that alone, without a path. */
  | "setting_refused"
  /** More shared memory is asked for than the machine gives. */
  | "no_memory"
  /** `postgres` was not ready before the deadline, and goes on starting. */
  | "start_timeout"
  /** A process survived SIGKILL, which is the kernel waiting for a disk. */
  | "stop_failed"
  /** Another server process works with this directory. */
  | "in_use";

/** The one error of this room. Its message is for the operator and carries no secret. */
export class PostgresError extends Error {
  readonly code: PostgresErrorCode;

  constructor(code: PostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PostgresError";
    this.code = code;
  }
}
