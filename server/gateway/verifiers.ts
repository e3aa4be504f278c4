import { DriverError } from "../compute/driver.ts";
import type { Db } from "../db/pool.ts";
import type { InTurn, Observation } from "../jobs/computes/content/observe-content.ts";
import type { Links } from "./links/links.ts";
import { SingleFlight } from "./single-flight.ts";
import { KeyedSlots, type Slots } from "./slots.ts";
import {
  type EndpointRow,
  findEndpointForGateway,
  findVerifierForGateway,
  listObservedVerifiersForGateway,
} from "./store.ts";
import type { Traffic } from "./traffic.ts";

export interface VerifiersDeps {
  readonly db: Db;
  /** See `openLookups`. */
  readonly lookups: Pick<Slots, "run">;
  /** Looks at what is in a compute, and keeps it; undefined: its branch has gone. */
  readonly observe: (endpoint_id: string, branch_id: string, inTurn: InTurn) => Promise<Observation | undefined>;
  readonly node_id: string;
  /** The way to other nodes, which know more of their computes than the rows do; absent: there are none. */
  readonly links?: Pick<Links, "askVerifier"> | undefined;
  readonly trafficOf: (endpoint_id: string) => Pick<Traffic, "settled">;
  /** What was read could not be kept, or could not be read although the compute runs. */
  readonly onFailure: (endpoint_id: string, error: unknown) => void;
}

/** How many links strangers can make us open to the node of one endpoint, which may not answer. */
const ASKED_AT_ONCE = 4;

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

/** `away`: there was nothing to look at. */
type Unseen = "away" | "failed";

/**
 * Which verifier each role has. The compute decides that and not our rows: people make roles and set passwords with
 * SQL. So a compute that runs is looked at, though not again as long as nobody has done anything there. What was seen is
 * kept in the database for when it sleeps, since asking it then would mean to wake it for a stranger. A role of a
 * compute that was never looked at has the verifier that the API gave it, or that it has in the branch's parent. So has a
 * role of a branch that was made of a protected one, until that one's passwords are gone from its data.
 *
 * A verifier that is out of date lets nobody in: the proof is passed on to the compute, which has the last word.
 */
export class Verifiers {
  readonly #deps: VerifiersDeps;
  readonly #seen = new Map<string, Seen>();
  readonly #reads: SingleFlight<Seen | Unseen>;
  readonly #asked = new KeyedSlots(ASKED_AT_ONCE);

  constructor(deps: VerifiersDeps) {
    this.#deps = deps;
    this.#reads = new SingleFlight((endpoint_id) => this.#read(endpoint_id));
  }

  async find(endpoint_id: string, role: string): Promise<string | undefined> {
    const { db, lookups, links } = this.#deps;
    const endpoint = await lookups.run(() => findEndpointForGateway(db, endpoint_id));
    if (!endpoint) {
      this.#seen.delete(endpoint_id);
      return undefined;
    }
    if (endpoint.foreign_passwords) return await findVerifierForGateway(db, endpoint.branch_id, role);
    if (endpoint.node_id === this.#deps.node_id) {
      const seen = await this.#current(endpoint_id, endpoint);
      if (typeof seen === "object") return seen.verifiers.get(role);
    } else {
      const told = links && (await this.#asked.run(endpoint_id, () => links.askVerifier(endpoint_id, role)));
      if (told) return told.verifier;
    }
    const { branch_id, storage_id } = endpoint;
    const observed = await lookups.run(() => listObservedVerifiersForGateway(db, branch_id, storage_id));
    if (observed.size > 0) return observed.get(role);
    return await lookups.run(() => findVerifierForGateway(db, branch_id, role));
  }

  /**
   * Looks at a compute where clients have been active since, so that what is kept is at most one call of this old: to be
   * called from time to time. False: it does not run, so what was done there last may still be to be seen.
   */
  async refresh(endpoint_id: string): Promise<boolean> {
    const endpoint = await findEndpointForGateway(this.#deps.db, endpoint_id);
    if (endpoint) return (await this.#current(endpoint_id, endpoint)) !== "away";
    this.#seen.delete(endpoint_id);
    return false;
  }

  async #current(endpoint_id: string, endpoint: EndpointRow): Promise<Seen | Unseen> {
    const now = this.#momentOf(endpoint_id, endpoint);
    const seen = this.#seen.get(endpoint_id);
    if (seen && isSince(seen.as_of, now)) return seen;
    const read = await this.#reads.run(endpoint_id);
    // One that was under way before may have been too early for a role that has just been made.
    return typeof read === "string" || isSince(read.as_of, now) ? read : await this.#reads.run(endpoint_id);
  }

  #momentOf(endpoint_id: string, { storage_id, applied_revision }: EndpointRow): Moment {
    return { storage_id, applied_revision, settled: this.#deps.trafficOf(endpoint_id).settled };
  }

  async #read(endpoint_id: string): Promise<Seen | Unseen> {
    const { db, lookups, observe, onFailure, trafficOf } = this.#deps;
    const endpoint = await lookups.run(() => findEndpointForGateway(db, endpoint_id));
    if (!endpoint) return "away";
    // Of before it was looked at.
    const { settled } = trafficOf(endpoint_id);
    try {
      const seen = await observe(endpoint_id, endpoint.branch_id, (work) => lookups.run(work));
      if (!seen) return "away";
      const { storage_id, applied_revision, verifiers } = seen;
      const read = { as_of: { storage_id, applied_revision, settled }, verifiers };
      this.#seen.set(endpoint_id, read);
      return read;
    } catch (error) {
      if (isAway(error)) return "away";
      onFailure(endpoint_id, error);
      return "failed";
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
