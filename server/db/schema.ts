import type { OperationAction, OperationStatus } from "@latchkey/contract/operations.ts";
import type { MemberRole } from "@latchkey/contract/organizations.ts";
import type { Generated } from "kysely";

/**
 * The tables as Kysely sees them; `migrations/` makes them. Names and shapes are the wire's where they meet
 * it. Through our pool an instant is an RFC 3339 string and an int8 a number (see `pool.ts`).
 */
export interface Schema {
  instance: InstanceTable;
  setup_tokens: SetupTokenTable;
  users: UserTable;
  accounts: AccountTable;
  sessions: SessionTable;
  organizations: OrganizationTable;
  members: MemberTable;
  invitations: InvitationTable;
  api_keys: ApiKeyTable;
  projects: ProjectTable;
  branches: BranchTable;
  endpoints: EndpointTable;
  roles: RoleTable;
  databases: DatabaseTable;
  operations: OperationTable;
  audit_events: AuditEventTable;
}

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

export interface UserTable {
  id: string;
  name: string;
  email: string;
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
  last_used_at: string | null;
  last_used_from_addr: Generated<string>;
  last_used_user_agent: Generated<string>;
  revoked_at: string | null;
}

export interface ProjectTable {
  id: string;
  org_id: string;
  name: string;
  region_id: string;
  pg_version: number;
  created_by: string | null;
  created_at: Generated<string>;
  updated_at: Generated<string>;
  /** Set at once by a deletion; the rows go when the job has removed what they stood for. */
  deleted_at: string | null;
}

export interface BranchTable {
  id: string;
  project_id: string;
  /** The node whose disk holds the branch: only its jobs work on it. */
  node_id: string;
  name: string;
  is_default: boolean;
  current_state: "init" | "ready";
  logical_size: number | null;
  created_by: string | null;
  created_at: Generated<string>;
  updated_at: Generated<string>;
  state_changed_at: Generated<string>;
}

export interface EndpointTable {
  id: string;
  project_id: string;
  branch_id: string;
  host: string;
  /** TCP port of the compute, its own for life unless something else has taken it. */
  port: number;
  current_state: "init" | "active" | "idle";
  /** The control plane's superuser password on this compute, sealed (see `keys/seal.ts`). */
  admin_password: Buffer;
  created_at: Generated<string>;
  updated_at: Generated<string>;
  started_at: string | null;
}

export interface RoleTable {
  branch_id: string;
  name: string;
  /** Sealed: it can be revealed, as in Neon. */
  password: Buffer;
  created_at: Generated<string>;
  updated_at: Generated<string>;
}

export interface DatabaseTable {
  id: Generated<number>;
  branch_id: string;
  name: string;
  owner_name: string;
  created_at: Generated<string>;
  updated_at: Generated<string>;
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
  subject: string;
  request_id: string;
  address: string;
  user_agent: string;
}
