import type { Capacity } from "./size.ts";

/**
 * What the control plane asks of the machinery underneath. This folder owns the two driver interfaces, the
 * conformance suite that every driver passes, and the drivers; it does not own intent. The control plane
 * keeps the desired state and a reconciler calls drivers until the world agrees with it.
 *
 * Storage and compute are two questions. A branch's data outlives its computes and may one day live
 * elsewhere, so the two interfaces share nothing but ids.
 *
 * Rules for every driver:
 * - every call is idempotent by id: repeating one that succeeded, or was cut off half-way, is safe;
 * - calls for one id may overlap and are put in order by the driver; calls for different ids run in parallel;
 * - what a driver can do is data (`capabilities()`), never a method that throws "not supported";
 * - no path of a file is handed out; an address is all that a caller learns about where a compute is;
 * - a secret passed in never appears in an error, a log line or a process's arguments.
 *
 * Still to come, and not stubbed: a past moment among the options of `StorageDriver.branch`, and
 * `resolve(branch_id, time)`. `capabilities().point_in_time` already says whether a driver has them.
 */

/** Why a driver refused or failed; callers decide by this code and never by the message. */
export type DriverErrorCode =
  /** Another program listens on the port: allocate another one and call again. */
  | "port_taken"
  /** No storage under this branch id. */
  | "branch_missing"
  /** Another compute runs on the branch: one read-write compute per branch. */
  | "branch_in_use"
  /** The call needs a running compute that this driver instance has ensured. */
  | "not_running"
  /** No binaries for this PostgreSQL version, or the branch exists with another one. */
  | "version_unavailable"
  /** A setting that callers may not choose, whose value Postgres refuses, or for which the machine has not the memory. */
  | "setting_refused"
  /** A role or database name that is reserved or that Postgres cannot hold. */
  | "name_refused"
  /** Roles or databases that PostgreSQL does not make, change or drop as things are; to try again does not help. */
  | "content_refused"
  /** An id that is not of the form that drivers take. */
  | "id_refused"
  /** The password given is not the compute's. */
  | "password_refused"
  /** No database of this name, or one that is not for clients. */
  | "database_missing"
  /** The schema could not be read: somebody holds a lock, it is too large, or the compute has ended. */
  | "dump_failed"
  /** A schema that was to be copied could not be loaded. */
  | "schema_refused"
  /** The disk has not enough room for a copy. The message says how much is needed, and may be shown to people. */
  | "no_room"
  /** The caller's signal has ended the call; nothing of it is left. */
  | "aborted"
  /** The compute did not come up; the detail is in the driver's log. */
  | "start_failed"
  /** The compute recovers what was written last, and goes on doing so: the next call waits for it once more. */
  | "still_starting"
  /** This process may not start computes at this moment: whether another one does cannot be learnt. */
  | "fenced"
  /** The driver is shut down, or is shutting down. */
  | "shut_down";

/** The one error of drivers that callers handle; anything else that a driver throws is a defect or a broken machine. */
export class DriverError extends Error {
  readonly code: DriverErrorCode;
  /** What people may be told beside the code's meaning: their own input, and words about it. Absent: nothing. */
  readonly told: string | undefined;

  constructor(
    code: DriverErrorCode,
    message: string,
    options: ErrorOptions & { readonly told?: string | undefined } = {},
  ) {
    super(message, options);
    this.told = options.told;
    this.name = "DriverError";
    this.code = code;
  }
}

export interface StorageCapabilities {
  /** Name of the driver, for people. */
  readonly driver: string;
  /** Major versions that `createRoot` takes, the preferred one first. */
  readonly pg_versions: readonly number[];
  /** How branches are made from branches: sharing blocks until they change, or copying every byte. */
  readonly branching: "shared" | "copied";
  /** Whether a past moment of a branch can be read. */
  readonly point_in_time: boolean;
}

export interface StorageStat {
  readonly pg_version: number;
  /** Bytes that the branch's files hold, write-ahead log left out. */
  readonly logical_bytes: number;
  /** Bytes of disk that the files occupy, write-ahead log included; blocks shared with other branches are counted. */
  readonly physical_bytes: number;
}

