import type { DefaultEndpointSettings } from "@latchkey/contract/endpoints.ts";
import type { OperationAction, OperationStatus } from "@latchkey/contract/operations.ts";
import type { MemberRole } from "@latchkey/contract/organizations.ts";
import type { ProjectSettings } from "@latchkey/contract/projects.ts";
import type { ColumnType, Generated } from "kysely";

/**
 * The tables as Kysely sees them; `migrations/` makes them. Names and shapes are the wire's where they meet
 * it. Through our pool an instant is an RFC 3339 string and an int8 a number (see `pool.ts`).
 */
export interface Schema {
  instance: InstanceTable;
  setup_tokens: SetupTokenTable;
  password_resets: PasswordResetTable;
  users: UserTable;
  accounts: AccountTable;
  sessions: SessionTable;
  organizations: OrganizationTable;
  members: MemberTable;
  invitations: InvitationTable;
  api_keys: ApiKeyTable;
  key_uses: KeyUseTable;
  projects: ProjectTable;
  branches: BranchTable;
  branch_annotations: BranchAnnotationTable;
  endpoints: EndpointTable;
  roles: RoleTable;
  databases: DatabaseTable;
  operations: OperationTable;
  audit_events: AuditEventTable;
  access_revision: AccessRevisionTable;
  access_changes: AccessChangeTable;
  nodes: NodeTable;
  data_nodes: DataNodeTable;
  oauth_grants: OAuthGrantTable;
  oauth_access_tokens: OAuthAccessTokenTable;
  oauth_refresh_tokens: OAuthRefreshTokenTable;
  oauth_codes: OAuthCodeTable;
  oauth_device_requests: OAuthDeviceRequestTable;
  observed_verifiers: ObservedVerifierTable;
  gateways: GatewayTable;
  schema_readings: SchemaReadingTable;
  log_readings: LogReadingTable;
  compute_meters: ComputeMeterTable;
  consumption_hours: ConsumptionHourTable;
}

/** A jsonb column: read as it is, written as text. */
type Json<T> = ColumnType<T, string | undefined, string>;
type JsonOrNull<T> = ColumnType<T | null, string | null | undefined, string | null>;

/** One row: which instance this database belongs to. */
export interface InstanceTable {
  id: string;
  /** Fingerprint of the secret key, so that a node with another key refuses to start. */
  secret_key_fingerprint: string;
  created_at: Generated<string>;
}

/** Digests of the one-time links that a server without people printed. */
export interface SetupTokenTable {
  token_digest: Buffer;
  created_at: Generated<string>;
}

export interface PasswordResetTable {
  /** Not handed over on the server's machine: whoever has it has the mailbox. */
  mailed: boolean;
  token_digest: Buffer;
  user_id: string;
  created_at: Generated<string>;
  expires_at: string;
}

export interface UserTable {
  id: string;
  name: string;
  email: string;
  /**
   * Whether the one who made the account is known to be whose e-mail it is: it was made where strangers cannot sign up,
   * by whoever runs the server, or its mailbox has been proved since.
   */
  email_verified: boolean;
  image: string | null;
  instance_admin: Generated<boolean>;
  created_at: Generated<string>;
  updated_at: Generated<string>;
}

/** Better Auth's: how a person proves who they are. `password` is an argon2id hash. */
export interface AccountTable {
  id: string;
  user_id: string;
  account_id: string;
  provider_id: string;
  password: string | null;
  created_at: Generated<string>;
  updated_at: Generated<string>;
}

/** Better Auth's. */
export interface SessionTable {
  id: string;
  user_id: string;
  token: string;
  expires_at: string;
  ip_address: string | null;
  user_agent: string | null;
  created_at: Generated<string>;
  updated_at: Generated<string>;
}

export interface OrganizationTable {
  id: string;
  name: string;
  handle: string;
  /** The person whose account this organization was made with; null for any other. */
  personal_of: string | null;
  created_at: Generated<string>;
  updated_at: Generated<string>;
}

export interface MemberTable {
  id: string;
  org_id: string;
  user_id: string;
  role: MemberRole;
  joined_at: Generated<string>;
}

export interface InvitationTable {
  id: string;
  org_id: string;
  email: string;
  role: MemberRole;
  invited_by: string;
  token_digest: Buffer;
  invited_at: Generated<string>;
  expires_at: string;
}

export type ApiKeyKind = "user" | "org" | "proj";

export interface ApiKeyTable {
  id: Generated<number>;
  kind: ApiKeyKind;
  /** Owner: the person of a personal key, otherwise the organization. */
  user_id: string | null;
  org_id: string | null;
  project_id: string | null;
  name: string;
  token_digest: Buffer;
  hint: string;
  created_by: string;
  created_at: Generated<string>;
  revoked_at: string | null;
}

