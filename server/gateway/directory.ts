import type { Socket } from "node:net";

/** What the gateway must be told and cannot know. The composition root gives it; tests give their own. */
export interface Directory {
  /** Undefined: there is no such endpoint. Any text may be asked for. */
  findTarget(endpoint_id: string): Promise<Target | undefined>;
  /**
   * The SCRAM verifier that the role has on the endpoint's compute; undefined when there is no such endpoint or role,
   * when the role may not log in, or when it is one of the control plane's own. Must not start the compute.
   */
  findVerifier(endpoint_id: string, role: string): Promise<string | undefined>;
  /**
   * Makes the endpoint's compute run and says where. Called only for clients that have proved their password, once at a
   * time for each endpoint, and not while the compute can be reached where it was last.
   */
  wake(endpoint_id: string): Promise<ComputePlace>;
  /**
   * The pooler in front of an endpoint's compute, which runs on this node; undefined where there is none for this login.
   * Throws `ComputeAway` when the compute does not run, `VerifierChanged` when it has no such role any more.
   */
  pool(endpoint_id: string, login: Login): Promise<ComputeSocket | undefined>;
}

/** What a client wants to be, and where. */
export interface Login {
  readonly role: string;
  /** Absent: the one that has the role's name. */
  readonly database?: string | undefined;
}

export interface Target {
  /** In Neon's forms (see `allowed-ips.ts`); empty: every address. */
  readonly allowed_ips: readonly string[];
  /** How many clients may be connected at a time. */
  readonly max_connections: number;
  /** And how many to its pooler; absent: there is none, and each has a session of its own. */
  readonly max_pooled_connections?: number;
  /** Nobody may start it or connect to it, which only those who have proved themselves are told. */
  readonly disabled?: boolean;
  /** The quota that its project or branch has used up, by its name in the API: nobody may start it, which they are told, too. */
  readonly quota_exceeded?: string;
}

export type ComputePlace = ComputeSocket | DistantCompute;

/** A compute of another node, reached by way of that node's gateway. */
export interface DistantCompute {
  /** A stream to the compute's socket. Throws `WireError`, and `ComputeAway` where it is worth another try. */
  connect(purpose: "session" | "cancel"): Promise<Reached>;
  /** The same by way of the pooler in front of it, where its node has one for this login. */
  pooled(login: Login): DistantCompute;
}

export interface Reached {
  readonly socket: Socket;
  /** Whether a pooler is at the other end. */
  readonly pooled: boolean;
}

/** Where a compute, or the pooler in front of it, listens on this machine. */
export interface ComputeSocket {
  readonly socket_directory: string;
  /** The number in the socket's name. */
  readonly port: number;
  readonly pooled?: true;
}

/** What happened, for logs and metrics: the true reason, which the client is not told. */
export type GatewayEvent =
  | {
      readonly event: "refused";
      readonly reason: RefusalReason;
      readonly address: string;
      readonly endpoint_id?: string;
    }
  | { readonly event: "opened"; readonly endpoint_id: string; readonly tls: boolean; readonly took_ms: number }
  | { readonly event: "wake_failed"; readonly endpoint_id: string; readonly error: unknown }
  /** The certificate's files cannot be read or do not fit; the one before is kept. */
  | { readonly event: "certificate_kept"; readonly error: unknown }
  | { readonly event: "failed"; readonly endpoint_id?: string; readonly error: unknown };

export type RefusalReason =
  | "crowded"
  | "deadline"
  | "protocol"
  | "plaintext"
  | "unknown_endpoint"
  | "unknown_role"
  | "wrong_password"
  | "verifier_changed"
  | "ip_not_allowed"
  | "disabled"
  | "quota_exceeded"
  | "too_many_connections";