/** Where a branch that was made from another one comes from. */
export interface BranchOrigin {
  readonly from_branch_id: string;
  /** For people: `reflink`, `copy`, … */
  readonly method: string;
  /** Bytes that were copied; 0 where all blocks are shared. */
  readonly copied_bytes: number;
  /** What the branch has of the other one: everything up to this place in its write-ahead log. */
  readonly lsn: string;
  /** RFC 3339. */
  readonly at: string;
}

/** How far a copy is. */
export interface CopyProgress {
  readonly copied_bytes: number;
  /** As the source was when the copy began; never less than what is copied. */
  readonly total_bytes: number;
}

export interface BranchOptions {
  /** Called now and then while bytes are copied; nothing is told where blocks are shared. It must not throw. */
  readonly onProgress?: ((progress: CopyProgress) => Promise<void>) | undefined;
  /** Ends the call with `aborted`, unless the branch is there by then. */
  readonly signal?: AbortSignal | undefined;
}

export interface StorageDriver {
  capabilities(): StorageCapabilities;
  /**
   * Makes an empty branch that has no parent. Does nothing when the branch exists with the same version.
   * When it returns, the branch survives a loss of power.
   */
  createRoot(branch_id: string, options: { readonly pg_version: number }): Promise<void>;
  /**
   * Makes a branch with everything that another one holds at this moment, superuser's password included, while
   * that one goes on being written to, or is started, which does not wait for a long copy. Made before, it is left as
   * it is and its origin told again. Throws `branch_missing`, and `not_running` while the other's compute runs but is
   * not known to this instance yet. When it returns, the branch survives a loss of power.
   */
  branch(branch_id: string, from_branch_id: string, options?: BranchOptions): Promise<BranchOrigin>;
  /** Reads sizes from the disk: it walks every file, so ask at the pace of billing and not of requests. */
  stat(branch_id: string): Promise<StorageStat>;
  /** The ids of all branches that exist here, wanted or not, so that a reconciler can remove orphans. */
  list(): Promise<string[]>;
  /** Deletes a branch for good. Throws `branch_in_use` while a compute runs on it; no branch is no error. */
  remove(branch_id: string): Promise<void>;
}

export interface ComputeCapabilities {
  readonly driver: string;
  /** Names that `ComputeSpec.settings` may carry; every other name is refused with `setting_refused`. */
  readonly settings: readonly string[];
  /** Whether an address has a unix socket directory, which the gateway prefers. */
  readonly unix_socket: boolean;
  /** Whether TLS and SCRAM channel binding (`SCRAM-SHA-256-PLUS`) are offered on TCP. */
  readonly tls: boolean;
  /** Whether `ensurePooler` gives poolers. */
  readonly pooling: boolean;
  /** Whether `readSchema` gives SQL for this PostgreSQL version. */
  readonly schema_dump: boolean;
  /** What there is for computes. A larger one is not refused: it was made when there was more. */
  readonly capacity: Capacity;
  /** How many read-write computes may run on one branch at a time. */
  readonly computes_per_branch: 1;
}

/** What a compute must be; two specs that are equal make `ensureRunning` leave a running compute alone. */
export interface ComputeSpec {
  readonly branch_id: string;
  /** IP address to listen on; 127.0.0.1 when absent. */
  readonly host?: string;
  /** TCP port, allocated by the caller. */
  readonly port: number;
  /** `false`: no TCP at all, and `port` is only the number in the unix socket's name. Absent: `true`. */
  readonly tcp?: boolean;
  readonly max_connections: number;
  /** What the compute is to have, in Neon's units (see `size.ts`); the smallest when absent. Changing it restarts the compute. */
  readonly size_cu?: number;
  /** Only names in `capabilities().settings`. Changing one restarts the compute, as it does at Neon. */
  readonly settings?: Readonly<Record<string, string>>;
  /** `allowed`: plain TCP connections are served too, as `sslmode=disable` clients need. Absent: `allowed`. */
  readonly tls?: "allowed" | "required";
  /**
   * Password of `latchkey_admin`, the superuser that is never given out: 16 characters of ASCII or more,
   * random. The caller keeps it encrypted; the first start of a branch sets it, later starts must repeat it.
   */
  readonly admin_password: string;
}