/** The last use of each key that was used. */
export interface KeyUseTable {
  key_id: number;
  at: string;
  address: string;
  user_agent: string;
}

export interface ProjectTable {
  id: string;
  org_id: string;
  name: string;
  region_id: string;
  pg_version: number;
  /** As the API takes them; what is not honoured is refused there. */
  settings: Json<ProjectSettings>;
  default_endpoint_settings: Json<DefaultEndpointSettings>;
  created_by: string | null;
  created_at: Generated<string>;
  updated_at: Generated<string>;
  /** Set at once by a deletion: nobody finds the project any more. It can be recovered for a while. */
  deleted_at: string | null;
  /** Which quota is used up: its computes rest until the next month, or until it is raised. */
  quota_exceeded: Generated<string | null>;
  /** Set when that while is over: a job removes what the rows stand for, then the rows. */
  removed_at: Generated<string | null>;
}

export interface BranchTable {
  id: string;
  project_id: string;
  /** The node whose disk holds the branch: only its jobs work on it. */
  node_id: string;
  /** The name of its data at the storage driver; a restore gives the branch another one. */
  storage_id: string;
  /** Whose data it was cloned from; null for a root. */
  parent_id: string | null;
  parent_lsn: Generated<string | null>;
  parent_timestamp: Generated<string | null>;
  init_source: Generated<"parent-data" | "schema-only">;
  /** Whose schema a schema-only branch gets; null once it has it. */
  schema_of: Generated<string | null>;
  /** How its data was cloned, and how many bytes of it take room of their own. */
  copy_method: Generated<string | null>;
  copied_bytes: Generated<number | null>;
  name: string;
  is_default: boolean;
  protected: Generated<boolean>;
  expires_at: string | null;
  ttl_interval_seconds: number | null;
  last_reset_at: Generated<string | null>;
  /** While `resetting`: the data that is being made, and what becomes of the data that it replaces. */
  reset: JsonOrNull<BranchReset>;
  current_state: "init" | "resetting" | "ready";
  logical_size: number | null;
  /** Which quota the branch itself has used up; its computes rest then, as with those of its project. */
  quota_exceeded: Generated<string | null>;
  /** What its files occupy, write-ahead log included. */
  storage_bytes: Generated<number | null>;
  /** How much log of this data has been counted as written, as a place in a log without gaps. */
  metered_lsn: Generated<string | null>;
  metered_storage_id: Generated<string | null>;
  /** The control plane's superuser password on this data, sealed (see `keys/seal.ts`) for the id beside it. */
  admin_password: Buffer;
  admin_password_of: string;
  /** Goes up with every change to the branch's roles and databases, and the one that its data has. */
  content_revision: Generated<number>;
  applied_revision: Generated<number>;
  /** Its data has passwords of a protected branch still: its compute forgets them when it is told of the revisions in between. */
  foreign_passwords: Generated<boolean>;
  /** Of what the compute had when the rows last followed it. */
  observed_digest: Generated<string | null>;
  created_by: string | null;
  created_at: Generated<string>;
  updated_at: Generated<string>;
  state_changed_at: Generated<string>;
  /** Set at once by a deletion; the row goes when the job has removed what it stood for. */
  deleted_at: Generated<string | null>;
}

/** What the tool that made a branch has noted about it; no row where that is nothing. */
export interface BranchAnnotationTable {
  branch_id: string;
  value: Json<Record<string, string>>;
  created_at: Generated<string>;
}

export interface BranchReset {
  readonly source_id: string;
  readonly storage_id: string;
  /** The branch that gets the replaced data; null when nobody does. */
  readonly backup_id: string | null;
  /** For putting things back, should it fail. */
  readonly former_parent_id: string | null;
}

export interface EndpointTable {
  id: string;
  project_id: string;
  branch_id: string;
  name: string | null;
  host: string;
  /** TCP port at the gateway, its own for life unless something else has taken it. */
  port: number;
  /** What is; `desired_state` is what ought to be. */
  current_state: "init" | "active" | "idle";
  desired_state: Generated<"running" | "suspended">;
  /** Why it was last put to rest; null before that. */
  suspended_for: Generated<"request" | "idle" | null>;
  /** Nothing may start it, whatever is desired. */
  disabled: Generated<boolean>;
  /** Of PostgreSQL, and those that it last ran with: what it does not start with gives way to them. */
  settings: Json<Record<string, string>>;
  applied_settings: Json<Record<string, string>>;
  suspend_timeout_seconds: Generated<number>;
  autoscaling_limit_min_cu: Generated<number>;
  /** The size that it has. */
  autoscaling_limit_max_cu: Generated<number>;
  /** The limits that it last ran with; null: it never has. */
  applied_min_cu: number | null;
  applied_max_cu: number | null;
  created_at: Generated<string>;
  updated_at: Generated<string>;
  started_at: string | null;
  suspended_at: Generated<string | null>;
  /** When a client last came, did something or went. */
  last_active: Generated<string | null>;
  /** When it last died or did not start, and why; null: it never has. The reason is for people and tells no secret. */
  failed_at: Generated<string | null>;
  failure_reason: Generated<string | null>;
  /** In a row, as of then. */
  failures_count: Generated<number>;
  /** When it is started again, as of then. */
  retry_at: Generated<string | null>;
  deleted_at: Generated<string | null>;
}

