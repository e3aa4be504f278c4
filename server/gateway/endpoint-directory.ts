import type { Db } from "../db/pool.ts";
import { ID_PATTERNS } from "../ids.ts";
import type { ComputePlace, ComputeSocket, Directory, Target } from "./directory.ts";
import type { Links } from "./links/links.ts";
import { Slots } from "./slots.ts";
import { findEndpointForGateway } from "./store.ts";
import type { Verifiers } from "./verifiers.ts";

export interface EndpointDirectoryDeps {
  readonly db: Db;
  readonly verifiers: Pick<Verifiers, "find">;
  readonly wake: (endpoint_id: string) => Promise<ComputeSocket>;
  /** The way to other nodes' computes; absent: there are no other nodes. */
  readonly links?: Pick<Links, "find"> | undefined;
}

/** A compute takes 100, of which PostgreSQL keeps 3 for its superuser: the control plane can always get in. */
const MAX_CONNECTIONS = 97;
/**
 * How many questions strangers can make us ask the database at a time. The pool is shared with the API, which a flood
 * at the gateway must not stop.
 */
const LOOKUPS_AT_ONCE = 4;

/** The directory as the control plane's rows and computes have it. */
export class EndpointDirectory implements Directory {
  readonly #deps: EndpointDirectoryDeps;
  readonly #slots = new Slots(LOOKUPS_AT_ONCE);

  constructor(deps: EndpointDirectoryDeps) {
    this.#deps = deps;
  }

  async findTarget(endpoint_id: string): Promise<Target | undefined> {
    if (!ID_PATTERNS.endpoint.test(endpoint_id)) return undefined;
    const found = await this.#slots.run(() => findEndpointForGateway(this.#deps.db, endpoint_id));
    if (!found) return undefined;
    const { ips = [], protected_branches_only = false } = found.allowed_ips ?? {};
    return {
      allowed_ips: protected_branches_only && !found.protected ? [] : ips,
      max_connections: MAX_CONNECTIONS,
      disabled: found.disabled,
      ...(found.quota_exceeded === null ? {} : { quota_exceeded: found.quota_exceeded }),
    };
  }

  async findVerifier(endpoint_id: string, role: string): Promise<string | undefined> {
    // No name in Postgres has a NUL or more than 63 bytes, and the database would refuse the question.
    if (!ID_PATTERNS.endpoint.test(endpoint_id) || role.includes("\0") || Buffer.byteLength(role) > 63)
      return undefined;
    return await this.#slots.run(() => this.#deps.verifiers.find(endpoint_id, role));
  }

  async wake(endpoint_id: string): Promise<ComputePlace> {
    return (await this.#deps.links?.find(endpoint_id)) ?? (await this.#deps.wake(endpoint_id));
  }
}