export interface ComputeAddress {
  readonly host: string;
  /** TCP port, and also the number in the unix socket's name. */
  readonly port: number;
  /** Directory of the unix socket: an address that `pg` takes as `host`, not a place to look into. */
  readonly socket_directory: string;
}

/** Where a compute runs that was wanted. */
export interface EnsuredCompute extends ComputeAddress {
  /** Whether the call has started it; `false`: it ran already, and runs on. */
  readonly started: boolean;
}

export interface ComputeStatus {
  readonly endpoint_id: string;
  readonly branch_id: string;
  readonly state: "running" | "stopped";
  /** Present while running. */
  readonly address?: ComputeAddress;
  /** Present while running, where computes are processes; for people and tests. */
  readonly pid?: number;
}

/** Who comes to a pooler. */
export interface PoolerLogin {
  /** The role's. */
  readonly name: string;
  /** That the compute has for the role at this moment. */
  readonly verifier: string;
  /** Absent: the one that has the role's name. */
  readonly database?: string | undefined;
}

export interface RoleSpec {
  /** Any text of 1 to 63 bytes without NUL; reserved names are refused with `name_refused`. */
  readonly name: string;
  /** SCRAM-SHA-256 verifier as `scramVerifier()` makes it; a plain password is refused. Absent: no password. */
  readonly verifier?: string;
  readonly login: boolean;
}

export interface DatabaseSpec {
  readonly name: string;
  /** A database that still has this name is renamed, which ends the sessions in it. */
  readonly former_name?: string;
  /** Must be in `roles` of the same spec, or exist already. Absent: the database is there, and keeps the one that it has. */
  readonly owner?: string;
}

/**
 * What must be inside a compute. Roles and databases that are not named are left alone: people make their
 * own with SQL, so nothing is ever dropped by omission, only by being listed as absent. A role that is there
 * already is given its password and its login, and keeps the rights that it has.
 */
export interface ContentSpec {
  readonly roles: readonly RoleSpec[];
  readonly databases: readonly DatabaseSpec[];
  /** Every role of people's that is not named loses its password, whatever its name. */
  readonly sole_passwords?: boolean;
  readonly absent?: {
    /** Their sessions end; what they own goes to the owner of the database it lies in. */
    readonly roles?: readonly string[];
    /** Dropped with their sessions. */
    readonly databases?: readonly string[];
  };
}

/** A role as it is in a compute. */
export interface PresentRole {
  /** Stays when it is renamed, and is the same in a branch of the branch; another role of the name has another one. */
  readonly oid: number;
  readonly name: string;
  readonly login: boolean;
  /** Null where it has no password, or one that is kept in another form. */
  readonly verifier: string | null;
  /** The time is over in which its password lets it in. */
  readonly expired: boolean;
}

export interface PresentDatabase {
  /** As a role's. */
  readonly oid: number;
  readonly name: string;
  readonly owner: string;
}

/** The roles and databases of people in a compute: those of a driver's own and of PostgreSQL are left out. */
export interface PresentContent {
  readonly roles: readonly PresentRole[];
  readonly databases: readonly PresentDatabase[];
  /** `false`: there are so many that not all are told. */
  readonly complete: boolean;
}

export interface ComputeUsage {
  /** The process that the figures are of; another one begins at zero. */
  readonly process: string;
  /** Processor time of it and of everything that it has started, since it began. */
  readonly cpu_seconds: number;
}