export interface RoleTable {
  branch_id: string;
  name: string;
  /** Sealed: it can be revealed, as in Neon. Null: there is none, or it was set with SQL and only its people know it. */
  password: Buffer | null;
  /** What the compute has in place of the password; null where it has none, or it has not been computed yet. */
  verifier: string | null;
  can_login: Generated<boolean>;
  /** By which the compute knows it, whatever its name; null until it has been seen there. */
  oid: Generated<number | null>;
  /** The branch's `content_revision` with which the API last changed it; 0: what it is, it is by SQL. */
  revision: Generated<number>;
  created_at: Generated<string>;
  updated_at: Generated<string>;
  deleted_at: Generated<string | null>;
}

/** The domain of a node's gateway, below which each of its endpoints has a name; no row: they have ports alone. */
export interface GatewayTable {
  /** As in `branches.node_id`. */
  node_id: string;
  domain: string;
  /** The one that clients use. */
  port: number;
}

/** The schema of a database that somebody waits for. */
export interface SchemaReadingTable {
  id: string;
  branch_id: string;
  database_name: string;
  format: "sql" | "json";
  asked_at: Generated<string>;
  answer: string | null;
  /** Why there is none, as `branches/schemas/` tells it. */
  refusal: SchemaRefusal | null;
}

export type SchemaRefusal = "database_missing" | "not_offered" | "restoring" | "unreadable";

/** A record that has been told before. */
export interface ToldRecord {
  readonly timestamp: string;
  readonly digest: string;
}

/** Which records of a log are asked for. */
export interface LogQuestion {
  readonly limit: number;
  readonly since?: string | undefined;
  readonly after?: ToldRecord | undefined;
}

export interface LogReadingTable {
  id: string;
  endpoint_id: string;
  asked_at: Generated<string>;
  question: Json<LogQuestion>;
  /** JSON; null while nobody has answered. */
  answer: string | null;
}

/** A compute that runs, or did when it was last looked at, and how far its time has been counted. */
export interface ComputeMeterTable {
  endpoint_id: string;
  project_id: string;
  branch_id: string;
  counted_until: Generated<string>;
  /** Which process the figure below was read from: another one begins at zero. */
  process: string | null;
  cpu_seconds: Generated<number>;
  /** That it runs at. */
  size_cu: Generated<number>;
}

/** What a branch has consumed in an hour; sizes are the largest that were seen in it. */
export interface ConsumptionHourTable {
  project_id: string;
  hour: string;
  branch_id: string;
  active_seconds: Generated<number>;
  /** Those, times the size of the compute. */
  compute_unit_seconds: Generated<number>;
  cpu_seconds: Generated<number>;
  written_bytes: Generated<number>;
  transferred_bytes: Generated<number>;
  storage_bytes: Generated<number>;
  logical_bytes: Generated<number>;
}

/** What a branch's compute had in place of passwords when it was last asked, roles made with SQL included. */
export interface ObservedVerifierTable {
  branch_id: string;
  /** The data that it was read from. */
  storage_id: string;
  role_name: string;
  verifier: string;
}

export interface DatabaseTable {
  id: Generated<number>;
  branch_id: string;
  name: string;
  owner_name: string;
  /** Its name in the compute until a renaming has been carried out there. */
  former_name: Generated<string | null>;
  /** As of a role. */
  oid: Generated<number | null>;
  revision: Generated<number>;
  created_at: Generated<string>;
  updated_at: Generated<string>;
  deleted_at: Generated<string | null>;
}

export interface OperationTable {
  id: string;
  /** Order within a project: created together, carried out one after the other. */
  seq: Generated<number>;
  project_id: string;
  branch_id: string | null;
  endpoint_id: string | null;
  action: OperationAction;
  status: OperationStatus;
  error: string | null;
  failures_count: Generated<number>;
  retry_at: string | null;
  /** Which process works on it, and until when its word is taken for it. */
  leased_by: string | null;
  leased_until: string | null;
  /** Of the copy that it makes: how much is there, and how much it will be. Null until that is known. */
  copied_bytes: Generated<number | null>;
  total_bytes: Generated<number | null>;
  /** Whoever works on it is to give it up; while it is open it counts as such all the same. */
  cancel_requested_at: Generated<string | null>;
  created_at: Generated<string>;
  updated_at: Generated<string>;
  total_duration_ms: Generated<number>;
}

