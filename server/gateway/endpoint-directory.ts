import { type ComputeDriver, DriverError } from "../compute/driver.ts";
import { maxConnectionsOf, RESERVED_CONNECTIONS } from "../compute/size.ts";
import type { Db } from "../db/pool.ts";
import { ID_PATTERNS } from "../ids.ts";
import { NotStarted } from "../jobs/computes/failures.ts";
import { ComputeAway } from "./compute-session.ts";
import type { ComputePlace, ComputeSocket, Directory, Login, Target } from "./directory.ts";
import type { Links } from "./links/links.ts";
import { VerifierChanged } from "./scram.ts";
import type { Slots } from "./slots.ts";
import { findEndpointForGateway } from "./store.ts";
import type { Verifiers } from "./verifiers.ts";
import { SQLSTATE, WireError } from "./wire.ts";

export interface EndpointDirectoryDeps {
  readonly db: Db;
  /** See `openLookups`; the same that `verifiers` has. */
  readonly lookups: Pick<Slots, "run">;
  readonly verifiers: Pick<Verifiers, "find">;
  readonly wake: (endpoint_id: string) => Promise<ComputeSocket>;
  readonly compute: Pick<ComputeDriver, "capabilities" | "ensurePooler">;
  /** The way to other nodes' computes; absent: there are no other nodes. */
  readonly links?: Pick<Links, "find"> | undefined;
}

/** At every size. Neon's pooler takes 10,000; each costs this process, which serves the API too, two files and 94 kB. */
const MAX_POOLED_CONNECTIONS = 2_000;

/** The directory as the control plane's rows and computes have it. */
export class EndpointDirectory implements Directory {
  readonly #deps: EndpointDirectoryDeps;

  constructor(deps: EndpointDirectoryDeps) {
    this.#deps = deps;
  }

  async findTarget(endpoint_id: string): Promise<Target | undefined> {
    if (!ID_PATTERNS.endpoint.test(endpoint_id)) return undefined;
    const { db, lookups } = this.#deps;
    const found = await lookups.run(() => findEndpointForGateway(db, endpoint_id));
    if (!found) return undefined;
    const { ips = [], protected_branches_only = false } = found.allowed_ips ?? {};
    return {
      allowed_ips: protected_branches_only && !found.protected ? [] : ips,
      max_connections: maxConnectionsOf(found.size_cu) - RESERVED_CONNECTIONS,
      ...(this.#deps.compute.capabilities().pooling ? { max_pooled_connections: MAX_POOLED_CONNECTIONS } : {}),
      disabled: found.disabled,
      ...(found.quota_exceeded === null ? {} : { quota_exceeded: found.quota_exceeded }),
    };
  }

  async findVerifier(endpoint_id: string, role: string): Promise<string | undefined> {
    // No name in Postgres has a NUL or more than 63 bytes, and the database would refuse the question.
    if (!ID_PATTERNS.endpoint.test(endpoint_id) || role.includes("\0") || Buffer.byteLength(role) > 63)
      return undefined;
    return await this.#deps.verifiers.find(endpoint_id, role);
  }

  async wake(endpoint_id: string): Promise<ComputePlace> {
    const elsewhere = await this.#deps.links?.find(endpoint_id);
    if (elsewhere) return elsewhere;
    try {
      return await this.#deps.wake(endpoint_id);
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error;
      throw new WireError(SQLSTATE.cannot_connect_now, error.message, { cause: error.cause });
    }
  }

  async pool(endpoint_id: string, { role, database }: Login): Promise<ComputeSocket | undefined> {
    const { compute, verifiers } = this.#deps;
    if (!compute.capabilities().pooling) return undefined;
    // Asked again, now that the compute runs: what the client proved itself against may be from before its sleep, and a
    // pooler that has signed in once does not ask the compute for each client.
    const verifier = await verifiers.find(endpoint_id, role);
    if (verifier === undefined) throw new VerifierChanged("the role has no password any more");
    try {
      const at = await compute.ensurePooler(endpoint_id, { name: role, verifier, database });
      return at && { socket_directory: at.socket_directory, port: at.port, pooled: true };
    } catch (error) {
      if (!(error instanceof DriverError && error.code === "not_running")) throw error;
      throw new ComputeAway("the compute does not run", { cause: error });
    }
  }
}