export interface AdminQuery {
  /** The maintenance database when absent. Code of strangers lives in every other one. */
  readonly database?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

export interface ComputeDied {
  readonly endpoint_id: string;
  readonly branch_id: string;
  /** For people: exit code or signal, where known. */
  readonly reason: string;
}

/** What PostgreSQL says. */
export interface LogRecord {
  /** RFC 3339. */
  readonly timestamp: string;
  readonly pid: number;
  /** As PostgreSQL names it: `LOG`, `ERROR`, … */
  readonly severity: string;
  readonly message: string;
}

export interface ComputeDriver {
  capabilities(): ComputeCapabilities;
  /**
   * Makes the compute run as the spec says and returns when it takes connections. A compute that runs
   * already, even one left behind by a killed server, is kept when it matches the spec and restarted when not.
   */
  ensureRunning(endpoint_id: string, spec: ComputeSpec): Promise<EnsuredCompute>;
  /**
   * Stops the compute and keeps its data. `fast` ends sessions and writes a checkpoint, so that the next
   * start is quick; `immediate` does not wait for that and the next start recovers. Not running is no error.
   */
  suspend(endpoint_id: string, mode: "fast" | "immediate"): Promise<void>;
  /**
   * Makes a pooler run in front of the compute, to which the login's role can sign in, and says where. Its sessions have
   * one of PostgreSQL's only for as long as a transaction lasts. Undefined: there is none for this login. It ends with the
   * compute, and, for all who use it, when a role comes with another verifier than before: the sessions that a pooler has
   * kept must never be those of somebody who had the name once. Needs `ensureRunning` first.
   */
  ensurePooler(endpoint_id: string, login: PoolerLogin): Promise<ComputeAddress | undefined>;
  /** Makes roles and databases as the spec says, in the order roles, databases, absent. Needs `ensureRunning` first. */
  apply(endpoint_id: string, content: ContentSpec): Promise<void>;
  /** The roles and databases that are there, all as of one moment. Needs `ensureRunning` first. */
  readContent(endpoint_id: string): Promise<PresentContent>;
  /** What is known about one compute, or undefined when there is none under this id. Reads the machine, not memory. */
  status(endpoint_id: string): Promise<ComputeStatus | undefined>;
  /** What a compute has used; undefined when it does not run, or the system does not tell. */
  usage(endpoint_id: string): Promise<ComputeUsage | undefined>;
  /** Every compute that exists here, wanted or not, so that a reconciler can remove orphans. */
  list(): Promise<ComputeStatus[]>;
  /** Calls back when a compute ends without having been asked to. Returns the way to stop watching. */
  watch(callback: (died: ComputeDied) => void): () => void;
  /** Stops the compute and forgets it; the branch stays. No compute is no error. */
  remove(endpoint_id: string): Promise<void>;
  /**
   * Runs one statement as superuser for the control plane (availability, sizes) and returns its rows.
   * Needs `ensureRunning` first. Never pass text that came from outside: use `values`.
   */
  query(endpoint_id: string, query: AdminQuery): Promise<Record<string, unknown>[]>;
  /**
   * What the compute has said lately, oldest first, whether it runs or not; nothing where there is no compute. It is of
   * bounded length, however much strangers make it say, and has no statement in it and no value of a row.
   */
  readLog(endpoint_id: string): Promise<LogRecord[]>;
  /**
   * The schema of a database: as the SQL that makes an empty one have it, which `pg_dump --schema-only` prints, or
   * its tables as Neon's JSON. Needs `ensureRunning` first. Throws `database_missing` and `dump_failed`.
   */
  readSchema(endpoint_id: string, database: string, format: "sql" | "json"): Promise<string>;
  /**
   * Gives a compute the roles, databases and schemas of another one, without data; its databases are empty yet. Both
   * must have been ensured. Throws `schema_refused` and `dump_failed`, and may leave a part of it behind.
   */
  copySchema(endpoint_id: string, from_endpoint_id: string): Promise<void>;
  /** Stops every compute cleanly, in parallel, and leaves nothing running. Calls made afterwards are refused. */
  shutdown(): Promise<void>;
}

/** A storage driver and a compute driver that can work on each other's branches. */
export interface Drivers {
  readonly storage: StorageDriver;
  readonly compute: ComputeDriver;
}