export interface AuditEventTable {
  id: Generated<number>;
  at: Generated<string>;
  action: string;
  principal_kind: string;
  user_id: string | null;
  org_id: string | null;
  project_id: string | null;
  api_key_id: number | null;
  /** The login whose token was the credential. */
  oauth_grant_id: number | null;
  subject: string;
  request_id: string;
  address: string;
  user_agent: string;
  /** Of a change that narrowed access: what it waited for; null until then, and where it could not wait. */
  confirmation: ColumnType<AuditConfirmation | null, string | undefined, string>;
}

export interface AuditConfirmation {
  readonly revision: number;
  readonly acknowledged: readonly string[];
  readonly lapsed: readonly string[];
  readonly waited_ms: number;
}

/** One row: the last revision given. */
export interface AccessRevisionTable {
  revision: number;
}

/** What narrowed access, in the order of commit (see `nodes/`). */
export interface AccessChangeTable {
  revision: number;
  nonce: Generated<string>;
  kind: "key" | "project" | "organization" | "user" | "everything";
  subject: string;
  at: Generated<string>;
}

/** The server processes that verify keys from memory (see `nodes/`). */
export interface NodeTable {
  id: string;
  acked_revision: number;
  /** Goes up with each renewal; what others tell the node's being alive by. */
  renewals: number;
  /** For people alone: no decision rests on a wall clock. */
  renewed_at: string;
  started_at: Generated<string>;
  /** Of the data directory, as in `branches.node_id`; the id above is new with each start. */
  data_node_id: string;
  address: string;
  pid: number;
  version: string;
}

/** A data directory and the process that holds it (see `placement/`). */
export interface DataNodeTable {
  /** As in `branches.node_id`. */
  id: string;
  /** New with each start; null when it was given up in good order. */
  holder: string | null;
  /** What tells on the holder's own machine whether it lives. */
  holder_process: string;
  /** Goes up with each renewal; what others tell the holder's being alive by before they take its place. */
  renewals: Generated<number>;
  /** By the database's clock: for people and for the choice of a way, never for who may start a compute. */
  renewed_at: Generated<string>;
  /** Nodes with the same one reach each other's loopback addresses. */
  network: Generated<string>;
  /** HOST:PORT for the other nodes; null: none can reach it. */
  address: string | null;
  /** SHA-256 of the certificate that it shows to other nodes and is known by. */
  certificate_digest: string | null;
  /** What its machine has for computes; null where it has not told. */
  cpus: Generated<number | null>;
  memory_bytes: Generated<number | null>;
  pools_connections: Generated<boolean>;
  pg_versions: Generated<number[]>;
  version: Generated<string>;
}

export type OAuthEndReason = "revoked" | "replay" | "code_reuse" | "password_change";

/** One login of a command line through the browser. */
export interface OAuthGrantTable {
  id: Generated<number>;
  user_id: string;
  client_id: string;
  scope: string;
  device_name: string;
  created_at: Generated<string>;
  created_from_addr: string;
  created_user_agent: string;
  /** Moves with each refresh. */
  expires_at: string;
  last_used_at: string | null;
  last_used_from_addr: Generated<string>;
  last_used_user_agent: Generated<string>;
  ended_at: string | null;
  end_reason: OAuthEndReason | null;
}

export interface OAuthAccessTokenTable {
  token_digest: Buffer;
  grant_id: number;
  expires_at: string;
}

export interface OAuthRefreshTokenTable {
  token_digest: Buffer;
  grant_id: number;
  created_at: Generated<string>;
  replaced_at: string | null;
}

/** Authorization codes, by digest. */
export interface OAuthCodeTable {
  code_digest: Buffer;
  user_id: string;
  client_id: string;
  redirect_uri: string;
  scope: string;
  code_challenge: string;
  expires_at: string;
  used_at: string | null;
  /** The login that it was exchanged for. */
  grant_id: number | null;
}

/** Machines without a browser that wait for a person (RFC 8628). */
export interface OAuthDeviceRequestTable {
  device_code_digest: Buffer;
  /** What the person types, without the hyphen. It opens nothing by itself. */
  user_code: string;
  client_id: string;
  scope: string;
  device_name: string;
  address: string;
  user_agent: string;
  created_at: Generated<string>;
  expires_at: string;
  interval_seconds: number;
  polled_at: string | null;
  status: Generated<"waiting" | "approved" | "denied" | "used">;
  /** Who judged it. */
  user_id: string | null;
}
