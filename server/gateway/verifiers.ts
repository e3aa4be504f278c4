import { type ComputeDriver, DriverError } from "../compute/driver.ts";
import type { Db } from "../db/pool.ts";
import type { Links } from "./links/links.ts";
import { SingleFlight } from "./single-flight.ts";
import {
  type EndpointRow,
  findEndpointForGateway,
  findVerifierForGateway,
  listObservedVerifiersForGateway,
  replaceObservedVerifiersForGateway,
  VERIFIERS_IN_COMPUTE,
} from "./store.ts";
import type { Traffic } from "./traffic.ts";

export interface VerifiersDeps {
  readonly db: Db;
  readonly compute: Pick<ComputeDriver, "query">;
  readonly node_id: string;
  /** The way to other nodes, which know more of their computes than the rows do; absent: there are none. */
  readonly links?: Pick<Links, "askVerifier"> | undefined;
  readonly trafficOf: (endpoint_id: string) => Pick<Traffic, "settled">;
  /** What was read could not be kept, or could not be read although the compute runs. */
  readonly onFailure: (endpoint_id: string, error: unknown) => void;
}

/** What was true of an endpoint at a moment. As long as that does not change, neither do its verifiers. */
interface Moment {
  readonly storage_id: string;
  readonly applied_revision: number;
  readonly settled: number;
}

interface Seen {
  /** Of before it was read. */
  readonly as_of: Moment;
  readonly verifiers: ReadonlyMap<string, string>;
}

/**
 * Which verifier each role has. The compute decides that and not our rows: people make roles and set passwords with
 * SQL. So a compute that runs is asked, though not again as long as nobody has done anything there. What it said is
 * kept in the database for when it sleeps, since asking it then would mean to wake it for a stranger. A role of a
 * compute that was never asked has the verifier that the API gave it.
 *
 * A verifier that is out of date lets nobody in: the proof is passed on to the compute, which has the last word.
 */
export class Verifiers {
  readonly #deps: VerifiersDeps;
  readonly #seen = new Map<string, Seen>();
  readonly #reads: SingleFlight<Seen | undefined>;

  constructor(deps: VerifiersDeps) {
    this.#deps = deps;
    this.#reads = new SingleFlight((endpoint_id) => this.#read(endpoint_id));
  }

  async find(endpoint_id: string, role: string): Promise<string | undefined> {
    const { db } = this.#deps;
    const endpoint = await findEndpointForGateway(db, endpoint_id);
    if (!endpoint) {
      this.#seen.delete(endpoint_id);
      return undefined;
    }
    if (endpoint.node_id === this.#deps.node_id) {
      const seen = await this.#current(endpoint_id, endpoint);
      if (seen) return seen.verifiers.get(role);
    } else {
      const told = await this.#deps.links?.askVerifier(endpoint_id, role);
      if (told) return told.verifier;
    }
    const observed = await listObservedVerifiersForGateway(db, endpoint.branch_id, endpoint.storage_id);
    return observed.size > 0 ? observed.get(role) : await findVerifierForGateway(db, endpoint.branch_id, role);
  }

  /**
   * Reads the verifiers of computes where clients have been active since, so that what is kept is at most one call of
   * this old. To be called before a compute is put to rest, and from time to time.
   */
  async refresh(endpoint_id: string): Promise<void> {
    const endpoint = await findEndpointForGateway(this.#deps.db, endpoint_id);
    if (endpoint) await this.#current(endpoint_id, endpoint);
    else this.#seen.delete(endpoint_id);
  }

  async #current(endpoint_id: string, endpoint: EndpointRow): Promise<Seen | undefined> {
    const now = this.#momentOf(endpoint_id, endpoint);
    const seen = this.#seen.get(endpoint_id);
    if (seen && isSince(seen.as_of, now)) return seen;
    const read = await this.#reads.run(endpoint_id);
    // One that was under way before may have been too early for a role that has just been made.
    return !read || isSince(read.as_of, now) ? read : await this.#reads.run(endpoint_id);
  }

  #momentOf(endpoint_id: string, { storage_id, applied_revision }: EndpointRow): Moment {
    return { storage_id, applied_revision, settled: this.#deps.trafficOf(endpoint_id).settled };
  }

  async #read(endpoint_id: string): Promise<Seen | undefined> {
    const { db, compute, onFailure } = this.#deps;
    const endpoint = await findEndpointForGateway(db, endpoint_id);
    if (!endpoint) return undefined;
    const as_of = this.#momentOf(endpoint_id, endpoint);
    const { branch_id, storage_id } = endpoint;
    try {
      const rows = await compute.query(endpoint_id, { text: VERIFIERS_IN_COMPUTE });
      const verifiers = new Map(rows.map((row) => [String(row.role_name), String(row.verifier)]));
      const before = this.#seen.get(endpoint_id);
      const kept =
        before?.as_of.storage_id === storage_id
          ? before.verifiers
          : await listObservedVerifiersForGateway(db, branch_id, storage_id);
      if (!sameEntries(kept, verifiers)) {
        await replaceObservedVerifiersForGateway(db, branch_id, storage_id, verifiers);
      }
      const seen = { as_of, verifiers };
      this.#seen.set(endpoint_id, seen);
      return seen;
    } catch (error) {
      if (!isAway(error)) onFailure(endpoint_id, error);
      return undefined;
    }
  }
}

/** The compute does not run, or is on its way up or down. */
function isAway(error: unknown): boolean {
  if (error instanceof DriverError) return error.code === "not_running";
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ECONNREFUSED" || code === "57P03" || code === "57P01";
}

function isSince(read: Moment, now: Moment): boolean {
  const { storage_id, applied_revision, settled } = now;
  return read.storage_id === storage_id && read.applied_revision >= applied_revision && read.settled >= settled;
}

function sameEntries(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, verifier]) => b.get(name) === verifier);
}
